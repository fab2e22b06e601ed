"""Durable calls in real actions on a real shard, crashed at every commit and begun again."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tamias.worker.context as context_module
from support.bench import CrashError, bench
from support.loops import on_loop
from tamias import (
    Agent,
    DivergenceError,
    DurableCallError,
    InputEvent,
    MemoryAccessError,
    OutputEvent,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tamias import RunnerContext


def agent(function: Callable[[Any, RunnerContext], Any]) -> Agent:
    made = Agent()
    made.add_action("act", [InputEvent], function)
    return made


async def once(
    directory: Path,
    function: Callable[[Any, RunnerContext], Any],
    value: Any = None,
    **options: Any,
) -> Any:
    """The one output of one input."""
    with bench(agent(function), directory, **options) as life:
        ((output,),) = await life.run(("k", value))
        assert life.journal() == 0
        return output


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


class Calls:
    """Functions that count how often they are called."""

    def __init__(self) -> None:
        self.count: Counter[Any] = Counter()

    def plain(self, name: Any) -> str:
        self.count[name] += 1
        return f"<{name}>"

    async def coroutine(self, name: Any, turns: int = 0) -> str:
        for _ in range(turns):
            await asyncio.sleep(0)
        return self.plain(name)

    def failing(self, name: Any) -> None:
        self.count[name] += 1
        raise LookupError(name)


# What an action calls must be the same function in every life, and not carry the counts along.
CALLS = Calls()


def plain(name: Any) -> str:
    return CALLS.plain(name)


def failing(name: Any) -> None:
    CALLS.failing(name)


async def coroutine(name: Any, turns: int = 0) -> str:
    return await CALLS.coroutine(name, turns)


@pytest.fixture(autouse=True)
def calls() -> Calls:
    CALLS.count.clear()
    return CALLS


def only_once(names: int) -> None:
    assert len(CALLS.count) == names
    assert set(CALLS.count.values()) == {1}, CALLS.count


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
        told = []
        for call in (ctx.durable_execute, ctx.durable_execute_async):
            try:
                result = call(failing, call.__name__)
                if asyncio.iscoroutine(result):
                    await result
            except LookupError as error:
                told.append(error.args)
        ctx.durable_execute(plain, "after")
        ctx.send_event(OutputEvent(output=told))

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


@settings(max_examples=40, deadline=None)
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


# -- what cannot be recorded --------------------------------------------------------------------


@on_loop
async def test_a_result_that_does_not_pickle_fails_the_action(tmp_path: Path) -> None:
    async def act(event: Any, ctx: RunnerContext) -> None:
        try:
            if event.input:
                ctx.durable_execute(threading.Lock)
            else:
                await ctx.durable_execute_async(threading.Lock)
        except DurableCallError:
            ctx.send_event(OutputEvent(output="it does not matter"))

    with bench(agent(act), tmp_path, max_attempts=1) as life:
        assert await life.run(("k", 1), ("k", 0)) == [[], []]
        assert [letter.cause for letter in life.letters()] == ["unserializable"] * 2
        assert "threading" in life.letters()[0].error or "lock" in life.letters()[0].error


@on_loop
async def test_a_plain_action_cannot_get_away_with_it_either(tmp_path: Path) -> None:
    def act(event: Any, ctx: RunnerContext) -> None:
        try:
            ctx.durable_execute(threading.Lock)
        except DurableCallError:
            ctx.send_event(OutputEvent(output="it does not matter"))

    with bench(agent(act), tmp_path, max_attempts=1) as life:
        assert await life.run(("k", 1)) == [[]]


@on_loop
async def test_a_coroutine_function_is_not_called_without_being_awaited(tmp_path: Path) -> None:
    def act(event: Any, ctx: RunnerContext) -> None:
        function: Callable[[str], Any] = coroutine
        ctx.durable_execute(function, "x")

    with bench(agent(act), tmp_path, max_attempts=1) as life:
        await life.run(("k", 1))
        assert "durable_execute_async" in life.letters()[0].error


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
@pytest.mark.parametrize("way", ["plain", "mixed", "async"])
@on_loop
async def test_interruptions_are_not_outcomes(
    tmp_path: Path, kind: type[BaseException], way: str
) -> None:
    def interrupt() -> None:
        raise kind

    async def interrupt_async() -> None:
        raise kind

    def act(event: Any, ctx: RunnerContext) -> None:
        ctx.durable_execute(interrupt)

    async def mixed(event: Any, ctx: RunnerContext) -> None:
        ctx.durable_execute(interrupt)

    async def act_async(event: Any, ctx: RunnerContext) -> None:
        await ctx.durable_execute_async(interrupt_async)

    function = {"plain": act, "mixed": mixed, "async": act_async}[way]
    with bench(agent(function), tmp_path, max_attempts=2) as life:
        assert await life.run(("k", 1)) == [[]]
        assert life.journal() == 0
        assert life.metrics.retries == 1
        assert kind.__name__ in life.letters()[0].error


# -- what a durable function may not do ---------------------------------------------------------


def misuses(ctx: RunnerContext, nested: Any) -> dict[str, Callable[[], Any]]:
    return {
        "get": lambda: ctx.short_term_memory.get("x"),
        "set": lambda: ctx.short_term_memory.set("x", 1),
        "object": lambda: ctx.short_term_memory.new_object("y"),
        "exists": lambda: ctx.short_term_memory.is_exist("x"),
        "names": ctx.short_term_memory.get_field_names,
        "nested": lambda: nested.set("x", 1),
        "sensory": lambda: ctx.sensory_memory.set("x", 1),
        "event": lambda: ctx.send_event(InputEvent(input=1)),
        "output": lambda: ctx.send_event(OutputEvent(output=1)),
        "durable": lambda: ctx.durable_execute(plain, 1),
    }


@pytest.mark.parametrize("way", ["sync", "thread", "coroutine", "task"])
@on_loop
async def test_a_durable_function_cannot_reach_around(tmp_path: Path, way: str) -> None:
    async def act(event: Any, ctx: RunnerContext) -> None:
        nested = ctx.short_term_memory.new_object("nested")
        told = {}
        for name, misuse in misuses(ctx, nested).items():

            async def on_loop(misuse: Callable[[], Any] = misuse) -> None:
                await asyncio.sleep(0)
                misuse()

            async def in_task(misuse: Callable[[], Any] = misuse) -> None:
                await asyncio.gather(on_loop(misuse), asyncio.to_thread(misuse))

            try:
                if way == "sync":
                    ctx.durable_execute(misuse)
                else:
                    function: Any = {"thread": misuse, "coroutine": on_loop, "task": in_task}[way]
                    await ctx.durable_execute_async(function)
            except MemoryAccessError as error:
                told[name] = "inside a durable" in str(error)
        ctx.short_term_memory.set("still", "usable")
        ctx.send_event(OutputEvent(output=told))

    with bench(agent(act), tmp_path, max_attempts=1) as life:
        ((told,),) = await life.run(("k", None))
        assert len(told) == 10
        assert all(told.values()), told
        assert life.memory("k") == {"nested": None, "still": "usable"}
        assert life.journal() == 0


@on_loop
async def test_the_action_itself_uses_memory_beside_a_call_under_way(tmp_path: Path) -> None:
    async def act(event: Any, ctx: RunnerContext) -> None:
        going, release = asyncio.Event(), asyncio.Event()

        async def slow() -> int:
            going.set()
            await release.wait()
            return 1

        call = asyncio.ensure_future(ctx.durable_execute_async(slow))
        await going.wait()
        ctx.short_term_memory.set("beside", True)
        ctx.send_event(OutputEvent(output=ctx.short_term_memory.get("beside")))
        release.set()
        await call

    assert await once(tmp_path, act) is True


# -- retries ------------------------------------------------------------------------------------


@on_loop
async def test_a_retry_makes_the_failed_call_again_and_no_other(tmp_path: Path) -> None:
    def flaky() -> str:
        CALLS.count["flaky"] += 1
        if CALLS.count["flaky"] < 3:
            raise ConnectionError
        return "at last"

    def act(event: Any, ctx: RunnerContext) -> None:
        before = ctx.durable_execute(plain, "before")
        ctx.send_event(OutputEvent(output=[before, ctx.durable_execute(flaky)]))

    assert await once(tmp_path, act, max_attempts=3) == ["<before>", "at last"]
    assert CALLS.count == {"before": 1, "flaky": 3}


@on_loop
async def test_a_failure_that_the_action_lived_with_stays(tmp_path: Path) -> None:
    attempts = 0

    def act(event: Any, ctx: RunnerContext) -> None:
        nonlocal attempts
        attempts += 1
        used = ""
        try:
            ctx.durable_execute(failing, "primary")
        except LookupError:
            used = ctx.durable_execute(plain, "fallback")
            if attempts < 3:
                raise
        ctx.send_event(OutputEvent(output=used))

    assert await once(tmp_path, act, max_attempts=3) == "<fallback>"
    only_once(2)


@on_loop
async def test_calls_that_outlive_their_action_leave_nothing_behind(tmp_path: Path) -> None:
    attempts = 0
    stragglers: list[asyncio.Task[Any]] = []
    release = asyncio.Event()

    async def slow() -> str:
        await release.wait()
        return "too late"

    async def late(ctx: RunnerContext, memory: Any, what: str) -> None:
        try:
            await ctx.durable_execute_async(slow)
        finally:
            if what == "memory":
                memory.set("late", True)
            elif what == "context":
                ctx.short_term_memory.set("late", True)
            elif what == "event":
                ctx.send_event(OutputEvent(output="late"))
            else:
                await ctx.durable_execute_async(plain, "late")

    async def act(event: Any, ctx: RunnerContext) -> None:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            stragglers.extend(
                asyncio.create_task(late(ctx, ctx.short_term_memory, what))
                for what in ("memory", "context", "event", "call")
            )
            await asyncio.sleep(0)
            raise RuntimeError("away")
        ctx.send_event(OutputEvent(output="done"))

    with bench(agent(act), tmp_path, max_attempts=2) as life:
        assert await life.run(("k", None)) == [["done"]]
        release.set()
        found: list[Any] = await asyncio.gather(*stragglers, return_exceptions=True)
        assert all("ended" in str(error) or "end of the action" in str(error) for error in found)
        assert await life.run(("k", None), first=1) == [["done"]]
        assert life.memory("k") == {}
        assert life.journal() == 0
    assert not CALLS.count
