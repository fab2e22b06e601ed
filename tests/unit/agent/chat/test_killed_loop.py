"""A chat loop that dies at any point: nothing that is on record is asked or called again."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from support.models.scripted import answer_by, asked, calls, with_model
from support.profiles import examples
from support.worker.bench import bench
from tamias import (
    Agent,
    ChatMessage,
    ChatRequestEvent,
    ChatResponseEvent,
    Event,
    InputEvent,
    MessageRole,
    OutputEvent,
    RunnerContext,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

called: Counter[str] = Counter()


async def look_up(what: str) -> str:
    """Look something up."""
    called[what] += 1
    await asyncio.sleep(0)
    return f"<{what}>"


def ask(event: Event, ctx: RunnerContext) -> None:
    ctx.send_event(ChatRequestEvent(model="model", messages=[ChatMessage(content=event.input)]))


def answer(event: Event, ctx: RunnerContext) -> None:
    ctx.send_event(OutputEvent(output=ChatResponseEvent.from_event(event).response.content))


def reply(turns: list[int]) -> Any:
    """A model that asks for so many tools in each turn, and then answers with their results."""

    def script(messages: Sequence[ChatMessage]) -> Any:
        turn = sum(message.role is MessageRole.ASSISTANT for message in messages)
        if turn < len(turns):
            wanted = [{"what": f"{turn}.{place}"} for place in range(turns[turn])]
            return calls(*(("look_up", arguments) for arguments in wanted))
        found = [message.content for message in messages if message.role is MessageRole.TOOL]
        return " ".join(found)

    return script


@given(
    turns=st.lists(st.integers(1, 3), max_size=3),
    commits=st.lists(st.integers(0, 4), max_size=6),
    dies_after=st.booleans(),
)
@settings(max_examples=examples(40), deadline=None)
def test_a_loop_that_dies_repeats_nothing_on_record(
    turns: list[int], commits: list[int], *, dies_after: bool
) -> None:
    agent = Agent().add_action("ask", InputEvent, ask)
    agent.add_action("answer", ChatResponseEvent, answer)
    with_model(agent, look_up)
    answer_by(reply(turns))
    called.clear()

    async def life(folder: Path, commits_left: int) -> list[Any] | None:
        options: dict[str, Any] = {"commits_left": commits_left, "dies_after": dies_after}
        with bench(agent, folder, **options) as world:
            on_record = repr([shard.journal() for shard in world.shards])
            tools = [what for what in called if f"<{what}>" in on_record]
            asked_before = [texts for texts in asked if f"{turn_of(texts)}.0" in on_record]
            before = called.copy(), Counter(map(tuple, asked))
            if 0 not in world.recovered:
                world.send(("k", "go"))
            await world.until(0)
            assert not world.halted
            assert [what for what in tools if called[what] > before[0][what]] == []
            now = Counter(map(tuple, asked))
            again = [texts for texts in map(tuple, asked_before) if now[texts] > before[1][texts]]
            assert again == []
            return world.done.get(0)

    async def main() -> list[Any] | None:
        with tempfile.TemporaryDirectory() as folder:
            for commits_left in [*commits, 1 << 30]:
                done = await life(Path(folder), commits_left)
                if done is not None:
                    return done
            return None

    wanted = [f"<{turn}.{place}>" for turn, count in enumerate(turns) for place in range(count)]
    assert asyncio.run(main()) == [" ".join(wanted)]
    assert set(called) == {each.strip("<>") for each in wanted}


def turn_of(texts: list[str]) -> int:
    """Which turn a model was asked for with these messages."""
    return sum(text.startswith("assistant") for text in texts)
