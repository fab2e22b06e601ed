"""Durable calls in real actions on a real shard, crashed at every commit and begun again."""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tamias.worker.engine.context as context_module
from support.loops import on_loop
from support.profiles import examples
from support.worker.bench import CrashError, bench
from support.worker.durable import CALLS, Calls, agent, coroutine, failing, once, only_once, plain
from tamias import DivergenceError, OutputEvent

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tamias import RunnerContext


async def crash_everywhere(
    directory: Path, function: Callable[[Any, RunnerContext], Any], value: Any = None
) -> tuple[Any, int]:
    """Run an input in lives that end with their first commit; its output, and how many it took."""
    lives = 0
    while True:
        lives += 1
        with bench(agent(function), directory, commits_left=1, dies_after=True) as life:
            if 0 not in life.done:
                life.send(("k", value))
                await life.until(0)
                await asyncio.sleep(0)
            if life.failed:
                assert isinstance(life.failed[0], CrashError)
            if 0 in life.done:
                assert life.journal() == 0
                return life.done[0][0], lives


@pytest.fixture(autouse=True)
def calls() -> Calls:
    CALLS.count.clear()
    return CALLS


# -- replay -------------------------------------------------------------------------------------


@on_loop
async def test_calls_in_a_row_are_made_once_however_often_it_crashes(tmp_path: Path) -> None:
    def act(event: Any, ctx: RunnerContext) -> None:
        found = [ctx.durable_execute(plain, number) for number in range(5)]
        ctx.send_event(OutputEvent(output=found))

    output, lives = await crash_everywhere(tmp_path, act)
    assert output == [f"<{number}>" for number in range(5)]
    assert lives == 7
    only_once(5)


@on_loop
async def test_so_are_asynchronous_ones_of_either_kind(tmp_path: Path) -> None:
    async def act(event: Any, ctx: RunnerContext) -> None:
        found = [
            await ctx.durable_execute_async(plain, "thread"),
            await ctx.durable_execute_async(coroutine, "loop"),
            await ctx.durable_execute_async(lambda: coroutine("lambda")),
            await ctx.durable_execute_async(functools.partial(coroutine, "partial")),
            ctx.durable_execute(plain, "blocking"),
        ]
        ctx.send_event(OutputEvent(output=found))

    output, lives = await crash_everywhere(tmp_path, act)
    assert output == ["<thread>", "<loop>", "<lambda>", "<partial>", "<blocking>"]
    assert lives == 7
    only_once(5)


@on_loop
async def test_equal_calls_are_two_calls(tmp_path: Path) -> None:
    def act(event: Any, ctx: RunnerContext) -> None:
        for _ in range(2):
            ctx.durable_execute(plain, "same")
        ctx.send_event(OutputEvent(output="done"))

    await crash_everywhere(tmp_path, act)
    assert CALLS.count == {"same": 2}


@on_loop
async def test_exceptions_are_recorded_and_raised_again(tmp_path: Path) -> None:
    async def act(event: Any, ctx: RunnerContext) -> None:
        raised = []
        for name in ("durable_execute", "durable_execute_async"):
            try:
                result = getattr(ctx, name)(failing, name)
                if asyncio.iscoroutine(result):
                    await result
            except LookupError as error:
                raised.append(error.args)
        ctx.durable_execute(plain, "after")
        ctx.send_event(OutputEvent(output=raised))

    output, _ = await crash_everywhere(tmp_path, act)
    assert output == [("durable_execute",), ("durable_execute_async",)]
    only_once(3)


programs = st.lists(
    st.tuples(
        st.integers(0, 3),  # loop turns before the first call
        st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3)), max_size=3),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=examples(40))
@given(programs, st.integers(0, 12), st.integers(0, 3))
def test_concurrent_calls_replay_at_any_crash(
    tmp_path_factory: pytest.TempPathFactory,
    program: list[tuple[int, list[tuple[str, int]]]],
    commits: int,
    shift: int,
) -> None:
    """Branches under gather, each with its own calls, that are timed differently in each life."""
    life = 0

    async def act(event: Any, ctx: RunnerContext) -> None:
        ctx.short_term_memory.set("begun", True)

        async def branch(number: int, wait: int, calls: list[tuple[str, int]]) -> list[str]:
            for _ in range((wait + number * shift * life) % 5):
                await asyncio.sleep(0)
            return [
                await ctx.durable_execute_async(coroutine, (number, name), turns)
                for name, turns in calls
            ]

        first = await ctx.durable_execute_async(coroutine, "first")
        found = await asyncio.gather(
            *(branch(number, wait, calls) for number, (wait, calls) in enumerate(program))
        )
        last = ctx.durable_execute(plain, "last")
        ctx.send_event(OutputEvent(output=[first, *found, last]))

    async def main() -> None:
        nonlocal life
        directory = tmp_path_factory.mktemp("shard")
        with bench(agent(act), directory, commits_left=commits) as first:
            first.send(("k", None))
            await first.until(0)
            recorded = first.journal()
        life = 1
        made_before = CALLS.count.copy()
        CALLS.count.clear()
        with bench(agent(act), directory) as second:
            ((output,),) = await second.run(("k", None))
        expected = [
            [f"<{(number, name)}>" for name, _ in calls]
            for number, (_, calls) in enumerate(program)
        ]
        assert output == ["<first>", *expected, "<last>"]
        total = 2 + sum(len(calls) for _, calls in program)
        if first.done:
            assert not CALLS.count
            assert sum(made_before.values()) == total
        else:
            assert sum(CALLS.count.values()) == total - recorded

    CALLS.count.clear()
    asyncio.run(main())


@on_loop
async def test_a_sibling_may_take_its_time_to_claim(tmp_path: Path) -> None:
    """What was answered before its sibling asked may come after it in the next life."""
    lives = 0

    async def act(event: Any, ctx: RunnerContext) -> None:
        async def early() -> None:
            await asyncio.sleep(0.05 * lives)
            await ctx.durable_execute_async(plain, "early")

        async def late() -> None:
            if not lives:
                await asyncio.Event().wait()
            await ctx.durable_execute_async(plain, "late")

        await asyncio.gather(early(), late())
        ctx.send_event(OutputEvent(output="done"))

    with bench(agent(act), tmp_path) as first:
        first.send(("k", None))
        await first.until_recorded()
    lives = 1
    assert await once(tmp_path, act) == "done"
    only_once(2)


# -- divergence ---------------------------------------------------------------------------------


async def diverge(tmp_path: Path, first: Any, second: Any) -> str:
    """The error of an action that does `second` where `first` is on record, and then crashed."""
    with bench(agent(first), tmp_path) as life:
        life.send(("k", None))
        await life.until_recorded()
        life.engine.close()
        recorded = life.journal()
    assert recorded
    with bench(agent(second), tmp_path, on_error="fail") as life:
        life.send(("k", None))
        await life.until(0)
        (report,) = life.halted
        assert not life.done
        assert life.journal() == recorded
        return str(report["error"])


async def first_of_two(event: Any, ctx: RunnerContext) -> None:
    await ctx.durable_execute_async(plain, "one")
    await asyncio.Event().wait()


@on_loop
async def test_another_function(tmp_path: Path) -> None:
    def act(event: Any, ctx: RunnerContext) -> None:
        ctx.durable_execute(failing, "one")

    error = await diverge(tmp_path, first_of_two, act)
    assert error.startswith("DivergenceError")
    assert "durable call 0" in error
    assert "plain is on record" in error
    assert "failing" in error
    only_once(1)


@on_loop
async def test_other_arguments(tmp_path: Path) -> None:
    async def act(event: Any, ctx: RunnerContext) -> None:
        await ctx.durable_execute_async(plain, "two")

    error = await diverge(tmp_path, first_of_two, act)
    assert "arguments that are not on record" in error
    only_once(1)


@on_loop
async def test_a_missing_call(tmp_path: Path) -> None:
    def act(event: Any, ctx: RunnerContext) -> None: ...

    error = await diverge(tmp_path, first_of_two, act)
    assert "plain is on record, but the action ended" in error


@on_loop
async def test_other_arguments_under_gather(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(context_module, "REPLAY_GRACE_SECONDS", 0.05)

    async def act(event: Any, ctx: RunnerContext) -> None:
        await asyncio.gather(ctx.durable_execute_async(plain, "two"))

    error = await diverge(tmp_path, first_of_two, act)
    assert "durable call 0" in error
    only_once(1)


@on_loop
async def test_an_action_that_catches_everything_diverges_all_the_same(tmp_path: Path) -> None:
    def act(event: Any, ctx: RunnerContext) -> None:
        try:
            ctx.durable_execute(plain, "two")
        except DivergenceError:
            ctx.send_event(OutputEvent(output="who cares"))

    assert "DivergenceError" in await diverge(tmp_path, first_of_two, act)
