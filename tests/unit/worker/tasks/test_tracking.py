"""The beacon names the run whose coroutine steps; stacks of tasks as text."""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from support.worker.steps import Steps
from tamias.worker.beacon import Beacon
from tamias.worker.tasks.stacks import END, stacks_on_request, task_text, tasks_text
from tamias.worker.tasks.tracking import offset_of_task

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path


def run(
    body: Callable[[Steps, Beacon], Coroutine[Any, Any, None]], *, timed: bool = False
) -> Beacon:
    """Run something on a loop whose tasks are tracked; returns the beacon."""
    beacon = Beacon()

    async def main() -> None:
        await body(Steps(beacon, timed=timed), beacon)

    asyncio.run(main())
    return beacon


@pytest.mark.parametrize("timed", [False, True])
def test_each_run_is_named_in_its_own_steps(timed: bool) -> None:  # noqa: FBT001 - a parameter
    seen: list[tuple[int, int | None, bool]] = []

    async def body(steps: Steps, beacon: Beacon) -> None:
        async def action(offset: int) -> None:
            for _ in range(3):
                seen.append((offset, beacon.offset, beacon.is_async))
                assert (beacon.seconds > 0) is timed
                await asyncio.sleep(0)
                assert asyncio.current_task() is tasks[offset]

        tasks = {offset: steps.start(action(offset), offset) for offset in (7, 8)}
        assert beacon.offset is None
        await asyncio.gather(*tasks.values())

    beacon = run(body, timed=timed)
    assert seen == [(7, 7, timed), (8, 8, timed)] * 3
    assert (beacon.offset, beacon.is_async) == (None, False)


def test_tasks_that_a_run_starts_are_named_and_others_are_not() -> None:
    named: dict[str, int | None] = {}

    async def body(steps: Steps, beacon: Beacon) -> None:
        async def record(name: str) -> None:
            await asyncio.sleep(0)
            named[name] = beacon.offset

        async def grandparent() -> None:
            await asyncio.gather(record("child"), asyncio.create_task(parent()))

        async def parent() -> None:
            await asyncio.wait_for(record("grandchild"), 60)

        await asyncio.gather(steps.start(grandparent(), 41), record("stranger"))

    run(body)
    assert named == {"child": 41, "grandchild": 41, "stranger": None}


def test_results_exceptions_and_cancellation_pass_through() -> None:
    async def body(steps: Steps, _beacon: Beacon) -> None:
        cleaned: list[str] = []

        async def fail() -> None:
            await asyncio.sleep(0)
            raise ValueError("theirs")

        async def wait() -> None:
            try:
                await asyncio.sleep(3600)
            finally:
                await asyncio.sleep(0)
                cleaned.append("up")

        with pytest.raises(ValueError, match="theirs"):
            await steps.run(fail(), 1)
        task = steps.start(wait(), 2)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await steps.outcome(2)
        assert cleaned == ["up"]
        with pytest.raises(TypeError):
            await asyncio.create_task(5)  # type: ignore[arg-type]

    run(body)


def test_a_wrapped_coroutine_looks_like_itself() -> None:
    async def body(steps: Steps, _beacon: Beacon) -> None:
        async def action() -> None:
            await asyncio.sleep(0)

        task = steps.start(action(), 5)
        coroutine = task.get_coro()
        assert offset_of_task(task) == 5
        assert inspect.isawaitable(coroutine)
        assert asyncio.iscoroutine(coroutine)
        assert vars_of(coroutine).cr_code is action.__code__
        assert "action" in repr(task)
        await task

    run(body)


def vars_of(thing: Any) -> Any:
    """The same thing, of which no type is known."""
    return thing


async def innermost() -> None:
    await asyncio.get_running_loop().create_future()


async def outermost() -> None:
    await innermost()


def test_the_stack_of_a_task_goes_down_to_what_it_waits_for() -> None:
    async def body(steps: Steps, _beacon: Beacon) -> None:
        task = steps.start(outermost(), 5)
        await asyncio.sleep(0)
        text = task_text(task)
        assert "of input 5 (most recent call last)" in text
        assert text.index("in outermost") < text.index("in innermost")
        assert "await asyncio.get_running_loop().create_future()" in text
        assert "waits for <Future pending" in text
        task.cancel()

    run(body)


def test_of_very_many_tasks_some_are_written() -> None:
    async def body(steps: Steps, _beacon: Beacon) -> None:
        tasks = {steps.start(outermost(), offset) for offset in range(100)}
        await asyncio.sleep(0)
        text = tasks_text(tasks)
        assert "of input 0 " in text
        assert "... and 36 more tasks" in text
        for each in tasks:
            each.cancel()

    run(body)


def test_a_signal_writes_threads_and_tasks(tmp_path: Path) -> None:
    path = tmp_path / "stacks"

    async def body(steps: Steps, _beacon: Beacon) -> None:
        loop = asyncio.get_running_loop()
        task = steps.start(outermost(), 5)
        await asyncio.sleep(0)
        with stacks_on_request(path, loop):
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGUSR2)
                await asyncio.sleep(0)
        task.cancel()

    run(body)
    text = path.read_text()
    assert text.count(END) == 2
    assert text.count("in innermost") == 2
    assert text.count("in test_a_signal_writes_threads_and_tasks") == 2
    os.kill(os.getpid(), signal.SIGUSR2)  # ignored from then on
