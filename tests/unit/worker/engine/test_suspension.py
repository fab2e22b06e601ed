"""How an execution is given up: what the action may do then, and what counts as time."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from support.loops import on_loop
from support.moved_clock import MovedClock
from support.worker.bench import bench
from support.worker.waiting import HOUR, Reminder, agent_of, soon
from tamias import InputEvent, OutputEvent, RunError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def moved(monkeypatch: pytest.MonkeyPatch) -> MovedClock:
    """A clock to be moved."""
    return MovedClock(monkeypatch)


@on_loop
async def test_what_an_action_does_at_its_suspension_has_no_effect(
    tmp_path: Path, moved: MovedClock
) -> None:
    """It swallows the cancellation, uses the context in `finally`, and leaves tasks behind."""
    seen: list[str] = []
    lingering: list[Any] = []

    async def linger(ctx: Any) -> None:
        while True:
            try:
                await asyncio.sleep(0.001)
                with suppress(RunError):
                    ctx.short_term_memory.set("lingering", True)
            except asyncio.CancelledError:
                seen.append("cancelled")
                if len(seen) > 2:
                    return

    async def act(event: InputEvent, ctx: Any) -> None:
        memory = ctx.short_term_memory
        memory.set("n", (memory.get("n") or 0) + 1)
        kind = event.input
        if kind == "linger":
            lingering.append(asyncio.create_task(linger(ctx)))  # or it might be collected
        over = False
        try:
            await ctx.sleep(HOUR)
            over = True
        except BaseException:
            if kind in {"swallow", "send"}:
                seen.append(kind)
            else:
                raise
            if kind == "send":
                ctx.send_event(OutputEvent(output="never"))
        finally:
            if kind == "finally" and not over:
                memory.set("n", 100)
                ctx.schedule(after=1, event=Reminder(text=""))
        ctx.send_event(OutputEvent(output=(kind, memory.get("n"))))

    kinds = ["swallow", "send", "finally", "linger", "plain"]
    with bench(agent_of(act), tmp_path, max_attempts=1, suspend_after="20ms") as life:
        life.send(*(("a", kind) for kind in kinds))
        for n in range(len(kinds)):
            await soon(lambda: len(life.suspended) >= len(kinds) + n)  # noqa: B023
            assert life.memory("a").get("n") == (n or None)
            moved.advance(HOUR + 1)
            life.announcer.look()
            await life.until(n)
        assert life.order == [(kind, n) for n, kind in enumerate(kinds, 1)]
        assert life.letters() == []
        assert seen[:3] == ["swallow", "send", "cancelled"]


@on_loop
async def test_a_time_limit_counts_execution_and_not_waiting(
    tmp_path: Path, moved: MovedClock
) -> None:
    async def act(event: InputEvent, ctx: Any) -> None:
        await ctx.sleep(event.input)
        ctx.send_event(OutputEvent(output=event.input))

    with bench(agent_of(act), tmp_path, run_timeout="100ms", max_attempts=1) as life:
        life.send(("a", HOUR), ("b", 0.3))
        await life.until(1)
        moved.advance(HOUR)
        life.announcer.look()
        await life.until(0)
        assert life.done == {0: [HOUR], 1: [0.3]}
        assert life.letters() == []


@on_loop
async def test_waits_end_when_the_clock_says_so_also_if_it_was_set_back(
    tmp_path: Path, moved: MovedClock
) -> None:
    async def act(event: InputEvent, ctx: Any) -> None:
        await ctx.sleep(HOUR)
        ctx.send_event(OutputEvent(output=event.input))

    with bench(agent_of(act), tmp_path) as life:
        life.send(("a", 1), ("a", 2))
        await soon(lambda: len(life.suspended) == 2)
        moved.advance(HOUR + 1)
        life.announcer.look()
        moved.advance(-HOUR)  # the run is announced, and finds that it is early
        await soon(lambda: len(life.suspended) == 3)
        assert not life.done
        moved.advance(HOUR)
        life.announcer.look()
        await life.until(0)
        await soon(lambda: life.suspended.count(1) == 2)
        moved.advance(HOUR + 1)
        life.announcer.look()
        await life.until(1)
        assert life.order == [1, 2]
