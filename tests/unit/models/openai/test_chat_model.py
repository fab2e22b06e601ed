"""Chat completions, through the real client library, against the fake server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from support.loops import on_loop
from support.providers.script import Call, Fault, Queue, Reply, Used, agent, rate_limited
from support.providers.server import FakeProviders, fake_providers
from tamias import (
    AgentDefinitionError,
    AuthFailed,
    BadRequest,
    ChatMessage,
    ContextTooLong,
    DocumentBlock,
    ImageBlock,
    MessageRole,
    ModelError,
    Overloaded,
    RateLimited,
    TokenUsage,
    Tool,
    Unavailable,
)
from tamias.models.openai.chat_model import OpenAIChatModelConnection, OpenAIChatModelSetup

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "sk-very-secret-1234567890"
HELLO = [ChatMessage(role=MessageRole.USER, content="hello")]


def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


ADD = Tool.from_callable(add)


@pytest.fixture
def fake() -> Iterator[FakeProviders]:
    with fake_providers(keys=frozenset({KEY})) as server:
        yield server


@pytest.fixture
def connection(fake: FakeProviders) -> Iterator[OpenAIChatModelConnection]:
    connection = make(fake)
    yield connection
    connection.close()


def make(fake: FakeProviders, **more: Any) -> OpenAIChatModelConnection:
    given: dict[str, Any] = {"api_key": KEY, "api_base_url": fake.openai_url, **more}
    return OpenAIChatModelConnection(**given)


def test_an_answer_with_reasoning_and_usage(
    fake: FakeProviders, connection: OpenAIChatModelConnection
) -> None:
    fake.script = Queue([Reply("Hi.", reasoning="Greet.", used=Used(10, 3, 4, 2))])
    answer = connection.chat(HELLO, model="gpt-4o-mini", temperature=0.5, top_p=None)
    assert answer.role is MessageRole.ASSISTANT
    assert answer.content == "Hi."
    assert answer.reasoning == "Greet."
    assert answer.usage == TokenUsage(
        prompt_tokens=10, completion_tokens=3, cached_tokens=4, reasoning_tokens=2
    )
    assert answer.extra_args == {"finish_reason": "stop", "request_id": "req_1"}
    assert fake.asked[0].body == {
        "model": "gpt-4o-mini",
        "temperature": 0.5,
        "messages": [{"role": "user", "content": "hello"}],
    }


def test_a_conversation_with_tools(
    fake: FakeProviders, connection: OpenAIChatModelConnection
) -> None:
    fake.script = agent(rounds=1, at_once=2)
    asked = connection.chat(HELLO, [ADD], model="m")
    assert [call["function"] for call in asked.tool_calls] == [
        {"name": "add", "arguments": {"a": 0, "b": 0}},
        {"name": "add", "arguments": {"a": 1, "b": 1}},
    ]
    assert [call["original_id"] for call in asked.tool_calls] == ["call_1_0", "call_1_1"]
    (described,) = fake.asked[0].body["tools"]
    assert described["function"]["description"] == "Add two numbers."
    assert "strict" not in described["function"]
    for call in asked.tool_calls:  # the ids of messages are the loop's own
        call["id"] = f"own-{call['original_id']}"
    results = [
        ChatMessage(
            role=MessageRole.TOOL, content=str(n), extra_args={"external_id": f"call_1_{n}"}
        )
        for n in range(2)
    ]
    answer = connection.chat([*HELLO, asked, *results], [ADD], model="m")
    assert answer.content == "hello: 0, 1"


def test_tools_are_strict_on_demand(
    fake: FakeProviders, connection: OpenAIChatModelConnection
) -> None:
    def anything(given: dict[str, Any]) -> None: ...

    connection.chat(HELLO, [ADD, Tool.from_callable(anything)], model="m", strict=True)
    strict, loose = (each["function"] for each in fake.asked[0].body["tools"])
    assert strict["strict"] is True
    assert strict["parameters"]["required"] == ["a", "b"]
    assert strict["parameters"]["additionalProperties"] is False
    assert "strict" not in loose  # its schema has no strict form
    assert "strict" not in fake.asked[0].body


@pytest.mark.parametrize("text", ['{"a": 1', "[1]", "12", "not at all"])
def test_malformed_arguments_are_kept(
    fake: FakeProviders, connection: OpenAIChatModelConnection, text: str
) -> None:
    fake.script = Queue([Reply(calls=(Call("add", text),)), Reply(calls=(Call("add", ""),))])
    asked = connection.chat(HELLO, [ADD], model="m")
    assert asked.tool_calls[0]["function"] == {"name": "add", "arguments": {}, "malformed": text}
    assert connection.chat(HELLO, [ADD], model="m").tool_calls[0]["function"]["arguments"] == {}


def test_images_and_documents(fake: FakeProviders, connection: OpenAIChatModelConnection) -> None:
    content: list[Any] = [
        "What is this?",
        ImageBlock(data=b"png"),
        ImageBlock(url="https://x.test/a.jpg"),
        DocumentBlock(data=b"pdf", name="a.pdf"),
        DocumentBlock(text="plain", name="b.txt"),
    ]
    connection.chat([ChatMessage(role=MessageRole.USER, content=content)], model="m")
    parts = fake.asked[0].body["messages"][0]["content"]
    assert parts == [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,cG5n"}},
        {"type": "image_url", "image_url": {"url": "https://x.test/a.jpg"}},
        {
            "type": "file",
            "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,cGRm"},
        },
        {"type": "text", "text": "b.txt:\nplain"},
    ]
    somewhere = [DocumentBlock(url="https://x.test/a.pdf")]
    with pytest.raises(BadRequest, match=r"take no documents by URL.*OpenAIResponses"):
        connection.chat([ChatMessage(role=MessageRole.USER, content=somewhere)], model="m")


def test_a_structured_answer(fake: FakeProviders, connection: OpenAIChatModelConnection) -> None:
    schema = {
        "title": "A sum!",
        "type": "object",
        "properties": {"sum": {"type": "integer", "default": 1}, "unit": {"$ref": "#/$defs/U"}},
        "$defs": {"U": {"type": "object", "properties": {"name": {"type": "string"}}}},
    }
    answer = connection.chat(HELLO, model="m", output_schema=schema)
    assert json.loads(answer.content) == {"sum": 0, "unit": {"name": "text 0"}}
    wanted = fake.asked[0].body["response_format"]["json_schema"]
    assert (wanted["name"], wanted["strict"]) == ("A_sum_", True)
    assert connection.supports_native_structured_output("gpt-4o-mini")
    assert not connection.supports_native_structured_output("gpt-3.5-turbo")


@on_loop
async def test_a_stream(fake: FakeProviders, connection: OpenAIChatModelConnection) -> None:
    reply = Reply("one two", (Call("add", {"a": 1}),), "think hard", Used(5, 6, 1, 2))
    fake.script = Queue([reply])
    deltas = [delta async for delta in connection.astream(HELLO, [ADD], model="m")]
    await connection.aclose()
    assert [delta.text for delta in deltas if delta.text] == ["one", " two"]
    assert [delta.reasoning for delta in deltas if delta.reasoning] == ["think", " hard"]
    message = deltas[-1].message
    assert message is not None
    assert (message.content, message.reasoning) == ("one two", "think hard")
    assert message.tool_calls[0]["function"] == {"name": "add", "arguments": {"a": 1}}
    assert message.usage is not None
    assert message.usage.total == 11
    assert all(delta.message is None for delta in deltas[:-1])


@on_loop
async def test_a_stream_that_breaks_off(
    fake: FakeProviders, connection: OpenAIChatModelConnection
) -> None:
    for fault, message in (
        (Fault("cut"), "has broken off its answer"),
        (Fault("malformed"), "has sent no valid answer"),
        (Fault("stall"), r"has sent nothing for 0\.2 s"),
        (rate_limited(2), "takes no more requests for now"),
        (Fault("html"), "it ended before the answer was complete"),
    ):
        fake.script = Queue([fault])
        with pytest.raises(ModelError, match=message) as raised:
            async for _ in connection.astream(HELLO, model="m", timeout=0.2):
                pass
        assert raised.value.is_temporary
    await connection.aclose()


CASES: list[tuple[Fault, type[ModelError], str]] = [
    (rate_limited(1.5), RateLimited, r"takes no more requests for now \(status 429"),
    (Fault(status=429, code="insufficient_quota"), AuthFailed, "quota is used up"),
    (
        Fault(status=429, message="Request too large for gpt-4o on tokens per min (TPM)"),
        ContextTooLong,
        "conversation is too long",
    ),
    (Fault(status=500), Unavailable, r"has failed \(status 500, server_error\)"),
    (Fault(status=502), Unavailable, r"has failed \(status 502, server_error\)"),
    (Fault(status=503), Overloaded, "too much to do"),
    (Fault(status=529), Overloaded, "too much to do"),
    (Fault(status=403), AuthFailed, "does not allow this call"),
    (Fault(status=404), BadRequest, "knows no such model or path .*Check the model's name"),
    (Fault(status=422, message="bad field"), BadRequest, r"refuses the request .*bad field"),
    (
        Fault(status=400, code="context_length_exceeded"),
        ContextTooLong,
        "conversation is too long .*Shorten the conversation",
    ),
    (
        Fault(status=400, message="the request exceeds the available context size"),
        ContextTooLong,
        "conversation is too long",
    ),
    (Fault("hang"), Unavailable, r"has sent nothing for 0\.2 s"),
    (Fault("stall"), Unavailable, r"has sent nothing for 0\.2 s"),
    (Fault("cut"), Unavailable, "has broken off its answer"),
    (Fault("refused"), Unavailable, "has broken off its answer"),
    (Fault("malformed"), Unavailable, "has sent no valid answer"),
    (Fault("html"), Unavailable, r"has sent no valid answer: an HTML page\. .*check the address"),
]


@pytest.mark.parametrize(
    ("fault", "kind", "message"),
    CASES,
    ids=[f"{fault.kind}-{fault.status}-{fault.code}" for fault, _, _ in CASES],
)
def test_what_goes_wrong(
    fake: FakeProviders,
    connection: OpenAIChatModelConnection,
    fault: Fault,
    kind: type[ModelError],
    message: str,
) -> None:
    fake.script = Queue([fault, Reply("fine")])
    with pytest.raises(kind, match=message) as raised:
        connection.chat(HELLO, model="m", timeout=0.2)
    assert type(raised.value) is kind
    assert raised.value.provider == "openai"
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__ or raised.value.__context__ is None
    if fault.kind == "status":
        assert raised.value.status == fault.status
        assert raised.value.request_id == "req_fake"
    assert connection.chat(HELLO, model="m").content == "fine"
    assert fake.count == 2  # the library has tried nothing again


def test_when_to_try_again(fake: FakeProviders, connection: OpenAIChatModelConnection) -> None:
    from email.utils import formatdate
    from time import time

    def told(fault: Fault) -> float | None:
        fake.script = Queue([fault])
        with pytest.raises(RateLimited) as raised:
            connection.chat(HELLO, model="m")
        return raised.value.retry_after

    assert told(rate_limited(1.5)) == 1.5
    assert told(rate_limited(0.25, milliseconds=True)) == 0.25
    assert told(rate_limited(90)) == 90
    assert told(rate_limited()) is None
    assert told(rate_limited("soon")) is None
    later = told(rate_limited(formatdate(time() + 30, usegmt=True)))
    assert later is not None
    assert 20 < later <= 31


def test_a_key_is_nowhere(fake: FakeProviders) -> None:
    wrong = "sk-wrong-but-secret-0987654321"
    connection = make(fake, api_key=wrong, default_headers={"X-Token": "also-secret-42"})
    with pytest.raises(AuthFailed, match=r"does not accept the API key .*OPENAI_API_KEY") as raised:
        connection.chat(HELLO, model="m")
    fake.script = Queue([Fault(status=400, message=f"bad: {wrong} also-secret-42 Bearer x-1")])
    connection.api_key = make(fake).api_key
    other = make(fake, default_headers={"X-Token": "also-secret-42"})
    with pytest.raises(BadRequest) as refused:
        other.chat(HELLO, model="m")
    shown = [repr(connection), str(connection), str(raised.value), str(refused.value)]
    for text in (*shown, repr(raised.value.__cause__)):
        assert "secret" not in text
        assert "sk-w" not in text
    with pytest.raises(ValueError, match="no_such_argument") as invalid:
        make(fake, no_such_argument=1)
    assert "secret" not in str(invalid.value)
    connection.close()
    other.close()


def test_no_key_at_all(fake: FakeProviders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    connection = make(fake, api_key=None)
    with pytest.raises(AgentDefinitionError, match=r"has no API key\. Set OPENAI_API_KEY"):
        connection.chat(HELLO, model="m")
    assert fake.count == 0
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", fake.openai_url)
    connection = OpenAIChatModelConnection()
    assert connection.chat(HELLO, model="m").content == "You said: hello"
    connection.close()


def test_a_key_with_a_slip(fake: FakeProviders) -> None:
    connection = make(fake, api_key=f"{KEY}\n")
    assert connection.chat(HELLO, model="m").content == "You said: hello"
    connection.close()
    for key in ("sk-ключ-secret", "sk-secret 12"):
        with pytest.raises(AgentDefinitionError, match="characters that no key has") as raised:
            make(fake, api_key=key).chat(HELLO, model="m")
        assert "secret" not in str(raised.value)


def test_nobody_there() -> None:
    connection = OpenAIChatModelConnection(api_key=KEY, api_base_url="http://me:pw@127.0.0.1:9/v1")
    with pytest.raises(Unavailable, match=r"cannot be reached at http://127\.0\.0\.1:9/v1"):
        connection.chat(HELLO, model="m")
    connection.close()


def test_a_setup_says_what_was_set() -> None:
    def kwargs(**fields: Any) -> dict[str, Any]:
        return OpenAIChatModelSetup(connection="c", **fields).model_kwargs

    assert kwargs() == {"model": "gpt-4o-mini", "temperature": 0.1}
    assert kwargs(model="o3") == {"model": "o3"}
    assert kwargs(model="o3", temperature=1) == {"model": "o3", "temperature": 1}
    assert kwargs(model="gpt-5-chat-latest")["temperature"] == 0.1
    assert kwargs(temperature=None, max_tokens=5, strict=True, additional_kwargs={"seed": 1}) == {
        "model": "gpt-4o-mini",
        "max_tokens": 5,
        "strict": True,
        "seed": 1,
    }
    with pytest.raises(ValueError, match="temprature"):
        kwargs(temprature=0.5)


def test_models_that_reason_get_what_they_take(
    fake: FakeProviders, connection: OpenAIChatModelConnection
) -> None:
    setup = OpenAIChatModelSetup(
        connection="c", model="gpt-5-mini", max_tokens=50, reasoning_effort="low"
    )
    connection.chat(HELLO, **setup.model_kwargs)
    sent = {name: value for name, value in fake.asked[0].body.items() if name != "messages"}
    assert sent == {
        "model": "gpt-5-mini",
        "max_completion_tokens": 50,
        "reasoning_effort": "low",
    }


def test_reasoning_in_the_text_is_kept_apart_on_demand(
    fake: FakeProviders, connection: OpenAIChatModelConnection
) -> None:
    fake.script = Queue([Reply("<think>Hm.</think>\n\nYes."), Reply("<think>Hm.</think> Yes.")])
    answer = connection.chat(HELLO, model="m", extract_reasoning=True)
    assert (answer.content, answer.reasoning) == ("Yes.", "Hm.")
    assert connection.chat(HELLO, model="m").content == "<think>Hm.</think> Yes."


def test_a_request_has_the_callers_id(
    fake: FakeProviders, connection: OpenAIChatModelConnection
) -> None:
    connection.chat(HELLO, model="m", request_id="run-7", extra_body={"top_k": 3})
    assert fake.asked[0].headers["x-client-request-id"] == "run-7"
    assert fake.asked[0].body["top_k"] == 3
