"""The first steps of actions are performed without a task, and what they see is as in a task."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING, Any

import pytest

from support.worker.steps import Steps
from tamias.worker.beacon import Beacon
from tamias.worker.tasks.tracking import has_started_tasks, tasks_of_run

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

VAR: ContextVar[int] = ContextVar("var", default=0)


def on_loop(body: Callable[[Steps], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """A test that runs on a loop whose tasks are tracked."""

    def test() -> None:
        async def main() -> None:
            await body(Steps(Beacon()))

        asyncio.run(main())

    return test


async def settle() -> None:
    """Let everything that is ready run."""
    for _ in range(15):
        await asyncio.sleep(0)


# -- at once ------------------------------------------------------------------------------------


@on_loop
async def test_a_cancellation_before_the_tasks_first_turn_cancels_what_it_waits_for(
    steps: Steps,
) -> None:
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    shielded: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def wait() -> int:
        return await future

    async def shield() -> int:
        return await asyncio.shield(shielded)

    async def pause() -> None:
        await asyncio.sleep(0)

    for number, coroutine in enumerate((wait(), shield(), pause())):
        task = steps.start(coroutine, number)
        task.cancel("theirs")
        with pytest.raises(asyncio.CancelledError):
            await steps.outcome(number)
        await settle()
        assert task.done()
    assert (future.cancelled(), shielded.cancelled()) == (True, False)


@on_loop
async def test_a_cancellation_can_be_caught_before_the_tasks_first_turn(steps: Steps) -> None:
    async def wait() -> str:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError as error:
            await asyncio.sleep(0)
            return f"kept {error}"
        return "late"

    task = steps.start(wait(), 1)
    task.cancel()
    assert (await steps.outcome(1)).startswith("kept")


@on_loop
async def test_a_first_step_can_cancel_its_own_task(steps: Steps) -> None:
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def act(waits: bool) -> str:  # noqa: FBT001
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        if waits:
            await future
        return "returned"

    assert steps.begin(act(waits=False), 1) == "returned"
    steps.start(act(waits=True), 2)
    assert future.cancelled()
    with pytest.raises(asyncio.CancelledError):
        await steps.outcome(2)


@on_loop
async def test_several_coroutines_wait_for_one_future(steps: Steps) -> None:
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def wait() -> int:
        return await future

    ordinary = asyncio.ensure_future(wait())
    for number in range(3):
        steps.start(wait(), number)
    await settle()
    steps.start(wait(), 3)
    future.set_result(7)
    outcomes = [steps.outcome(number) for number in range(4)]
    assert await asyncio.gather(ordinary, *outcomes) == [7] * 5


@on_loop
async def test_what_is_no_future_cannot_be_awaited(steps: Steps) -> None:
    class Odd:
        def __await__(self) -> Any:
            yield "odd"

    async def wait() -> None:
        await Odd()

    with pytest.raises(RuntimeError, match="bad yield"):
        await steps.run(wait())


@on_loop
async def test_any_awaitable_is_performed(steps: Steps) -> None:
    class Awaited:
        def __await__(self) -> Any:
            yield from asyncio.sleep(0).__await__()
            return 5

    awaited: Any = Awaited()
    assert await steps.run(awaited) == 5


# -- the current task ---------------------------------------------------------------------------


@on_loop
async def test_each_coroutine_has_a_task_of_its_own_and_the_caller_keeps_its_own(
    steps: Steps,
) -> None:
    seen: list[Any] = []

    async def act(waits: bool) -> None:  # noqa: FBT001
        seen.append(asyncio.current_task())
        if waits:
            await asyncio.sleep(0)
            assert asyncio.current_task() is seen[-1]

    outer = asyncio.current_task()
    for waits in (False, True, False, False, True):
        await steps.run(act(waits))
        assert asyncio.current_task() is outer
    assert outer not in seen
    assert len({id(task) for task in seen}) == len(seen)  # none is used again that was kept


@on_loop
async def test_a_task_that_is_asked_for_ends_with_its_coroutine(steps: Steps) -> None:
    kept: list[asyncio.Task[Any]] = []

    async def act(asks: bool) -> int:  # noqa: FBT001
        task = asyncio.current_task()
        assert task is not None
        if asks:
            assert not task.done()
            assert task.get_coro() is not None
        kept.append(task)
        return 1

    for asks in (True, False):
        assert steps.begin(act(asks), 1) == 1
    await settle()
    assert [task.done() for task in kept] == [True, True]
    assert await kept[0] is None


@on_loop
async def test_a_task_that_nothing_keeps_is_used_again(steps: Steps) -> None:
    seen: list[int] = []
    weak: list[weakref.ref[Any]] = []

    async def act(looks: Callable[[Any], None]) -> None:
        looks(asyncio.current_task())

    for _ in range(3):
        steps.begin(act(lambda task: seen.append(id(task))), 1)
    assert len(set(seen)) == 1
    steps.begin(act(lambda task: weak.append(weakref.ref(task))), 1)
    steps.begin(act(lambda task: seen.append(id(task))), 1)
    assert weak[0]() is None or id(weak[0]()) != seen[-1]


@on_loop
async def test_a_task_that_is_kept_is_not_that_of_a_later_run_also_after_an_error(
    steps: Steps,
) -> None:
    kept: list[asyncio.Task[Any] | None] = []
    ended: list[str] = []

    async def fail() -> None:
        try:
            raise ValueError("in a cycle")  # noqa: TRY301 (with a traceback of its own)
        except ValueError as caught:
            error = caught
        raise error

    async def keep() -> None:
        gc.collect()  # of the frames that the error has kept
        kept.append(asyncio.current_task())

    async def wait() -> None:
        await asyncio.sleep(0)
        ended.append("waited")

    with pytest.raises(ValueError, match="in a cycle"):
        steps.begin(fail(), 1)
    steps.begin(keep(), 2)
    task = steps.start(wait(), 3)
    assert kept[0] is not None
    assert kept[0] is not task
    kept[0].cancel()
    await steps.outcome(3)
    assert ended == ["waited"]


@pytest.mark.parametrize("value", [[], "", {}, [None], None, 7], ids=repr)
def test_what_cannot_be_awaited_is_an_error(value: Any) -> None:
    @on_loop
    async def body(steps: Steps) -> None:
        with pytest.raises(TypeError, match="await"):
            steps.begin(value, 1)

    body()


@on_loop
async def test_a_timer_can_cancel_the_task_that_was_current_in_the_first_step(
    steps: Steps,
) -> None:
    async def act() -> str:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_later(0.001, task.cancel)
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            return "cancelled"
        return "late"

    assert await steps.run(act()) == "cancelled"


@on_loop
async def test_an_exception_of_a_first_step_reaches_the_caller(steps: Steps) -> None:
    async def act(error: BaseException) -> None:
        raise error

    for error in (LookupError("theirs"), asyncio.CancelledError(), SystemExit(3)):
        with pytest.raises(type(error)):
            steps.begin(act(error), 1)
    with pytest.raises(RuntimeError, match="StopIteration"):
        steps.begin(act(StopIteration(3)), 1)
    assert steps.begin(nothing(), 2) is None


async def nothing() -> None:
    """An action that does nothing."""


# -- contexts, tasks, threads -------------------------------------------------------------------


@on_loop
async def test_context_variables_are_those_of_one_action(steps: Steps) -> None:
    async def act(value: int) -> int:
        assert VAR.get() == 0
        token = VAR.set(value)
        await asyncio.sleep(0)
        assert VAR.get() == value
        assert await asyncio.create_task(child()) == value
        assert await asyncio.to_thread(VAR.get) == value
        VAR.reset(token)
        return VAR.get()

    async def quick(value: int) -> None:
        assert VAR.get() == 0
        VAR.set(value)

    async def child() -> int:
        return VAR.get()

    for number in range(3):
        steps.begin(quick(number + 1), number)
        assert VAR.get() == 0
    assert await asyncio.gather(*(steps.run(act(n + 1), n) for n in range(3))) == [0, 0, 0]
    assert VAR.get() == 0


@on_loop
async def test_what_follows_an_action_does_not_have_its_context(steps: Steps) -> None:
    seen: list[int] = []

    async def act() -> None:
        VAR.set(5)
        await asyncio.sleep(0)

    steps.start(act(), 1)
    steps.when_ended = lambda: seen.append(copy_context().get(VAR, 0))
    await steps.outcome(1)
    assert seen == [0]


@on_loop
async def test_tasks_that_a_first_step_starts_belong_to_its_run(steps: Steps) -> None:
    left: list[asyncio.Task[Any]] = []

    async def act(waits: bool) -> None:  # noqa: FBT001
        left.append(asyncio.create_task(asyncio.sleep(3600)))
        if waits:
            await asyncio.sleep(0)

    task = steps.start(act(waits=True), 7)
    assert has_started_tasks(task)
    assert steps.begin(act(waits=False), 8) is None
    await settle()
    assert [tasks_of_run(7), tasks_of_run(8)] == [[left[0]], [left[1]]]
    for each in left:
        each.cancel()


@on_loop
async def test_a_coroutine_that_is_dropped_leaves_nothing(steps: Steps) -> None:
    class Value:
        pass

    async def act(value: Value, waits: bool) -> None:  # noqa: FBT001
        if waits:
            await asyncio.sleep(0)

    weak = []
    for number, waits in enumerate((True, False, True)):
        value = Value()
        weak.append(weakref.ref(value))
        await steps.run(act(value, waits), number)
        del value
    await settle()
    gc.collect()
    assert [each() for each in weak] == [None] * 3


def test_loops_on_several_threads_do_not_disturb_each_other() -> None:
    counts: list[int] = []

    async def act(number: int) -> int:
        await asyncio.sleep(0)
        return number

    async def main() -> None:
        steps = Steps(Beacon())
        for number in range(200):
            assert await steps.run(act(number), number) == number
        counts.append(200)

    threads = [threading.Thread(target=asyncio.run, args=(main(),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [200] * 3


@on_loop
async def test_cancel_scopes_of_anyio_work_in_first_steps(steps: Steps) -> None:
    anyio = pytest.importorskip("anyio")

    async def late() -> str:
        with anyio.move_on_after(0):
            await anyio.sleep(3600)
        with pytest.raises(TimeoutError), anyio.fail_after(0.001):
            await anyio.Event().wait()
        return "late"

    async def group() -> list[int]:
        found: list[int] = []

        async def child(number: int) -> None:
            await anyio.lowlevel.checkpoint()
            found.append(number)
            if number == 2:
                tasks.cancel_scope.cancel()
                await anyio.sleep(3600)

        async with anyio.create_task_group() as tasks:
            for number in range(3):
                tasks.start_soon(child, number)
        with anyio.CancelScope(shield=True):
            found.append(await anyio.to_thread.run_sync(lambda: 7))
        return found

    async def quick() -> bool:
        with anyio.CancelScope() as scope:
            return bool(scope.cancel_called)

    for number in range(2):
        assert await steps.run(late(), number) == "late"
        assert steps.begin(quick(), number) is False
        assert await steps.run(group(), number) == [0, 1, 2, 7]
