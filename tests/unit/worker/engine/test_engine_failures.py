"""Runs that fail: dead letters, retries, time limits, rejections, an unwritable store."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from support.loops import on_loop
from support.worker.agents import Counting, Middle
from support.worker.bench import bench
from tamias import Agent, InputEvent, OutputEvent, RunnerContext
from tamias.store.encoding.keys import encode_key

if TYPE_CHECKING:
    from pathlib import Path


@on_loop
async def test_a_failed_run_leaves_a_dead_letter_and_nothing_else(tmp_path: Path) -> None:
    with bench(Counting, tmp_path, max_attempts=3) as life:
        assert await life.run(("k", 1), ("k", "fail"), ("k", 3)) == [[1], [], [2]]
        (letter,) = life.letters()
        assert (letter.offset, letter.cause, letter.attempts) == (1, "exception", 3)
        assert letter.error == "ValueError: told to"
        assert letter.action == "count"
        assert 'raise ValueError("told to")' in letter.traceback
        assert "worker/engine/engine.py" not in letter.traceback.replace("tests/unit/worker", "")
        assert life.metrics.totals() == {
            "failures": 3,
            "retries": 2,
            "ignored": 0,
            "dead_letters": 1,
        }


@on_loop
async def test_any_number_of_attempts(tmp_path: Path) -> None:
    with bench(Counting, tmp_path, max_attempts=2000) as life:
        assert await life.run(("k", "fail"), ("k", 1)) == [[], [1]]
        assert life.letters()[0].attempts == 2000


@on_loop
async def test_on_error_ignore(tmp_path: Path) -> None:
    with bench(Counting, tmp_path, on_error="ignore") as life:
        assert await life.run(("k", 1), ("k", "fail"), ("k", 3)) == [[1], [], [2]]
        assert life.letters() == []
        assert life.metrics.ignored == 1


@on_loop
async def test_on_error_fail_stops_before_anything_overtakes(tmp_path: Path) -> None:
    with bench(Counting, tmp_path, on_error="fail") as life:
        life.send(("k", 1), ("k", "fail"), ("k", 3), ("other", 4))
        await life.until(1)
        (report,) = life.halted
        assert (report["offset"], report["action"]) == (1, "count")
        assert report["key"] == "'k'"
        assert "told to" in report["traceback"]
        assert life.done == {0: [1]}
        assert life.memory("k") == {"count": 1}
        assert life.memory("other") == {}
    with bench(Counting, tmp_path) as life:
        assert await life.run(("k", 1), ("k", 2)) == [[1], [2]]


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, asyncio.CancelledError])
def test_an_action_cannot_end_its_worker_by_leaving(
    tmp_path: Path, kind: type[BaseException], *, is_async: bool
) -> None:
    agent = Agent()

    async def leave_async(event: Any, ctx: RunnerContext) -> None:
        leave(event, ctx)

    def leave(event: Any, ctx: RunnerContext) -> None:
        if event.input:
            raise kind
        ctx.send_event(OutputEvent(output="stayed"))

    agent.add_action("act", [InputEvent], leave_async if is_async else leave)

    async def main() -> None:
        with bench(agent, tmp_path, max_attempts=1) as life:
            assert await life.run(("k", 1), ("k", 0)) == [[], ["stayed"]]
            assert kind.__name__ in life.letters()[0].error

    asyncio.run(main())


@on_loop
async def test_outputs_and_values_that_cannot_be_written(tmp_path: Path) -> None:
    agent = Agent()

    def act(event: Any, ctx: RunnerContext) -> None:
        if event.input == "output":
            ctx.send_event(OutputEvent(output=threading.Lock()))
        else:
            ctx.short_term_memory.set("x", threading.Lock())

    agent.add_action("act", [InputEvent], act)
    with bench(agent, tmp_path, max_attempts=1) as life:
        assert await life.run(*(("k", what) for what in ("output", "memory"))) == [[]] * 2
        letters = life.letters()
        assert [letter.cause for letter in letters] == ["unserializable"] * 2


@on_loop
async def test_a_run_that_takes_too_long_is_cancelled(tmp_path: Path) -> None:
    agent = Agent()
    cleaned = []

    async def act(event: Any, ctx: RunnerContext) -> None:
        ctx.short_term_memory.set("begun", True)
        try:
            await asyncio.sleep(3600 if event.input else 0)
        finally:
            cleaned.append(event.input)

    agent.add_action("act", [InputEvent], act)
    with bench(agent, tmp_path, max_attempts=2, run_timeout=0.5) as life:
        assert await life.run(("k", 1), ("k", 0)) == [[], []]
        (letter,) = life.letters()
        assert (letter.cause, letter.attempts, letter.action) == ("timeout", 2, "act")
        assert "run-timeout of 0.5 s" in letter.error
        assert cleaned == [1, 1, 0]
        assert life.memory("k") == {"begun": True}


@on_loop
async def test_the_time_limit_is_for_all_steps_of_a_run(tmp_path: Path) -> None:
    agent = Agent()

    async def wander(event: Any, ctx: RunnerContext) -> None:
        await asyncio.sleep(0.001)
        ctx.send_event(Middle(value=1))

    agent.add_action("wander", [InputEvent, Middle], wander)
    with bench(agent, tmp_path, max_attempts=1, run_timeout=0.1) as life:
        assert await life.run(("k", 1)) == [[]]
        assert life.letters()[0].cause == "timeout"


@on_loop
async def test_the_time_can_be_up_before_the_task_of_an_action_has_its_first_turn(
    tmp_path: Path,
) -> None:
    cancelled = []
    agent = Agent()

    async def act(event: Any, ctx: RunnerContext) -> None:
        if event.input == 1:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                cancelled.append(event.input)
                raise

    agent.add_action("act", [InputEvent], act)
    with bench(agent, tmp_path, max_attempts=1, run_timeout=60) as life:
        life.send(("k", 1), ("k", 2))
        run: Any = life.engine._lanes[encode_key("k")].run
        # What the timer does: here between the first step and the task's first turn.
        life.engine._driver._actions._expire(run)
        await life.until(0, 1)
        assert [letter.cause for letter in life.letters()] == ["timeout"]
        assert cancelled == [1]


@on_loop
async def test_rejections_set_inputs_aside_in_their_turn(tmp_path: Path) -> None:
    rejection = {
        "cause": "crash",
        "error": "it kills",
        "attempts": 3,
        "signal": 11,
        "worker_pid": 7,
    }
    with bench(Counting, tmp_path) as life:
        life.send(("k", 1), ("k", 2), ("k", 3), rejections={1: rejection})
        await life.until(0, 1, 2)
        assert life.done == {0: [1], 1: [], 2: [2]}
        (letter,) = life.letters()
        assert (letter.offset, letter.cause, letter.signal) == (1, "crash", 11)


@on_loop
async def test_a_failure_of_the_store_is_not_the_agents(tmp_path: Path) -> None:
    def act(event: Any, ctx: RunnerContext) -> None:
        try:
            ctx.durable_execute(str, 1)
        except Exception:  # noqa: BLE001
            ctx.send_event(OutputEvent(output="went on"))

    agent = Agent()
    agent.add_action("act", [InputEvent], act)
    with bench(agent, tmp_path, commits_left=0) as life:
        life.send(("k", 1), ("other", 2))
        await life.until(0)
        await asyncio.sleep(0)
        assert len(life.failed) == 1
        assert not life.done
        assert life.metrics.failures == 0
        assert life.letters() == []
