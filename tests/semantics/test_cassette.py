"""Calls of models that are recorded once, and replayed without a service."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from support.models.scripted import answer_with, asked, calls, with_model
from tamias import (
    Agent,
    AgentFailedError,
    BaseEmbeddingModelConnection,
    BaseEmbeddingModelSetup,
    ChatMessage,
    ChatRequestEvent,
    ChatResponseEvent,
    ConfigError,
    Event,
    InputEvent,
    MissingRecordingError,
    OutputEvent,
    ResourceDescriptor,
    ResourceType,
    RunnerContext,
    run_agent,
)

if TYPE_CHECKING:
    from collections.abc import Sequence


def add(a: int, b: int) -> int:
    """Add numbers."""
    return a + b


class Vectors(BaseEmbeddingModelConnection):
    """Needs a key, as real ones do."""

    key: str

    def embed(self, text: str | Sequence[str], **kwargs: Any) -> Any:
        return [1.5] if isinstance(text, str) else [[float(len(each))] for each in text]


class VectorSetup(BaseEmbeddingModelSetup):
    @property
    def model_kwargs(self) -> dict[str, Any]:
        return {}


async def ask(event: Event, ctx: RunnerContext) -> None:
    vectors = cast("VectorSetup", ctx.get_resource("e", ResourceType.EMBEDDING_MODEL))
    text = f"{event.input} {await vectors.aembed(event.input)}"
    ctx.send_event(ChatRequestEvent(model="model", messages=[ChatMessage(content=text)]))


def answer(event: Event, ctx: RunnerContext) -> None:
    response = ChatResponseEvent.from_event(event).response
    ctx.send_event(OutputEvent(output=response.content))


def agent_of(key: str | None = "k") -> Agent:
    agent = Agent().add_action("ask", InputEvent, ask)
    agent.add_action("answer", ChatResponseEvent, answer)
    keys: dict[str, Any] = {} if key is None else {"key": key}
    connection = ResourceDescriptor(clazz=Vectors, **keys)
    agent.add_resource("v", ResourceType.EMBEDDING_MODEL_CONNECTION, connection)
    setup = ResourceDescriptor(clazz=VectorSetup, connection="v", model="e")
    agent.add_resource("e", ResourceType.EMBEDDING_MODEL, setup)
    return with_model(agent, add)


def run(mode: str, cassette: Path, *inputs: Any, key: str | None = "k", **config: Any) -> list[Any]:
    settings = {"model-calls": mode, "cassette": str(cassette) if cassette.name else "", **config}
    return run_agent(agent_of(key), [*inputs], config=settings).outputs


def test_what_was_recorded_is_replayed_without_a_service_or_a_key(tmp_path: Path) -> None:
    cassette = tmp_path / "calls.jsonl"
    answer_with(calls(("add", {"a": 1, "b": 2})), "three", "bye")
    recorded = run("record", cassette, ("a", "sum"), ("a", "hi"))
    assert recorded == [{"a": "three"}, {"a": "bye"}]
    kinds = [json.loads(line)["asked"]["call"] for line in cassette.read_text().splitlines()]
    assert kinds == ["embed", "chat", "chat", "embed", "chat"]

    answer_with()
    assert run("replay", cassette, ("a", "sum"), ("a", "hi"), key=None) == recorded
    # Other keys and offsets than in the record, two workers, and a limit that would be reached.
    limits = {"limits": {"scripted": {"requests-per-minute": 1, "budget-tokens": 1}}}
    inputs = [(str(number), text) for number in range(3) for text in ("hi", "sum")]
    outputs = run("replay", cassette, *inputs, key=None, workers=2, **limits)
    assert sorted(map(str, outputs)) == sorted(
        str({str(number): text}) for number in range(3) for text in ("bye", "three")
    )
    assert not asked


def test_a_call_that_is_not_in_the_cassette_is_a_loud_error(tmp_path: Path) -> None:
    cassette = tmp_path / "calls.jsonl"
    answer_with("bye")
    run("record", cassette, ("a", "hi"))
    with pytest.raises(AgentFailedError) as failure:
        run("replay", cassette, ("a", "ho"))
    text = str(failure.value)
    assert MissingRecordingError.__name__ in text
    assert 'no answer to this call: embed "ho". The nearest recorded one differs in text' in text
    assert 'text: "hi" there, "ho" here' in text


@pytest.mark.parametrize(
    ("mode", "name", "match"),
    [("replay", "missing.jsonl", "cannot be read"), ("record", "", "there is no cassette")],
)
def test_a_cassette_that_cannot_be_used_is_said_at_the_start(
    tmp_path: Path, mode: str, name: str, match: str
) -> None:
    with pytest.raises(ConfigError, match=match):
        run(mode, tmp_path / name if name else Path(), ("a", "hi"))
