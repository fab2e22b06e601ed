"""Anthropic's models, through the real client library, against the fake server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.loops import on_loop
from support.providers.script import Call, Fault, Queue, Reply, Used, agent, rate_limited
from support.providers.server import FakeProviders, fake_providers
from tamias import (
    AgentDefinitionError,
    AnthropicChatModelConnection,
    AnthropicChatModelSetup,
    AuthFailed,
    BadRequest,
    ChatMessage,
    ContextTooLong,
    MessageRole,
    ModelError,
    Overloaded,
    RateLimited,
    TokenUsage,
    Tool,
    Unavailable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "sk-ant-very-secret-1234567890"
HELLO = [ChatMessage(role=MessageRole.USER, content="hello")]
HOW: dict[str, Any] = {"model": "claude-new", "max_tokens": 100}
SCHEMA = {
    "type": "object",
    "title": "Sum",
    "properties": {"sum": {"type": "integer", "minimum": 0}},
    "required": ["sum"],
}


def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


ADD = Tool.from_callable(add)


@pytest.fixture
def fake() -> Iterator[FakeProviders]:
    with fake_providers(keys=frozenset({KEY})) as server:
        yield server


@pytest.fixture
def connection(fake: FakeProviders) -> Iterator[AnthropicChatModelConnection]:
    connection = make(fake)
    yield connection
    connection.close()


def make(fake: FakeProviders, **more: Any) -> AnthropicChatModelConnection:
    return AnthropicChatModelConnection(**{"api_key": KEY, "base_url": fake.url, **more})


def test_an_answer_with_reasoning_and_usage(
    fake: FakeProviders, connection: AnthropicChatModelConnection
) -> None:
    fake.script = Queue([Reply("Hi.", reasoning="Greet.", used=Used(10, 3, 4, 2))])
    system = ChatMessage(role=MessageRole.SYSTEM, content="Be brief.")
    answer = connection.chat([system, *HELLO], **HOW, temperature=None)
    assert answer.role is MessageRole.ASSISTANT
    assert (answer.content, answer.reasoning) == ("Hi.", "Greet.")
    assert answer.usage == TokenUsage(
        prompt_tokens=10, completion_tokens=3, cached_tokens=4, reasoning_tokens=2
    )
    assert answer.extra_args == {"finish_reason": "end_turn", "request_id": "req_1"}
    assert fake.asked[0].body == {
        **HOW,
        "system": "Be brief.",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hello"}]}],
    }


@on_loop
async def test_a_conversation_with_parallel_tools_and_thinking(
    fake: FakeProviders, connection: AnthropicChatModelConnection
) -> None:
    calls = (Call("add", {"a": 1}), Call("add", {"a": 2}))
    fake.script = Queue([Reply("So.", calls, reasoning="I add.")], after=agent(rounds=1))
    asked = await connection.achat(HELLO, [ADD], **HOW)
    assert [call["function"]["arguments"] for call in asked.tool_calls] == [{"a": 1}, {"a": 2}]
    for call in asked.tool_calls:  # the ids of messages are the loop's own
        call["id"] = f"own-{call['original_id']}"
    stored = ChatMessage.model_validate_json(asked.model_dump_json())
    results = [
        ChatMessage(
            role=MessageRole.TOOL,
            content=str(n),
            extra_args={"external_id": call["original_id"]},
        )
        for n, call in enumerate(asked.tool_calls)
    ]
    # The fake refuses thinking without its signature, and results that are apart.
    answer = await connection.achat([*HELLO, stored, *results], [ADD], **HOW)
    await connection.aclose()
    assert answer.content == "hello: 0, 1"
    (described,) = fake.asked[0].body["tools"]
    assert described["description"] == "Add two numbers."
    assert described["input_schema"]["properties"].keys() == {"a", "b"}


def test_sampling_is_sent_only_if_it_is_set(
    fake: FakeProviders, connection: AnthropicChatModelConnection
) -> None:
    setup = AnthropicChatModelSetup(connection="c", model="claude-new")
    connection.chat(HELLO, **setup.model_kwargs)
    assert fake.asked[0].body.keys() == {"model", "max_tokens", "messages"}
    warm = AnthropicChatModelSetup(connection="c", model="claude-3-haiku", temperature=0.5, top_k=3)
    connection.chat(HELLO, **warm.model_kwargs)
    assert (fake.asked[1].body["temperature"], fake.asked[1].body["top_k"]) == (0.5, 3)
    with pytest.raises(BadRequest, match="`temperature` is not supported by this model"):
        connection.chat(HELLO, **HOW, temperature=0.5)


def test_a_structured_answer_by_the_service(
    fake: FakeProviders, connection: AnthropicChatModelConnection
) -> None:
    answer = connection.chat(HELLO, output_schema=SCHEMA, **HOW, effort="low")
    assert json.loads(answer.content) == {"sum": 0}
    wanted = fake.asked[0].body["output_config"]
    assert wanted["effort"] == "low"
    assert wanted["format"]["schema"]["additionalProperties"] is False
    assert "minimum" not in wanted["format"]["schema"]["properties"]["sum"]
    assert connection.supports_native_structured_output("claude-new")


@pytest.mark.parametrize("model", ["claude-3-5-haiku-latest", "claude-sonnet-4-20250514"])
def test_a_structured_answer_of_an_older_model(
    fake: FakeProviders, connection: AnthropicChatModelConnection, model: str
) -> None:
    answer = connection.chat(HELLO, output_schema=SCHEMA, model=model, max_tokens=10)
    assert json.loads(answer.content) == {"sum": 0}
    assert answer.tool_calls == []
    assert fake.asked[0].body["tool_choice"] == {"type": "tool", "name": "give_answer"}


def test_how_answers_are_made_to_match_can_be_said(fake: FakeProviders) -> None:
    for how, key in (("tool", "tool_choice"), ("native", "output_config")):
        connection = make(fake, structured_output=how)
        connection.chat(HELLO, output_schema=SCHEMA, model="claude-3-x", max_tokens=10)
        assert key in fake.asked[-1].body
        connection.close()


def test_a_brace_can_be_put_into_the_models_mouth(
    fake: FakeProviders, connection: AnthropicChatModelConnection
) -> None:
    fake.script = Queue([Reply('"a": 1}'), Reply("plain")])
    setup = AnthropicChatModelSetup(connection="c", model="claude-3-x", json_prefill=True)
    assert connection.chat(HELLO, **setup.model_kwargs).content == '{"a": 1}'
    assert fake.asked[0].messages[-1].text == "{"
    assert connection.chat(HELLO, [ADD], **setup.model_kwargs).content == "plain"


@on_loop
async def test_a_stream(fake: FakeProviders, connection: AnthropicChatModelConnection) -> None:
    calls = (Call("add", {"a": 1}), Call("add", "[1"))
    fake.script = Queue([Reply("one two", calls, "think hard", Used(5, 6, 1, 2))])
    deltas = [delta async for delta in connection.astream(HELLO, [ADD], **HOW)]
    await connection.aclose()
    assert [delta.text for delta in deltas if delta.text] == ["one", " two"]
    assert [delta.reasoning for delta in deltas if delta.reasoning] == ["think", " hard"]
    message = deltas[-1].message
    assert message is not None
    assert (message.content, message.reasoning) == ("one two", "think hard")
    assert [call["function"] for call in message.tool_calls] == [
        {"name": "add", "arguments": {"a": 1}},
        {"name": "add", "arguments": {}, "malformed": "[1"},
    ]
    assert message.usage is not None
    assert message.usage.total == 11
    assert message.raw is not None
    assert all(delta.message is None for delta in deltas[:-1])


@on_loop
async def test_a_stream_that_breaks_off(
    fake: FakeProviders, connection: AnthropicChatModelConnection
) -> None:
    for fault, message in (
        (Fault("cut"), "has broken off its answer"),
        (Fault("malformed"), "has sent no valid answer"),
        (Fault("stall"), r"has sent nothing for 0\.2 s"),
        (Fault("event", status=529), r"has too much to do \(status 529"),
        (Fault("event", status=429), "takes no more requests"),
        (Fault("event"), r"has failed \(status 500"),
        (rate_limited(2), "takes no more requests for now"),
        (Fault("html"), "it ended before the answer was complete"),
    ):
        fake.script = Queue([fault])
        with pytest.raises(ModelError, match=message) as raised:
            async for _ in connection.astream(HELLO, **HOW, timeout=0.2):
                pass
        assert raised.value.is_temporary
    await connection.aclose()


CASES: list[tuple[Fault, type[ModelError], str]] = [
    (rate_limited(1.5), RateLimited, r"takes no more requests for now \(status 429"),
    (Fault(status=529), Overloaded, r"too much to do \(status 529\)"),
    (Fault(status=500), Unavailable, r"has failed \(status 500\)"),
    (Fault(status=402, code="billing_error"), AuthFailed, "quota is used up"),
    (Fault(status=403), AuthFailed, "does not allow this call"),
    (Fault(status=404, message="model: x"), BadRequest, "knows no such model .*model: x"),
    (Fault(status=400, message="bad field"), BadRequest, r"refuses the request .*bad field"),
    (
        Fault(status=400, message="prompt is too long: 200001 tokens > 200000 maximum"),
        ContextTooLong,
        "conversation is too long .*Shorten the conversation",
    ),
    (
        Fault(status=400, message="input length and `max_tokens` exceed context limit: 1 + 2 > 2"),
        ContextTooLong,
        "conversation is too long",
    ),
    (Fault(status=413, message="Request is too big"), ContextTooLong, "too long"),
    (Fault("hang"), Unavailable, r"has sent nothing for 0\.2 s"),
    (Fault("cut"), Unavailable, "has broken off its answer"),
    (Fault("refused"), Unavailable, "has broken off its answer"),
    (Fault("malformed"), Unavailable, "has sent no valid answer"),
    (Fault("html"), Unavailable, r"has sent no valid answer: an HTML page\. .*check the address"),
]


@pytest.mark.parametrize(
    ("fault", "kind", "message"),
    CASES,
    ids=[f"{fault.kind}-{fault.status}-{fault.message[:6]}" for fault, _, _ in CASES],
)
def test_what_goes_wrong(
    fake: FakeProviders,
    connection: AnthropicChatModelConnection,
    fault: Fault,
    kind: type[ModelError],
    message: str,
) -> None:
    fake.script = Queue([fault, Reply("fine")])
    with pytest.raises(kind, match=message) as raised:
        connection.chat(HELLO, **HOW, timeout=0.2)
    assert type(raised.value) is kind
    assert raised.value.provider == "anthropic"
    if fault.kind == "status":
        assert raised.value.status == fault.status
        assert raised.value.request_id == "req_fake"
    if kind is RateLimited:
        assert raised.value.retry_after == 1.5
    assert connection.chat(HELLO, **HOW).content == "fine"
    assert fake.count == 2  # the library has tried nothing again


def test_a_key_is_nowhere(fake: FakeProviders) -> None:
    wrong = "sk-ant-wrong-but-secret-0987654321"
    connection = make(fake, api_key=wrong, default_headers={"X-Token": "also-secret-42"})
    with pytest.raises(AuthFailed, match=r"does not accept the API key .*ANTHROPIC_API_KEY") as no:
        connection.chat(HELLO, **HOW)
    for shown in (repr(connection), str(connection), str(no.value)):
        assert "secret-0" not in shown
    connection.close()
    with pytest.raises(ValueError, match="no_such_argument") as invalid:
        make(fake, no_such_argument=1)
    assert "secret" not in str(invalid.value)


def test_no_key_at_all(
    fake: FakeProviders, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in (
        "CONFIG_DIR",
        "API_KEY",
        "AUTH_TOKEN",
        "PROFILE",
        "IDENTITY_TOKEN",
        "IDENTITY_TOKEN_FILE",
    ):
        monkeypatch.delenv(f"ANTHROPIC_{name}", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    for variable, message in (
        ("HOME", r"has no API key\. Set"),
        ("ANTHROPIC_CONFIG_DIR", "key: .*"),
    ):
        monkeypatch.setenv(variable, str(tmp_path))
        connection = make(fake, api_key=None)
        with pytest.raises(AgentDefinitionError, match=f"{message}.*ANTHROPIC_API_KEY"):
            connection.chat(HELLO, **HOW)
        assert fake.count == 0
        connection.close()
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", fake.url)
    connection = AnthropicChatModelConnection()
    assert connection.chat(HELLO, **HOW).content == "You said: hello"
    connection.close()


def test_a_service_that_is_not_there() -> None:
    connection = AnthropicChatModelConnection(api_key=KEY, base_url="http://me:pw@127.0.0.1:9")
    with pytest.raises(Unavailable, match=r"cannot be reached at http://127\.0\.0\.1:9: "):
        connection.chat(HELLO, **HOW)
    connection.close()


def test_a_request_has_the_callers_id(
    fake: FakeProviders, connection: AnthropicChatModelConnection
) -> None:
    connection.chat(HELLO, **HOW, request_id="run-7", extra_headers={"x-a": "1"})
    assert fake.asked[0].headers["x-client-request-id"] == "run-7"
    assert fake.asked[0].headers["x-a"] == "1"
