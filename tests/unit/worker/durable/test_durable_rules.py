"""What durable calls refuse, what they do not record, and what becomes of them at a retry."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from support.loops import on_loop
from support.worker.bench import bench
from support.worker.durable import CALLS, Calls, agent, coroutine, failing, once, only_once, plain
from tamias import (
    DurableCallError,
    InputEvent,
    JavaCallError,
    JavaTimeoutError,
    JvmError,
    MemoryAccessError,
    OutputEvent,
)
from tamias.worker.durable.call_log import CallLog, is_recordable
from tamias.worker.durable.fingerprint import CallIdentity

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tamias import RunnerContext, TamiasError


@pytest.fixture(autouse=True)
def calls() -> Calls:
    CALLS.count.clear()
    return CALLS


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
        refused = {}
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
                refused[name] = "inside a durable" in str(error)
        ctx.short_term_memory.set("still", "usable")
        ctx.send_event(OutputEvent(output=refused))

    with bench(agent(act), tmp_path, max_attempts=1) as life:
        ((refused,),) = await life.run(("k", None))
        assert len(refused) == 10
        assert all(refused.values()), refused
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


# -- errors of tamias itself ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "is_outcome"),
    [
        (JavaCallError("thrown", java_type="java.lang.X", java_stack="at X"), True),
        (JavaTimeoutError("late"), True),
        (JvmError("gone"), False),
        (MemoryAccessError("refused"), False),
    ],
)
def test_of_the_errors_of_tamias_what_came_of_the_call_is_recorded(
    error: TamiasError, *, is_outcome: bool
) -> None:
    assert is_recordable(error) is is_outcome
    record = CallLog("act").issue("f", CallIdentity(b"")).failed(error)
    with pytest.raises(type(error)) as caught:
        record.resolve()
    assert vars(caught.value) == vars(error)
