"""Scripts of operations see the same as tasks and as actions, whose first step has no task."""

from __future__ import annotations

import asyncio
import sys
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from support.worker.steps import Steps
from tamias.worker.beacon import Beacon

if TYPE_CHECKING:
    Op = tuple[Any, ...]

FUTURES = 3
VAR: ContextVar[int] = ContextVar("var", default=0)


class Script:
    """A coroutine made of operations, which logs what it sees."""

    def __init__(self, operations: list[Op]) -> None:
        self._operations = operations
        self.log: list[Any] = []
        loop = asyncio.get_running_loop()
        self.futures: list[asyncio.Future[int]] = [loop.create_future() for _ in range(FUTURES)]
        self._lock = asyncio.Lock()
        self._task: asyncio.Task[Any] | None = None
        self._tokens: list[Token[int]] = []

    async def run(self) -> str:
        self._task = asyncio.current_task()
        for number, operation in enumerate(self._operations):
            self.log.append((number, await self._perform(operation)))
            self.log.append((asyncio.current_task() is self._task, VAR.get()))
        return "returned"

    async def _perform(self, operation: Op) -> Any:
        name, *arguments = operation
        return await getattr(self, f"_{name}")(*arguments)

    async def _turn(self) -> None:
        await asyncio.sleep(0)

    async def _wait(self, number: int) -> int:
        return await self.futures[number]

    async def _shield(self, number: int) -> int:
        return await asyncio.shield(self.futures[number])

    async def _wait_for(self, number: int) -> int:
        return await asyncio.wait_for(self.futures[number], 60)

    async def _gather(self, first: int, second: int) -> list[Any]:
        results = await asyncio.gather(
            self._wait(first), self._shield(second), return_exceptions=True
        )
        return [repr(each) for each in results]

    async def _child(self, number: int) -> int:
        return await asyncio.create_task(self._wait(number))

    async def _first_of(self, first: int, second: int) -> int:
        done, _ = await asyncio.wait(
            {self.futures[first], self.futures[second]}, return_when=asyncio.FIRST_COMPLETED
        )
        return len(done)

    async def _locked(self, number: int) -> int:
        async with self._lock:
            return await self.futures[number]

    async def _queue(self) -> int:
        queue: asyncio.Queue[int] = asyncio.Queue(1)
        await queue.put(1)
        asyncio.get_running_loop().call_soon(queue.get_nowait)
        await queue.put(2)
        return await queue.get()

    async def _set(self, value: int) -> None:
        self._tokens.append(VAR.set(value))

    async def _reset(self) -> None:
        if self._tokens:
            VAR.reset(self._tokens.pop())

    async def _name(self) -> bool:
        task = asyncio.current_task()
        assert task is not None
        return bool(task.get_name()) and not task.done() and "pending" in repr(task)

    async def _cancel(self) -> None:
        await asyncio.sleep(0)  # else a task that it starts next would begin before the end, or not
        task = asyncio.current_task()
        assert task is not None
        task.cancel()

    async def _fail(self) -> None:
        raise LookupError("theirs")

    async def _kept(self, operation: Op) -> Any:
        try:
            return await self._perform(operation)
        except (asyncio.CancelledError, LookupError) as error:
            return repr(error)

    if sys.version_info >= (3, 11):

        async def _timeout(self, number: int) -> Any:
            try:
                async with asyncio.timeout(0):
                    return await self.futures[number]
            except TimeoutError:
                return "late"

        async def _group(self, number: int) -> Any:
            async with asyncio.TaskGroup() as group:
                child = group.create_task(self._wait(number))
                await asyncio.sleep(0)
            return child.result()

        async def _cancelling(self) -> int:
            task = asyncio.current_task()
            assert task is not None
            return task.cancelling()


def places() -> st.SearchStrategy[int]:
    return st.integers(0, FUTURES - 1)


def simple_operations() -> st.SearchStrategy[Op]:
    names = ["turn", "queue", "reset", "name", "cancel", "fail"]
    waits = ["wait", "shield", "wait_for", "child", "locked"]
    if sys.version_info >= (3, 11):
        names.append("cancelling")
        waits += ["timeout", "group"]
    return st.one_of(
        st.tuples(st.sampled_from(names)),
        st.tuples(st.just("set"), st.integers(1, 9)),
        st.tuples(st.sampled_from(waits), places()),
        st.tuples(st.sampled_from(["gather", "first_of"]), places(), places()),
    )


def operations() -> st.SearchStrategy[list[Op]]:
    kept = st.tuples(st.just("kept"), simple_operations())
    return st.lists(st.one_of(simple_operations(), kept), min_size=1, max_size=5)


def events() -> st.SearchStrategy[list[tuple[str, int, bool]]]:
    """What happens outside, to which future, and whether the coroutine waits before it."""
    kinds = st.sampled_from(["cancel", "set", "set", "fail", "cancel future"])
    return st.lists(st.tuples(kinds, places(), st.booleans()), max_size=5)


async def settle() -> None:
    """Let everything that is ready run."""
    for _ in range(15):
        await asyncio.sleep(0)


async def play(
    script: Script, task: asyncio.Future[Any], outside: list[tuple[str, int, bool]]
) -> None:
    for kind, number, later in outside:
        if later or kind == "cancel":  # a task that its action starts has begun by then, or not
            await settle()
        future = script.futures[number]
        if kind == "cancel":
            task.cancel()
        elif future.done():
            continue
        elif kind == "set":
            future.set_result(number)
        elif kind == "fail":
            future.set_exception(LookupError("outside"))
        else:
            future.cancel()
    await settle()
    for future in script.futures:
        if not future.done():
            future.set_result(99)


def outcome_of(future: asyncio.Future[Any]) -> str:
    if future.cancelled():
        return "cancelled"
    error = future.exception()
    return repr(future.result() if error is None else error)


def quiet(_: asyncio.AbstractEventLoop, __: dict[str, Any]) -> None:
    """Exceptions that nothing waits for any more are of no interest."""


@given(operations=operations(), outside=events())
def test_a_coroutine_sees_what_it_sees_as_a_task(
    operations: list[Op], outside: list[tuple[str, int, bool]]
) -> None:
    async def as_task() -> tuple[list[Any], str]:
        asyncio.get_running_loop().set_exception_handler(quiet)
        script = Script(operations)
        outcome: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        async def perform() -> None:
            try:
                outcome.set_result(await script.run())
            except asyncio.CancelledError:
                outcome.cancel()
            except Exception as error:  # noqa: BLE001 (it is compared)
                outcome.set_exception(error)

        task = asyncio.create_task(perform())
        await asyncio.sleep(0)
        await play(script, task, outside)
        await asyncio.wait({outcome})
        return script.log, outcome_of(outcome)

    async def in_steps() -> tuple[list[Any], str]:
        asyncio.get_running_loop().set_exception_handler(quiet)
        script = Script(operations)
        steps = Steps(Beacon())
        try:
            begun = steps.begin(script.run(), 1)
        except asyncio.CancelledError:
            return script.log, "cancelled"
        except Exception as error:  # noqa: BLE001 (it is compared)
            return script.log, repr(error)
        if begun == "returned":
            return script.log, repr(begun)
        task = steps.go_on(begun)
        await play(script, task, outside)
        await asyncio.wait({steps.outcome(1)})
        await asyncio.wait({task})
        return script.log, outcome_of(steps.outcome(1))

    found, expected = asyncio.run(in_steps()), asyncio.run(as_task())
    assert found == expected
