"""Runs of keys that do one thing each with long-term memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tamias import (
    Agent,
    BaseEmbeddingModelConnection,
    BaseEmbeddingModelSetup,
    Event,
    InputEvent,
    OutputEvent,
    ResourceDescriptor,
    ResourceType,
    RunnerContext,
    run_agent,
)
from tamias.store import clock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from tamias import LongTermMemory

    Step = tuple[str, Callable[[LongTermMemory], Any]]

VECTORS: dict[str, Sequence[float]] = {
    "north": [0.0, 1.0, 0.0],
    "almost north": [0.05, 1.0, 0.0],
    "east": [1.0, 0.0, 0.0],
    "up": [0.0, 0.0, 1.0],
    "north and east": [1.0, 1.0, 0.0],
}


class Compass(BaseEmbeddingModelConnection):
    """Knows the vectors of some texts."""

    def embed(self, text: str | Sequence[str], **_: Any) -> Any:
        """Their vectors."""
        return VECTORS[text] if isinstance(text, str) else [VECTORS[each] for each in text]


class CompassSetup(BaseEmbeddingModelSetup):
    """The model of `Compass`."""

    connection: str = "compass"
    model: str = "directions"

    @property
    def model_kwargs(self) -> dict[str, Any]:
        """None."""
        return {}


def agent_of(act: Callable[..., Any]) -> Agent:
    """An agent with an action for inputs, and with an embedding model "vectors"."""
    agent = Agent()
    connection = ResourceDescriptor(clazz=Compass)
    agent.add_resource("compass", ResourceType.EMBEDDING_MODEL_CONNECTION, connection)
    setup = ResourceDescriptor(clazz=CompassSetup)
    agent.add_resource("vectors", ResourceType.EMBEDDING_MODEL, setup)
    agent.add_action("act", [InputEvent], act)
    return agent


def results(
    *steps: Step, config: Mapping[str, Any] | None = None, state: Path | None = None
) -> list[Any]:
    """What steps return, which runs of keys take one after the other: key, function of memory.

    Items are shown by their values.
    """

    begin = clock.now()

    async def act(event: Event, ctx: RunnerContext) -> None:
        """Take a step when those before are committed."""
        await ctx.sleep(max(0.0, begin + event.input - ctx.now().timestamp()))
        found = steps[event.input][1](ctx.long_term_memory)
        if isinstance(found, list):
            found = [getattr(item, "value", item) for item in found]
        ctx.send_event(OutputEvent(output=found))

    inputs = [{"key": key, "value": place} for place, (key, _) in enumerate(steps)]
    outputs = run_agent(agent_of(act), inputs, config=config, state=state).outputs
    return [value for output in outputs for value in output.values()]
