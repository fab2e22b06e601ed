"""The fake server of Anthropic's protocol, judged by Anthropic's own client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anthropic
import pytest

from support.providers.script import Call, Fault, Queue, Reply, Used, agent, rate_limited
from support.providers.server import FakeProviders, fake_providers

if TYPE_CHECKING:
    from collections.abc import Iterator

TOOL: Any = {
    "name": "add",
    "description": "Add.",
    "input_schema": {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
    },
}
HELLO: Any = [{"role": "user", "content": "hello"}]


@pytest.fixture
def fake() -> Iterator[FakeProviders]:
    with fake_providers() as server:
        yield server


@pytest.fixture
def client(fake: FakeProviders) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(api_key="sk-1", base_url=fake.url, max_retries=0, timeout=5) as client:
        yield client


def test_a_message(fake: FakeProviders, client: anthropic.Anthropic) -> None:
    fake.script = Queue([Reply("Hi.", reasoning="Greet.", used=Used(10, 3, 4, 2))])
    answer = client.messages.create(
        model="m", max_tokens=5, messages=HELLO, system="Be brief.", tools=[TOOL]
    )
    thinking, text = answer.content
    assert isinstance(thinking, anthropic.types.ThinkingBlock)
    assert thinking.thinking == "Greet."
    assert isinstance(text, anthropic.types.TextBlock)
    assert text.text == "Hi."
    assert (answer.usage.input_tokens, answer.usage.cache_read_input_tokens) == (6, 4)
    assert answer.stop_reason == "end_turn"
    assert [message.role for message in fake.asked[0].messages] == ["system", "user"]


def test_a_stream(fake: FakeProviders, client: anthropic.Anthropic) -> None:
    reply = Reply("one two", (Call("add", {"a": 1, "b": 2}),), "think hard", pause=0.001)
    fake.script = Queue([reply])
    with client.messages.stream(model="m", max_tokens=5, messages=HELLO, tools=[TOOL]) as stream:
        assert "".join(stream.text_stream) == "one two"
        whole = stream.get_final_message()
    assert [block.type for block in whole.content] == ["thinking", "text", "tool_use"]
    assert whole.content[0].signature  # type: ignore[union-attr]
    assert whole.content[2].input == {"a": 1, "b": 2}  # type: ignore[union-attr]
    assert whole.stop_reason == "tool_use"


def test_a_loop_of_tools(fake: FakeProviders, client: anthropic.Anthropic) -> None:
    fake.script = agent(rounds=2, at_once=2)
    messages: Any = list(HELLO)
    for _ in range(2):
        answer = client.messages.create(model="m", max_tokens=5, messages=messages, tools=[TOOL])
        messages.append({"role": "assistant", "content": answer.content})
        results = [
            {"type": "tool_result", "tool_use_id": block.id, "content": str(block.input)}
            for block in answer.content
            if block.type == "tool_use"
        ]
        messages.append({"role": "user", "content": results})
    answer = client.messages.create(model="m", max_tokens=5, messages=messages, tools=[TOOL])
    assert answer.content[0].text.startswith("hello: {'a': 0, 'b': 0}")  # type: ignore[union-attr]
    messages[-1]["content"].pop()
    with pytest.raises(anthropic.BadRequestError, match="without `tool_result`"):
        client.messages.create(model="m", max_tokens=5, messages=messages, tools=[TOOL])


@pytest.mark.parametrize(
    ("messages", "message"),
    [
        ([], "at least one message"),
        ([{"role": "system", "content": "x"}], "Input should be 'user'"),
        ([{"role": "user", "content": []}], "non-empty content"),
        ([{"role": "user", "content": [{"type": "text", "text": " "}]}], "must be non-empty"),
        ([*HELLO, {"role": "assistant", "content": "so "}], "trailing whitespace"),
        (
            [
                {
                    "role": "assistant",
                    "content": [{"type": "thinking", "thinking": "x", "signature": "y"}],
                }
            ],
            "Invalid `signature`",
        ),
    ],
    ids=["none", "role", "empty", "blank", "white end", "signature"],
)
def test_what_the_service_refuses(client: anthropic.Anthropic, messages: Any, message: str) -> None:
    with pytest.raises(anthropic.BadRequestError, match=message):
        client.messages.create(model="m", max_tokens=5, messages=messages)


def test_faults(fake: FakeProviders, client: anthropic.Anthropic) -> None:
    fake.faults.extend([rate_limited(3), Fault(status=529), Fault(status=500), Fault("event")])
    with pytest.raises(anthropic.RateLimitError) as raised:
        client.messages.create(model="m", max_tokens=5, messages=HELLO)
    assert raised.value.response.headers["retry-after"] == "3"
    with pytest.raises(anthropic.OverloadedError):
        client.messages.create(model="m", max_tokens=5, messages=HELLO)
    with pytest.raises(anthropic.InternalServerError):
        client.messages.create(model="m", max_tokens=5, messages=HELLO)
    with (
        pytest.raises(anthropic.APIStatusError, match="api_error"),
        client.messages.stream(model="m", max_tokens=5, messages=HELLO) as stream,
    ):
        stream.get_final_message()
