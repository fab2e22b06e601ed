"""A worker that halts finishes what it executes, and begins nothing more."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from support.loops import on_loop
from support.worker.bench import Bench, bench
from tamias import Agent, Event, InputEvent, OutputEvent

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Next(Event):
    """Sent from the first action to the second."""

    value: Any


def agent_of(act: Callable[..., Any], second: Callable[..., Any] | None = None) -> Agent:
    agent = Agent()
    agent.add_action("act", [InputEvent], act)
    if second is not None:
        agent.add_action("second", [Next], second)
    return agent


def halt(life: Bench) -> asyncio.Event:
    """Halt a worker; the event is set when it says that it has halted."""
    halted = asyncio.Event()
    life.engine.halt_queue(halted.set)
    return halted


@on_loop
async def test_only_what_is_executed_is_finished(tmp_path: Path) -> None:
    begun: list[Any] = []
    gate = asyncio.Event()

    async def act(event: InputEvent, ctx: Any) -> None:
        begun.append(event.input)
        await gate.wait()
        ctx.send_event(OutputEvent(output=event.input))

    with bench(agent_of(act), tmp_path) as life:
        life.send(("a", 1), ("a", 2), ("b", 3), ("a", 4), ("b", 5))
        await asyncio.sleep(0)
        halted = halt(life)
        life.send(("c", 6), first=5)
        await asyncio.sleep(0.01)
        assert not halted.is_set()
        gate.set()
        await halted.wait()
        assert begun == [1, 3]
        assert life.done == {0: [1], 2: [3]}
    gate.set()
    with bench(agent_of(act), tmp_path) as life:
        await life.run(("a", 1), ("a", 2), ("b", 3), ("a", 4), ("b", 5), ("c", 6))
        assert life.done == {n: [n + 1] for n in range(6)}
    assert sorted(begun) == [1, 2, 3, 4, 5, 6]


@on_loop
async def test_a_worker_that_executes_nothing_has_halted_at_once(tmp_path: Path) -> None:
    with bench(agent_of(lambda event, ctx: None), tmp_path, durability="machine") as life:
        life.hand_in(("a", 1), ("b", 2))
        await halt(life).wait()
        assert life.done == {}
        assert life.commits == 0


@on_loop
async def test_a_run_of_several_actions_that_has_begun_ends(tmp_path: Path) -> None:
    gate = asyncio.Event()

    async def act(event: InputEvent, ctx: Any) -> None:
        await gate.wait()
        ctx.send_event(Next(value=event.input))

    def second(event: Next, ctx: Any) -> None:
        ctx.send_event(OutputEvent(output=event.value))

    with bench(agent_of(act, second), tmp_path) as life:
        life.send(("a", 1), ("a", 2))
        await asyncio.sleep(0)
        halted = halt(life)
        gate.set()
        await halted.wait()
        assert life.done == {0: [1]}


@on_loop
async def test_what_waits_for_a_thread_has_not_begun(tmp_path: Path) -> None:
    begun: list[Any] = []
    gate = threading.Event()

    def act(event: InputEvent, ctx: Any) -> None:
        begun.append(event.input)
        gate.wait(30)
        ctx.send_event(OutputEvent(output=event.input))

    options = {"sync_in_threads": "true", "num_async_threads": 1}
    with bench(agent_of(act), tmp_path, **options) as life:
        life.send(*((f"k{n}", n) for n in range(20)))
        while not begun:  # noqa: ASYNC110 (a thread sets it)
            await asyncio.sleep(0.001)
        assert life.engine.active == len(begun) == 1
        halted = halt(life)
        gate.set()
        await halted.wait()
        assert begun == [0]
        assert life.done == {0: [0]}
    with bench(agent_of(act), tmp_path, **options) as life:
        await life.run(*((f"k{n}", n) for n in range(20)))
        assert sorted(begun) == list(range(20))


@on_loop
async def test_a_failed_attempt_is_not_repeated_here(tmp_path: Path) -> None:
    attempts: list[Any] = []
    gate = asyncio.Event()

    async def act(event: InputEvent, ctx: Any) -> None:
        attempts.append(event.input)
        await gate.wait()
        if len(attempts) < 3:
            raise ValueError("again")
        ctx.send_event(OutputEvent(output=event.input))

    with bench(agent_of(act), tmp_path, max_attempts=2) as life:
        life.send(("a", 1))
        await asyncio.sleep(0)
        halted = halt(life)
        gate.set()
        await halted.wait()
        assert attempts == [1]
        assert life.done == {}
        assert life.letters() == []
    with bench(agent_of(act), tmp_path, max_attempts=2) as life:
        assert await life.run(("a", 1)) == [[1]]


@pytest.mark.parametrize(("seconds", "stored"), [(1.0, [0]), (1000.0, [0, 1])])
@on_loop
async def test_a_run_that_waits_does_not_hold_it_up(
    tmp_path: Path, seconds: float, stored: list[int]
) -> None:
    """A short wait is given up, and the input behind it goes back; a long one was suspended."""
    begun: list[Any] = []

    async def act(event: InputEvent, ctx: Any) -> None:
        begun.append(event.input)
        await ctx.sleep(seconds)

    with bench(agent_of(act), tmp_path, suspend_after="2s") as life:
        life.send(("a", 1), ("a", 2))
        await asyncio.sleep(0.01)
        await halt(life).wait()
        assert begun == [1]
        assert life.done == {}
        assert life.suspended == stored


@on_loop
async def test_a_run_that_begins_to_wait_then_is_suspended(tmp_path: Path) -> None:
    gate = asyncio.Event()

    async def act(event: InputEvent, ctx: Any) -> None:
        await gate.wait()
        await ctx.sleep(1.5)

    with bench(agent_of(act), tmp_path, suspend_after="2s") as life:
        life.send(("a", 1))
        await asyncio.sleep(0)
        halted = halt(life)
        gate.set()
        await halted.wait()
        assert (life.done, life.suspended) == ({}, [0])


@on_loop
async def test_a_long_queue_of_a_key_leaves_the_loop_free(tmp_path: Path) -> None:
    """The first run waits; those behind it are plain, and each takes a slice of time."""
    begun: list[Any] = []
    blocker = threading.Event()

    def act(event: InputEvent, ctx: Any) -> None:
        begun.append(event.input)
        if event.input == 0:
            ctx.send_event(Next(value=0))
        else:
            blocker.wait(0.03)

    async def wait(event: Any, ctx: Any) -> None:
        await asyncio.sleep(0)

    with bench(agent_of(act, wait), tmp_path) as life:
        life.send(*(("a", n) for n in range(50)))
        while len(begun) < 3:  # noqa: ASYNC110 (there is no event to wait for)
            await asyncio.sleep(0)
        await halt(life).wait()
        assert begun == list(range(len(begun)))
        assert len(begun) < 10
        assert sorted(life.done) == begun
