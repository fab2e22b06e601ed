"""The fake server of OpenAI's protocols, judged by OpenAI's own client."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import openai
import pytest

from support.providers import log as request_log
from support.providers.script import (
    Call,
    Fault,
    Queue,
    Reply,
    Used,
    agent,
    echo,
    rate_limited,
    vector,
)
from support.providers.server import FakeProviders, fake_providers

if TYPE_CHECKING:
    from collections.abc import Iterator

TOOL: Any = {
    "type": "function",
    "function": {
        "name": "add",
        "description": "Add.",
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
            "required": ["a", "b"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}
HELLO: Any = [{"role": "user", "content": "hello"}]


@pytest.fixture
def fake() -> Iterator[FakeProviders]:
    with fake_providers() as server:
        yield server


@pytest.fixture
def client(fake: FakeProviders) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        api_key="sk-1", base_url=fake.openai_url, max_retries=0, timeout=5
    ) as client:
        yield client


def test_a_completion(fake: FakeProviders, client: openai.OpenAI) -> None:
    fake.script = Queue([Reply("Hi.", reasoning="Greet.", used=Used(10, 3, 4, 2))])
    answer = client.chat.completions.create(model="gpt-4o-mini", messages=HELLO)
    assert answer.choices[0].message.content == "Hi."
    assert (answer.choices[0].message.model_extra or {})["reasoning_content"] == "Greet."
    assert answer.usage is not None
    assert answer.usage.total_tokens == 13
    assert answer.usage.prompt_tokens_details is not None
    assert answer.usage.prompt_tokens_details.cached_tokens == 4
    assert fake.asked[0].last == "hello"


def test_a_stream_with_usage(fake: FakeProviders, client: openai.OpenAI) -> None:
    fake.script = Queue([Reply("one two", calls=(Call("add", {"a": 1, "b": 2}),), pause=0.001)])
    with client.chat.completions.stream(
        model="m", messages=HELLO, tools=[TOOL], stream_options={"include_usage": True}
    ) as stream:
        for _ in stream:
            pass
        whole = stream.get_final_completion()
    message = whole.choices[0].message
    assert message.content == "one two"
    assert message.tool_calls is not None
    assert json.loads(message.tool_calls[0].function.arguments) == {"a": 1, "b": 2}
    assert whole.usage is not None
    assert whole.usage.completion_tokens > 0


def test_a_loop_of_tools(fake: FakeProviders, client: openai.OpenAI) -> None:
    fake.script = agent(rounds=2)
    messages = list(HELLO)
    for turn in range(2):
        answer = client.chat.completions.create(model="m", messages=messages, tools=[TOOL])
        calls = answer.choices[0].message.tool_calls
        assert calls is not None
        assert json.loads(calls[0].function.arguments) == {"a": turn, "b": turn}  # type: ignore[union-attr]
        messages.append(answer.choices[0].message.model_dump(exclude_none=True))
        messages.append({"role": "tool", "tool_call_id": calls[0].id, "content": str(2 * turn)})
    answer = client.chat.completions.create(model="m", messages=messages, tools=[TOOL])
    assert answer.choices[0].message.content == "hello: 0, 2"
    with pytest.raises(openai.BadRequestError, match="must be a response to a preceding"):
        client.chat.completions.create(model="m", messages=[*HELLO, messages[-1]])


def test_a_response_and_its_events(fake: FakeProviders, client: openai.OpenAI) -> None:
    reply = Reply("one two", (Call("add", {"a": 1, "b": 2}),), reasoning="I add.")
    fake.script = Queue([reply, reply])
    tool: Any = {"type": "function", **TOOL["function"]}
    whole = client.responses.create(model="m", input=HELLO, tools=[tool])
    assert whole.output_text == "one two"
    assert [item.type for item in whole.output] == ["reasoning", "message", "function_call"]
    with client.responses.stream(model="m", input=HELLO, tools=[tool]) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_response()
    assert final.output_text == "one two"
    assert final.usage is not None
    assert "response.output_text.delta" in kinds


def test_vectors_and_models(fake: FakeProviders, client: openai.OpenAI) -> None:
    for form in (openai.omit, "float"):  # by itself the client asks for base64
        answer = client.embeddings.create(
            model="e",
            input=["a", "b"],
            dimensions=3,
            encoding_format=form,
        )
        assert [tuple(each.embedding) for each in answer.data] == [vector("a", 3), vector("b", 3)]
    assert [each.id for each in client.models.list()] == ["fake"]


def test_a_schema_has_to_be_strict(fake: FakeProviders, client: openai.OpenAI) -> None:
    schema: dict[str, Any] = {"type": "object", "properties": {"n": {"type": "integer"}}}
    wanted: Any = {
        "type": "json_schema",
        "json_schema": {"name": "n", "schema": schema, "strict": True},
    }
    with pytest.raises(openai.BadRequestError, match="additionalProperties"):
        client.chat.completions.create(model="m", messages=HELLO, response_format=wanted)
    schema.update(required=["n"], additionalProperties=False)
    answer = client.chat.completions.create(model="m", messages=HELLO, response_format=wanted)
    assert json.loads(answer.choices[0].message.content or "") == {"n": 0}


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (rate_limited(1.5), openai.RateLimitError),
        (Fault(status=500), openai.InternalServerError),
        (Fault(status=529), openai.InternalServerError),
        (Fault("hang"), openai.APITimeoutError),
        (Fault("stall"), openai.APITimeoutError),
        (Fault("cut"), openai.APIConnectionError),
        (Fault("refused"), openai.APIConnectionError),
        (Fault("malformed"), json.JSONDecodeError),
    ],
    ids=lambda value: f"{value.kind}{value.status}" if isinstance(value, Fault) else "",
)
def test_faults(
    fake: FakeProviders, client: openai.OpenAI, fault: Fault, error: type[Exception]
) -> None:
    fake.script = Queue([fault], after=echo)
    with pytest.raises(error) as raised:
        client.with_options(timeout=0.2).chat.completions.create(model="m", messages=HELLO)
    if isinstance(raised.value, openai.RateLimitError):
        assert raised.value.response.headers["retry-after"] == "1.5"
    answer = client.chat.completions.create(model="m", messages=HELLO)
    assert answer.choices[0].message.content == "You said: hello"


def test_a_stream_that_is_cut(fake: FakeProviders, client: openai.OpenAI) -> None:
    fake.script = Queue([Fault("cut")])
    stream = client.chat.completions.create(model="m", messages=HELLO, stream=True)
    with pytest.raises(openai.APIConnectionError):
        list(stream)


def test_what_is_wrong_with_a_request(tmp_path: Path) -> None:
    limits: dict[str, Any] = {"keys": frozenset({"sk-1"}), "models": frozenset({"o3"})}
    with fake_providers(log=tmp_path / "log", context=100, **limits) as fake:

        def ask(key: str = "sk-1", model: str = "o3", text: str = "hi", **more: Any) -> None:
            messages: Any = [{"role": "user", "content": text}]
            with openai.OpenAI(api_key=key, base_url=fake.openai_url, max_retries=0) as client:
                client.chat.completions.create(model=model, messages=messages, **more)

        ask()
        with pytest.raises(openai.AuthenticationError):
            ask(key="sk-wrong")
        with pytest.raises(openai.NotFoundError):
            ask(model="o4")
        with pytest.raises(openai.BadRequestError, match="maximum context length") as raised:
            ask(text="x" * 101)
        assert raised.value.code == "context_length_exceeded"
        with pytest.raises(openai.BadRequestError, match="'temperature' is not supported"):
            ask(temperature=0.5)
        ask()
    entries = request_log.read(tmp_path / "log")
    assert [each["fault"] for each in entries] == [None, 401, 404, 400, 400, None]
    assert [each["number"] for each in request_log.repeated(entries)] == [1, 6]
    assert request_log.most_in_a_window(entries) == 6
