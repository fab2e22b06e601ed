"""A run that was interrupted goes on before anything else of its key, timers and inputs alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.launcher.copies import copied_at_points
from tamias import Agent, Event, InputEvent, OutputEvent, RunnerContext, action, run_agent
from tamias.worker.waiting import announcer

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

CONFIG = {"shards": 1, "durability": "process"}
INPUTS = [("a", n) for n in range(6)]


class Chime(Event):
    """Comes at once, after the run that has set it."""


class Second(Event):
    """Leads to the second action of a run."""


def seen(count: int) -> int:
    return count


class Counting(Agent):
    """Counts its runs, by inputs and by timers; each makes durable calls that say the count."""

    @action(InputEvent)
    @staticmethod
    async def count_input(event: InputEvent, ctx: RunnerContext) -> None:
        """Count an input, and set a timer."""
        count = ctx.short_term_memory.get("count", 0)
        await ctx.durable_execute_async(seen, count)
        ctx.short_term_memory.set("count", count + 1)
        ctx.schedule(after=0, event=Chime(), id=f"chime {event.input}")
        ctx.send_event(Second())

    @action(Chime)
    @staticmethod
    async def count_chime(_: Event, ctx: RunnerContext) -> None:
        """Count a timer."""
        count = ctx.short_term_memory.get("count", 0)
        await ctx.durable_execute_async(seen, count)
        ctx.short_term_memory.set("count", count + 1)
        ctx.send_event(Second())

    @action(Second)
    @staticmethod
    def give_out(_: Event, ctx: RunnerContext) -> None:
        """Give out the count, in another action: what the first has done is on record."""
        count = ctx.short_term_memory.get("count")
        ctx.send_event(OutputEvent(output=ctx.durable_execute(seen, count)))


def test_nothing_of_a_key_comes_before_the_rest_of_an_interrupted_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announcer, "LONGEST_HOLD", 1e9)  # each input comes again, and soon
    state = tmp_path / "state"
    with copied_at_points(state, tmp_path / "copies", lambda: None) as copies:
        run_agent(Counting(), INPUTS, state=state, config=CONFIG)
    assert len(copies) > 10
    for copy in copies:
        run = run_agent(Counting(), INPUTS, state=copy.state, config=CONFIG)
        assert run.memory["a"] == {"count": 2 * len(INPUTS)}, copy
        assert sorted(run.outputs_of("a")) == list(range(1, 2 * len(INPUTS) + 1)), copy
