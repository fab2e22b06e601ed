"""Naming a run in the beacon while one of its coroutines steps.

The beacon (`worker/beacon.py`) names the input whose code is executed, so that a death has a
suspect. For a plain action the engine names it before the call. An asynchronous action is executed
in steps, other runs step in between, and the event loop decides on the order. So each coroutine of
a run is wrapped into an object that is a coroutine to the loop and names the input in each step:
the action itself (`action_coroutine`), and every task that it starts (`gather`, `TaskGroup`, ...),
since a task inherits the context of the code that makes it. That costs some tenths of a microsecond
per step, of asynchronous actions only. Callbacks and threads are not tracked.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final

from ...agent.errors import RunError
from ...agent.failures.error_text import one_line
from ..durable.call_log import inside_durable_call
from .executing import executed_run, executing_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from ..beacon import Beacon
    from ..metering.measures import UserTime

_now: Final = time.perf_counter_ns

_ENDS_LOOP: Final = (SystemExit, KeyboardInterrupt)
"""Exceptions with which a task ends the whole event loop, and so the worker."""


class StepTracker:
    """Names the input whose coroutine steps, and measures the time: one for all of a worker.

    Attributes:
        name: called with the number of the run before each step.
        name_none: called after each step.
        user_time: how long steps have taken.
        here: what the loop's thread executes.
    """

    __slots__ = ("here", "name", "name_none", "user_time")

    def __init__(self, beacon: Beacon, user_time: UserTime, *, timed: bool) -> None:
        """`timed`: whether runs have a time limit, so that the beacon needs the step's begin."""
        self.user_time = user_time
        self.here = executing_thread()
        self.name: Callable[[int], None] = beacon.name_step if timed else beacon.name_input
        self.name_none: Callable[[], None] = beacon.end_step if timed else beacon.name_none


class TrackedCoroutine(Coroutine[Any, Any, Any]):
    """A coroutine of the run of an input, which the beacon names in each of its steps.

    All attributes that a debugger may look for are those of the coroutine inside.
    """

    __slots__ = (
        "__weakref__",
        "_calls",
        "_children",
        "_tracker",
        "coroutine",
        "has_children",
        "offset",
        "path",
    )

    def __init__(
        self,
        coroutine: Coroutine[Any, Any, Any],
        tracker: StepTracker,
        offset: int,
        path: tuple[int, ...] | None,
    ) -> None:
        self.coroutine = coroutine
        self._tracker = tracker
        self.offset = offset
        self.path = path
        """Which task of the action it is: the how manieth that its parent has started, after the
        parent's own path. None if that is not known: a callback has started it."""
        self._children = 0
        self._calls = 0
        self.has_children = False
        """Whether it has started tasks."""

    def next_child(self) -> tuple[int, ...] | None:
        """The path of the next task that it starts.

        Tasks of durable functions are not counted: a replay starts them no more.
        """
        self.has_children = True
        if inside_durable_call():
            return None
        self._children += 1
        return None if self.path is None else (*self.path, self._children)

    def next_call(self) -> tuple[int, ...] | None:
        """The place of the next durable call that it makes."""
        self._calls += 1
        return None if self.path is None else (*self.path, self._calls)

    def send(self, value: Any) -> Any:
        """Perform one step."""
        tracker = self._tracker
        here = tracker.here
        outer, here.coroutine = here.coroutine, self
        tracker.name(self.offset)
        tracker.user_time.began = _now()
        try:
            return self.coroutine.send(value)
        except _ENDS_LOOP as error:
            raise _harmless(error) from error
        finally:
            tracker.user_time.end()
            tracker.name_none()
            here.coroutine = outer

    def throw(self, *error: Any) -> Any:
        """Perform one step, which begins with an exception."""
        tracker = self._tracker
        here = tracker.here
        outer, here.coroutine = here.coroutine, self
        tracker.name(self.offset)
        tracker.user_time.began = _now()
        try:
            return self.coroutine.throw(*error)
        except _ENDS_LOOP as raised:
            raise _harmless(raised) from raised
        finally:
            tracker.user_time.end()
            tracker.name_none()
            here.coroutine = outer

    def close(self) -> None:
        """End it."""
        self.coroutine.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self.coroutine.__await__()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.coroutine, name)


class TaskFactory:
    """Makes the tasks of a worker's event loop; those of runs are tracked."""

    def __init__(self, tracker: StepTracker) -> None:
        self._tracker = tracker

    def __call__(
        self, loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any
    ) -> asyncio.Task[Any]:
        """Make a task; it belongs to the run of the code that starts it."""
        executed = executed_run()
        if executed is not None and asyncio.iscoroutine(coroutine):
            offset = executed[0].number
            parent = _current(offset)
            path = None if parent is None else parent.next_child()
            coroutine = TrackedCoroutine(coroutine, self._tracker, offset, path)
        return asyncio.Task(coroutine, loop=loop, **options)


_WAIT_FOR: Final = asyncio.wait_for.__code__.co_filename


def _harmless(error: BaseException) -> RunError:
    """The exception for a task of a run in place of one that would end the worker."""
    return RunError(f"a task that the action had started has raised {one_line(error)}")


def _current(offset: int) -> TrackedCoroutine | None:
    """The coroutine that steps in this thread, if it is of the run of this input."""
    coroutine = executing_thread().coroutine
    if isinstance(coroutine, TrackedCoroutine) and coroutine.offset == offset:
        return coroutine
    return None


def next_place(offset: int) -> tuple[int, ...] | None:
    """The place of a durable call that the current task makes for the run of an input."""
    coroutine = _current(offset)
    return None if coroutine is None else coroutine.next_call()


def current_path(offset: int) -> tuple[bool, tuple[int, ...] | None]:
    """Whether a task of the run of an input is running here, and which task of the action it is."""
    coroutine = _current(offset)
    return (False, None) if coroutine is None else (True, coroutine.path)


def current_offset() -> int | None:
    """The input whose run the code belongs to that calls this, in a task or on a thread."""
    executed = executed_run()
    return None if executed is None else executed[0].number


def offset_of_task(task: asyncio.Task[Any]) -> int | None:
    """The input whose run a task belongs to; None for none."""
    coroutine = task.get_coro()
    return coroutine.offset if isinstance(coroutine, TrackedCoroutine) else None


def has_started_tasks(task: asyncio.Task[Any]) -> bool:
    """Whether a task of a run has started others."""
    coroutine = task.get_coro()
    return not isinstance(coroutine, TrackedCoroutine) or coroutine.has_children


def has_time_limit(task: asyncio.Task[Any]) -> bool:
    """Whether a task is inside `asyncio.wait_for`: its limit ends with this execution.

    One whose limit is None has none.
    """
    if task is _current_task():
        return _is_limited_here()
    inner: Any = task.get_coro()
    if isinstance(inner, TrackedCoroutine):
        inner = inner.coroutine
    while inner is not None:
        if getattr(inner, "cr_code", None) is not None and _limits(inner.cr_frame):
            return True
        inner = getattr(inner, "cr_await", None)
    return False


def _current_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # no loop in this thread
        return None


def _is_limited_here() -> bool:
    """The same for the task that runs: what it awaits is on the stack, since Python 3.12."""
    frame: Any = sys._getframe()  # noqa: SLF001 (the way to it)
    while frame is not None:
        if _limits(frame):
            return True
        frame = frame.f_back
    return False


def _limits(frame: Any) -> bool:
    """Whether this is the frame of a `wait_for` that has a limit."""
    code = None if frame is None else frame.f_code
    if code is None or code.co_name != "wait_for" or code.co_filename != _WAIT_FOR:
        return False
    return frame.f_locals.get("timeout") is not None


def tasks_of_run(number: int) -> list[asyncio.Task[Any]]:
    """All tasks of the run of this number."""
    return tasks_by_run().get(number, [])


def tasks_by_run() -> dict[int, list[asyncio.Task[Any]]]:
    """All tasks of runs, by the numbers of these."""
    found: dict[int, list[asyncio.Task[Any]]] = {}
    for task in asyncio.all_tasks():
        number = offset_of_task(task)
        if number is not None:
            found.setdefault(number, []).append(task)
    return found
