"""Models on an Ollama server, through the real client library, against the fake server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from support.loops import on_loop
from support.providers.script import Call, Fault, Queue, Reply, Used, agent, rate_limited, vector
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
    OllamaChatModelConnection,
    OllamaChatModelSetup,
    OllamaEmbeddingModelConnection,
    OllamaEmbeddingModelSetup,
    Overloaded,
    RateLimited,
    TokenUsage,
    Tool,
    Unavailable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

HELLO = [ChatMessage(role=MessageRole.USER, content="hello")]


def add(a: int, more: list[dict[str, int]] | None = None) -> int:
    """Add numbers."""
    return a + len(more or ())


ADD = Tool.from_callable(add)


@pytest.fixture
def fake() -> Iterator[FakeProviders]:
    with fake_providers() as server:
        yield server


@pytest.fixture
def connection(fake: FakeProviders) -> Iterator[OllamaChatModelConnection]:
    connection = OllamaChatModelConnection(base_url=fake.url)
    yield connection
    connection.close()


def test_an_answer_with_reasoning_and_usage(
    fake: FakeProviders, connection: OllamaChatModelConnection
) -> None:
    fake.script = Queue([Reply("Hi.", reasoning="Greet.", used=Used(10, 3))])
    setup = OllamaChatModelSetup(
        connection="c", model="m", keep_alive="5m", additional_kwargs={"top_k": 3}
    )
    answer = connection.chat(HELLO, **setup.model_kwargs)
    assert (answer.content, answer.reasoning) == ("Hi.", "Greet.")
    assert answer.usage == TokenUsage(prompt_tokens=10, completion_tokens=3)
    assert answer.extra_args == {"finish_reason": "stop"}
    assert fake.asked[0].body == {
        "model": "m",
        "keep_alive": "5m",
        "think": True,
        "stream": False,
        "options": {"temperature": 0.75, "num_ctx": 2048, "top_k": 3},
        "messages": [{"role": "user", "content": "hello"}],
    }


@on_loop
async def test_a_conversation_with_parallel_tools(
    fake: FakeProviders, connection: OllamaChatModelConnection
) -> None:
    calls = (Call("add", {"a": 1}), Call("add", {"a": 2}))
    fake.script = Queue([Reply("", calls, reasoning="I add.")], after=agent(rounds=1))
    asked = await connection.achat(HELLO, [ADD], model="m", think=True)
    assert [call["original_id"] for call in asked.tool_calls] == ["call_1_0", "call_1_1"]
    assert [call["function"]["arguments"] for call in asked.tool_calls] == [{"a": 1}, {"a": 2}]
    results = [
        ChatMessage(
            role=MessageRole.TOOL,
            content=str(n),
            extra_args={"external_id": call["original_id"]},
        )
        for n, call in enumerate(asked.tool_calls)
    ]
    stored = ChatMessage.model_validate_json(asked.model_dump_json())
    answer = await connection.achat([*HELLO, stored, *results], [ADD], model="m")
    await connection.aclose()
    assert answer.content == "hello: 0, 1"
    # Schemas go out whole, nested parts included.
    (described,) = fake.asked[0].body["tools"]
    assert described["function"]["parameters"] == ADD.parameters
    sent = fake.asked[1].body["messages"]
    assert sent[1]["thinking"] == "I add."
    assert [each.get("tool_name") for each in sent] == [None, None, "add", "add"]


def test_a_model_that_does_not_think_is_not_asked_to_again(
    fake: FakeProviders, connection: OllamaChatModelConnection
) -> None:
    for _ in range(2):
        assert connection.chat(HELLO, model="plain", think=True).content == "You said: hello"
    assert fake.count == 3
    with pytest.raises(BadRequest, match="does not support thinking"):
        connection.chat(HELLO, model="plain", think="high")


def test_reasoning_in_the_text_is_kept_apart(
    fake: FakeProviders, connection: OllamaChatModelConnection
) -> None:
    fake.script = Queue([Reply("Yes.", reasoning="Hm.")] * 2)
    answer = connection.chat(HELLO, model="m", extract_reasoning=True)
    assert (answer.content, answer.reasoning) == ("Yes.", "Hm.")
    assert connection.chat(HELLO, model="m").content == "<think>Hm.</think>Yes."


def test_a_structured_answer(fake: FakeProviders, connection: OllamaChatModelConnection) -> None:
    schema = {"type": "object", "properties": {"sum": {"type": "integer"}}}
    answer = connection.chat(HELLO, model="m", output_schema=schema)
    assert json.loads(answer.content) == {"sum": 0}
    assert fake.asked[0].body["format"] == schema
    assert connection.supports_native_structured_output("m")


def test_images_and_documents(fake: FakeProviders, connection: OllamaChatModelConnection) -> None:
    parts: list[Any] = ["See:", ImageBlock(data=b"\x01"), DocumentBlock(text="x", name="a.txt")]
    connection.chat([ChatMessage(role=MessageRole.USER, content=parts)], model="m")
    (sent,) = fake.asked[0].body["messages"]
    assert sent == {"role": "user", "content": "See:\na.txt:\nx", "images": ["AQ=="]}
    for part in (ImageBlock(url="https://x.test/a.png"), DocumentBlock(data=b"%PDF")):
        with pytest.raises(BadRequest, match="Ollama takes no"):
            connection.chat([ChatMessage(role=MessageRole.USER, content=[part])], model="m")


@pytest.mark.parametrize("think", [True, None])
@on_loop
async def test_a_stream(
    fake: FakeProviders, connection: OllamaChatModelConnection, *, think: bool | None
) -> None:
    fake.script = Queue([Reply("one two", (Call("add", {"a": 1}),), "think hard", Used(5, 6))])
    stream = connection.astream(HELLO, [ADD], model="m", think=think, extract_reasoning=True)
    deltas = [delta async for delta in stream]
    await connection.aclose()
    assert [delta.text for delta in deltas if delta.text] == ["one", " two"]
    assert "".join(delta.reasoning for delta in deltas) == "think hard"
    message = deltas[-1].message
    assert message is not None
    assert (message.content, message.reasoning) == ("one two", "think hard")
    assert message.tool_calls[0]["function"] == {"name": "add", "arguments": {"a": 1}}
    assert message.usage == TokenUsage(prompt_tokens=5, completion_tokens=6)


@on_loop
async def test_a_stream_of_a_model_that_does_not_think(
    fake: FakeProviders, connection: OllamaChatModelConnection
) -> None:
    deltas = [delta async for delta in connection.astream(HELLO, model="plain", think=True)]
    await connection.aclose()
    assert "".join(delta.text for delta in deltas) == "You said: hello"


@on_loop
async def test_a_stream_that_breaks_off(
    fake: FakeProviders, connection: OllamaChatModelConnection
) -> None:
    for fault, message in (
        (Fault("cut"), "has broken off its answer"),
        (Fault("malformed"), "has sent no valid answer"),
        (Fault("stall"), r"has sent nothing for 0\.2 s"),
        (Fault("event", message="out of memory"), "has failed .*out of memory"),
        (rate_limited(2), "takes no more requests for now"),
        (Fault("html"), "has sent no valid answer"),
    ):
        fake.script = Queue([fault])
        with pytest.raises(ModelError, match=message) as raised:
            async for _ in connection.astream(HELLO, model="m", timeout=0.2):
                pass
        assert raised.value.is_temporary
    await connection.aclose()


CASES: list[tuple[Fault, type[ModelError], str]] = [
    (rate_limited(1.5), RateLimited, r"takes no more requests for now \(status 429"),
    (Fault(status=500, message="no memory"), Unavailable, r"has failed \(status 500\): no memory"),
    (Fault(status=503), Overloaded, "too much to do"),
    (Fault(status=401), AuthFailed, "does not accept the API key .*OLLAMA_API_KEY"),
    (Fault(status=404, message='model "x" not found'), BadRequest, "ollama pull MODEL"),
    (Fault(status=400, message="no tools"), BadRequest, "refuses the request .*no tools"),
    (
        Fault(status=400, message="the input length exceeds the context length"),
        ContextTooLong,
        "conversation is too long",
    ),
    (Fault("hang"), Unavailable, r"has sent nothing for 0\.2 s"),
    (Fault("cut"), Unavailable, "has broken off its answer"),
    (Fault("refused"), Unavailable, "has broken off its answer"),
    (Fault("malformed"), Unavailable, "has sent no valid answer"),
    (Fault("html"), Unavailable, "has sent no valid answer: an HTML page"),
]


@pytest.mark.parametrize(
    ("fault", "kind", "message"), CASES, ids=[f"{fault.kind}-{fault.status}" for fault, *_ in CASES]
)
def test_what_goes_wrong(
    fake: FakeProviders,
    connection: OllamaChatModelConnection,
    fault: Fault,
    kind: type[ModelError],
    message: str,
) -> None:
    fake.script = Queue([fault, Reply("fine")])
    with pytest.raises(kind, match=message) as raised:
        connection.chat(HELLO, model="m", timeout=0.2)
    assert type(raised.value) is kind
    assert raised.value.provider == "ollama"
    if kind is RateLimited:
        assert raised.value.retry_after == 1.5
    assert connection.chat(HELLO, model="m").content == "fine"


def test_a_server_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:9")
    connection = OllamaChatModelConnection()
    with pytest.raises(Unavailable, match=r"cannot be reached at http://127\.0\.0\.1:9: "):
        connection.chat(HELLO, model="m")
    connection.close()


@on_loop
async def test_embeddings(fake: FakeProviders) -> None:
    connection = OllamaEmbeddingModelConnection(base_url=fake.url)
    setup = OllamaEmbeddingModelSetup(
        connection="c", model="m", truncate=False, keep_alive=60, additional_kwargs={"num_ctx": 9}
    )
    assert connection.embed("a", **setup.model_kwargs) == list(vector("a", 8))
    assert fake.asked[0].body == {
        "model": "m",
        "truncate": False,
        "keep_alive": 60,
        "options": {"num_ctx": 9},
        "input": ["a"],
    }
    texts = [str(n) for n in range(300)]
    found = await connection.aembed(texts, model="m", dimensions=4)
    assert found == [list(vector(text, 4)) for text in texts]
    assert [len(ask.texts) for ask in fake.asked][1:] == [128, 128, 44]
    assert await connection.aembed([], model="m") == []
    fake.faults.append(Fault(status=404, message='model "m" not found'))
    with pytest.raises(BadRequest, match="ollama pull"):
        await connection.aembed("a", model="m")
    await connection.aclose()


def test_arguments_are_checked_before_there_are_workers() -> None:
    OllamaChatModelConnection.preload({})
    OllamaChatModelSetup.preload({"connection": "c", "model": "m", "think": "high"})
    OllamaEmbeddingModelSetup.preload({"connection": "c", "model": "m"})
    for clazz, arguments, message in (
        (OllamaChatModelConnection, {"host": "x"}, "host: Extra inputs"),
        (OllamaChatModelSetup, {"connection": "c"}, "model: Field required"),
        (OllamaEmbeddingModelSetup, {"connection": "c", "model": "m", "dimensions": 0}, "dimens"),
    ):
        with pytest.raises(AgentDefinitionError, match=message):
            clazz.preload(arguments)
