"""The fake server of Ollama's protocol, judged by Ollama's own client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ollama
import pytest

from support.providers.script import Call, Fault, Queue, Reply, Used, vector
from support.providers.server import FakeProviders, fake_providers

if TYPE_CHECKING:
    from collections.abc import Iterator

HELLO: Any = [{"role": "user", "content": "hello"}]


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@pytest.fixture
def fake() -> Iterator[FakeProviders]:
    with fake_providers(models=frozenset({"m"})) as server:
        yield server


@pytest.fixture
def client(fake: FakeProviders) -> Iterator[ollama.Client]:
    client = ollama.Client(fake.url, timeout=5)
    yield client
    client.close()  # type: ignore[no-untyped-call]  # of the library


def test_an_answer(fake: FakeProviders, client: ollama.Client) -> None:
    reply = Reply("Hi.", (Call("add", {"a": 1, "b": 2}),), "Greet.", Used(10, 3))
    fake.script = Queue([reply, reply])
    answer = client.chat("m", HELLO, tools=[add], think=True)
    assert (answer.message.content, answer.message.thinking) == ("Hi.", "Greet.")
    assert (answer.prompt_eval_count, answer.eval_count, answer.done_reason) == (10, 3, "stop")
    assert answer.message.tool_calls is not None
    assert answer.message.tool_calls[0].function.arguments == {"a": 1, "b": 2}
    assert "add" in fake.asked[0].tools
    assert client.chat("m", HELLO).message.content == "<think>Greet.</think>Hi."


def test_a_stream(fake: FakeProviders, client: ollama.Client) -> None:
    fake.script = Queue([Reply("one two", (Call("add", {"a": 1}),), "think hard")])
    parts = list(client.chat("m", HELLO, stream=True, think=True))
    assert "".join(part.message.content or "" for part in parts) == "one two"
    assert "".join(part.message.thinking or "" for part in parts) == "think hard"
    assert [part.done for part in parts] == [False] * 5 + [True]


def test_vectors_and_models(client: ollama.Client) -> None:
    found = client.embed("m", ["a", "b"])
    assert [tuple(each) for each in found.embeddings] == [vector("a", 8), vector("b", 8)]
    assert [model.model for model in client.list().models] == ["m"]


def test_faults(fake: FakeProviders, client: ollama.Client) -> None:
    with pytest.raises(ollama.ResponseError, match="try pulling it first"):
        client.chat("other", HELLO)
    fake.script = Queue([Fault(status=500), Fault("event", message="out of memory")])
    with pytest.raises(ollama.ResponseError) as raised:
        client.chat("m", HELLO)
    assert raised.value.status_code == 500
    with pytest.raises(ollama.ResponseError, match="out of memory"):
        list(client.chat("m", HELLO, stream=True))
