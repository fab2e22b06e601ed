"""Functions on threads: as many as there may be, in their contexts, and never lost."""

from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import pytest

from tamias.worker.metering.measures import UserTime
from tamias.worker.tasks.thread_pool import NotBegunError, ThreadPool

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

VAR: ContextVar[int] = ContextVar("var", default=0)


def with_pool(
    body: Callable[[ThreadPool], Coroutine[Any, Any, None]],
) -> Callable[[], None]:
    """A test with a pool of two threads."""

    def test() -> None:
        async def main() -> None:
            pool = ThreadPool(2, "tamias-test", UserTime())
            try:
                await body(pool)
            finally:
                pool.close()

        asyncio.run(main())

    return test


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 (threads change it)
        await asyncio.sleep(0.001)


@with_pool
async def test_results_exceptions_and_contexts_pass(pool: ThreadPool) -> None:
    def fail(error: BaseException) -> None:
        raise error

    async def one(number: int) -> tuple[int, int]:
        VAR.set(number)
        return number, await pool.run(VAR.get)

    found = await asyncio.gather(*(one(number) for number in range(300)))
    assert all(number == seen for number, seen in found)
    assert await pool.run(lambda a, *, b: a - b, 5, b=3) == 2
    for error in (LookupError("theirs"), SystemExit(3), asyncio.CancelledError()):
        with pytest.raises(type(error)):
            await pool.run(fail, error)
    with pytest.raises(RuntimeError, match="StopIteration"):
        await pool.run(fail, StopIteration(1))


@with_pool
async def test_no_more_functions_run_at_a_time_than_there_may(pool: ThreadPool) -> None:
    lock, running, most = threading.Lock(), 0, 0
    gate = threading.Event()

    def work() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        gate.wait()
        with lock:
            running -= 1

    tasks = [asyncio.ensure_future(pool.run(work)) for _ in range(6)]
    await until(lambda: running == 2 and pool.waiting == 4)
    gate.set()
    await asyncio.gather(*tasks)
    assert (most, pool.waiting) == (2, 0)


@with_pool
async def test_a_function_that_is_cancelled_while_it_runs_gives_its_thread_back(
    pool: ThreadPool,
) -> None:
    gate, begun, called = threading.Event(), threading.Semaphore(0), []

    def hang(number: int) -> None:
        begun.release()
        gate.wait()
        called.append(number)

    hanging = [asyncio.ensure_future(pool.run(hang, number)) for number in range(2)]
    queued = asyncio.ensure_future(pool.run(called.append, "never"))
    await until(lambda: pool.waiting == 1 and begun._value == 2)
    for task in (queued, *hanging):
        task.cancel()
    assert [type(each) for each in await asyncio.gather(*hanging, return_exceptions=True)] == [
        asyncio.CancelledError
    ] * 2
    assert pool.waiting == 0
    # Both threads hang, and two others take their place.
    assert [*await asyncio.gather(pool.run(int, 1), pool.run(int, 2))] == [1, 2]
    gate.set()
    await until(lambda: len(called) == 2)
    found = await asyncio.gather(*(pool.run(int, number) for number in range(50)))
    assert [*found] == [*range(50)]
    named = [each for each in threading.enumerate() if each.name.startswith("tamias-test")]
    assert len(named) <= 4
    assert sorted(called) == [0, 1]


@with_pool
async def test_what_has_no_thread_yet_is_not_begun_any_more(pool: ThreadPool) -> None:
    gate = threading.Event()
    running = [asyncio.ensure_future(pool.run(gate.wait)) for _ in range(2)]
    queued = [asyncio.ensure_future(pool.run(int)) for _ in range(3)]
    await until(lambda: pool.waiting == 3)
    pool.begin_none()
    queued.append(asyncio.ensure_future(pool.run(int)))
    found = await asyncio.gather(*queued, return_exceptions=True)
    assert [type(each) for each in found] == [NotBegunError] * 4
    gate.set()
    assert await asyncio.gather(*running) == [True] * 2


def test_a_function_that_ends_after_its_loop_disturbs_nothing() -> None:
    gate, ended = threading.Event(), threading.Event()

    def late() -> None:
        gate.wait()
        ended.set()

    async def main() -> None:
        pool = ThreadPool(1, "tamias-test", UserTime())
        task = asyncio.ensure_future(pool.run(late))
        await asyncio.sleep(0.01)
        task.cancel()
        pool.close()

    asyncio.run(main())
    gate.set()
    assert ended.wait(60)
