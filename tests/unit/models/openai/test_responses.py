"""The responses API, through the real client library, against the fake server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from support.loops import on_loop
from support.providers.script import Call, Fault, Queue, Reply, Used, agent, rate_limited
from support.providers.server import FakeProviders, fake_providers
from tamias import (
    BadRequest,
    ChatMessage,
    DocumentBlock,
    ImageBlock,
    MessageRole,
    ModelError,
    RateLimited,
    TokenUsage,
    Tool,
    Unavailable,
)
from tamias.models.openai.responses import (
    OpenAIResponsesModelConnection,
    OpenAIResponsesModelSetup,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

HELLO = [
    ChatMessage(role=MessageRole.SYSTEM, content="Be nice."),
    ChatMessage(role=MessageRole.USER, content="hello"),
]


def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


ADD = Tool.from_callable(add)


@pytest.fixture
def fake() -> Iterator[FakeProviders]:
    with fake_providers() as server:
        yield server


@pytest.fixture
def connection(fake: FakeProviders) -> Iterator[OpenAIResponsesModelConnection]:
    connection = OpenAIResponsesModelConnection(api_key="k", api_base_url=fake.openai_url)
    yield connection
    connection.close()


def test_an_answer(fake: FakeProviders, connection: OpenAIResponsesModelConnection) -> None:
    fake.script = Queue([Reply("Hi.", reasoning="Greet.", used=Used(10, 3, 4, 2))])
    setup = OpenAIResponsesModelSetup(
        connection="c", model="gpt-5", reasoning_effort="low", max_tokens=9
    )
    answer = connection.chat(HELLO, **setup.model_kwargs)
    assert (answer.content, answer.reasoning) == ("Hi.", "Greet.")
    assert answer.usage == TokenUsage(
        prompt_tokens=10, completion_tokens=3, cached_tokens=4, reasoning_tokens=2
    )
    assert answer.extra_args == {"finish_reason": "stop", "request_id": "req_1"}
    assert fake.asked[0].body == {
        "model": "gpt-5",
        "reasoning": {"effort": "low"},
        "max_output_tokens": 9,
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "input": [
            {"type": "message", "role": "system", "content": "Be nice."},
            {"type": "message", "role": "user", "content": "hello"},
        ],
    }


def test_a_conversation_with_tools_sends_sealed_reasoning_back(
    fake: FakeProviders, connection: OpenAIResponsesModelConnection
) -> None:
    calls = (Call("add", {"a": 1}), Call("add", "{"))
    fake.script = Queue([Reply("First.", calls, "I add.")], after=agent(0))
    asked = connection.chat(HELLO, [ADD], model="o3")
    assert [call["function"] for call in asked.tool_calls] == [
        {"name": "add", "arguments": {"a": 1}},
        {"name": "add", "arguments": {}, "malformed": "{"},
    ]
    assert asked.extra_args["finish_reason"] == "tool_calls"
    for number, call in enumerate(asked.tool_calls):
        call["id"] = f"own-{number}"
    again = ChatMessage.model_validate(json.loads(asked.model_dump_json()))
    results = [
        ChatMessage(
            role=MessageRole.TOOL,
            content=str(n),
            extra_args={"external_id": call["original_id"]},
        )
        for n, call in enumerate(again.tool_calls)
    ]
    answer = connection.chat([*HELLO, again, *results], [ADD], model="o3")
    assert answer.content == "hello: 0, 1"
    sent = fake.asked[1].body["input"][2:]
    assert [item["type"] for item in sent] == [
        "reasoning",
        "message",
        "function_call",
        "function_call",
        "function_call_output",
        "function_call_output",
    ]
    assert sent[0] == {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "I add."}],
        "encrypted_content": "sealed-1",
    }
    assert fake.asked[1].body["tools"][0]["strict"] is False
    other = again.model_copy(update={"raw": {"provider": "anthropic", "blocks": [{"type": "x"}]}})
    connection.chat([*HELLO, other, *results], [ADD], model="o3")
    assert fake.asked[2].body["input"][2]["type"] == "message"


def test_blocks_and_a_schema(
    fake: FakeProviders, connection: OpenAIResponsesModelConnection
) -> None:
    content: list[Any] = [
        "What?",
        ImageBlock(data=b"png"),
        DocumentBlock(url="https://x.test/a.pdf"),
        DocumentBlock(data=b"pdf", name="a.pdf"),
        DocumentBlock(text="plain", name="b.txt"),
    ]
    schema = {"title": "S", "type": "object", "properties": {"n": {"type": "integer"}}}
    message = ChatMessage(role=MessageRole.USER, content=content)
    answer = connection.chat([message], model="m", output_schema=schema)
    assert json.loads(answer.content) == {"n": 0}
    assert fake.asked[0].body["text"]["format"]["strict"] is True
    assert fake.asked[0].body["input"][0]["content"] == [
        {"type": "input_text", "text": "What?"},
        {"type": "input_image", "image_url": "data:image/png;base64,cG5n", "detail": "auto"},
        {"type": "input_file", "file_url": "https://x.test/a.pdf"},
        {
            "type": "input_file",
            "filename": "a.pdf",
            "file_data": "data:application/pdf;base64,cGRm",
        },
        {"type": "input_text", "text": "b.txt:\nplain"},
    ]


@on_loop
async def test_a_stream(fake: FakeProviders, connection: OpenAIResponsesModelConnection) -> None:
    fake.script = Queue([Reply("one two", (Call("add", {"a": 1}),), "think hard", Used(5, 6))])
    deltas = [delta async for delta in connection.astream(HELLO, [ADD], model="o3")]
    assert [delta.text for delta in deltas if delta.text] == ["one", " two"]
    assert [delta.reasoning for delta in deltas if delta.reasoning] == ["think", " hard"]
    message = deltas[-1].message
    assert message is not None
    assert message.content == "one two"
    assert message.tool_calls[0]["function"]["arguments"] == {"a": 1}
    assert message.raw is not None
    fake.script = Queue([Reply("cut", finish="max_output_tokens")])
    deltas = [delta async for delta in connection.astream(HELLO, model="m")]
    assert deltas[-1].message is not None
    assert deltas[-1].message.extra_args["finish_reason"] == "length"
    await connection.aclose()


@on_loop
async def test_a_stream_that_breaks_off(
    fake: FakeProviders, connection: OpenAIResponsesModelConnection
) -> None:
    for fault, message in (
        (Fault("cut"), "has broken off its answer"),
        (Fault("malformed"), "has sent no valid answer"),
        (Fault("html"), "it ended before the answer was complete"),
    ):
        fake.script = Queue([fault])
        with pytest.raises(Unavailable, match=message):
            async for _ in connection.astream(HELLO, model="m"):
                pass
    await connection.aclose()


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (rate_limited(1.5), RateLimited),
        (Fault(status=400, message="no"), BadRequest),
        (Fault("cut"), Unavailable),
        (Fault("malformed"), Unavailable),
    ],
    ids=str,
)
def test_what_goes_wrong(
    fake: FakeProviders,
    connection: OpenAIResponsesModelConnection,
    fault: Fault,
    kind: type[ModelError],
) -> None:
    fake.script = Queue([fault])
    with pytest.raises(kind) as raised:
        connection.chat(HELLO, model="m")
    assert type(raised.value) is kind
    assert fake.count == 1
