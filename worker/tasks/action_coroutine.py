"""The coroutines of actions: the first step of each is performed at once, without a task.

Many asynchronous actions never wait, or not often, and a task costs more than all else that is
done for them. So the first step is performed by the caller, as if the action were a plain one, and
only if the coroutine waits then does it become a task. What it awaits is handed to that task, which
asks for it in its first step: what happens until then, such as a cancellation, has the same result
as in a task that has waited for it all the time.

For the code inside there is no difference to a task. It has a context (`contextvars`) of its own,
the same in all steps, and `asyncio.current_task()` is the task that it will have (see
`unstarted_task`).
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

from .executing import ExecutedRun, enter
from .tracking import StepTracker, TrackedCoroutine
from .unstarted_task import (
    TASKS_HAVE_CONTEXT,
    StartedTask,
    start_task,
    unstarted_task,
)

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Task
    from collections.abc import Awaitable, Callable, Coroutine
    from contextvars import Context
    from typing import TypeAlias

    Ended: TypeAlias = Callable[[int, Any, BaseException | None], None]

_NOTHING: Final = object()
"""Nothing is to be handed to the task any more."""
_ENDED: Final = object()
"""The coroutine has ended in its first step."""


class ActionCoroutine(TrackedCoroutine):
    """The coroutine of an action; its exception, if any, goes to `ended`, and not to its task."""

    __slots__ = ("_awaited", "_ended", "_is_blocking", "_is_cancelled", "context", "task")

    def __init__(
        self,
        coroutine: Coroutine[Any, Any, Any],
        tracker: StepTracker,
        number: int,
        *,
        loop: AbstractEventLoop,
        ended: Ended,
    ) -> None:
        """`ended` is called with the run's number, the result, and the exception."""
        super().__init__(coroutine, tracker, number, ())
        self._ended = ended
        self._awaited: Any = _NOTHING
        """What the first step has awaited, until it is handed to the task; None for a turn of the
        event loop."""
        self._is_blocking = False
        """Whether that is a future."""
        self._is_cancelled = False
        """Whether that is cancelled already."""
        self.context: Context
        self.task: Task[None] = unstarted_task(self, loop)

    def perform_first(self, executed: tuple[ExecutedRun, int]) -> Any:
        """Perform the first step, in the context; returns the result, or itself if it waits."""
        # Not in the compiled module: Python catches what a coroutine's end raises in less time.
        enter(executed)
        try:
            self._awaited = self.coroutine.send(None)
        except StopIteration as end:
            return end.value
        return self

    def start(self) -> Task[None]:
        """Go on as a task."""
        awaited, task = self._awaited, self.task
        # Another coroutine may await the same future before the task has its first step.
        if getattr(awaited, "_asyncio_future_blocking", None):
            self._is_blocking = True
            awaited._asyncio_future_blocking = False  # noqa: SLF001 (as a task does it)
            if type(task) is StartedTask and task._must_cancel:  # type: ignore[attr-defined]  # noqa: SLF001
                self._is_cancelled = awaited.cancel()  # the first step has cancelled its own task
        start_task(task)
        return task

    def end_first(self) -> None:
        """Let a task that was asked for be done: the coroutine has ended in its first step."""
        self._awaited = _ENDED
        start_task(self.task)
        del self.task  # which refers to this object

    def send(self, value: Any) -> Any:
        """Perform one step."""
        awaited = self._awaited
        if awaited is not _NOTHING:
            self._awaited = _NOTHING
            if awaited is _ENDED:
                raise StopIteration
            if awaited is not None:
                return self._handed(awaited)
        return self._step(self.coroutine.send, value)

    def throw(self, *error: Any) -> Any:
        """Perform one step, which begins with an exception."""
        awaited = self._awaited
        if awaited is not _NOTHING:
            self._awaited = _NOTHING
            if awaited is _ENDED:
                raise StopIteration
            raised = error[0]
            if self._is_blocking and isinstance(raised, asyncio.CancelledError):
                # As `Task.cancel` does it: what the task waits for is cancelled.
                is_cancelled = self._is_cancelled or awaited.cancel(*raised.args[:1])
                if is_cancelled:
                    return self._handed(awaited)
        return self._step(self.coroutine.throw, *error)

    def _handed(self, awaited: Any) -> Any:
        if self._is_blocking:
            awaited._asyncio_future_blocking = True  # noqa: SLF001 (as it was)
        return awaited

    def _step(self, function: Callable[..., Any], *arguments: Any) -> Any:
        tracker = self._tracker
        here = tracker.here
        outer, here.coroutine = here.coroutine, self
        tracker.name(self.offset)
        tracker.user_time.began = time.perf_counter_ns()
        result = failure = None
        try:
            if TASKS_HAVE_CONTEXT:
                return function(*arguments)
            return self.context.run(function, *arguments)
        except StopIteration as end:
            result = end.value
        except BaseException as error:  # noqa: BLE001 (SystemExit too: it is the action's)
            failure = error
        finally:
            tracker.user_time.end()
            tracker.name_none()
            here.coroutine = outer
        del self.task  # which refers to this object
        try:
            self._ended(self.offset, result, failure)
        finally:
            failure = None  # its traceback has this frame
        raise StopIteration


async def awaiting(awaited: Awaitable[Any]) -> Any:
    """Await what may be any object; compiled code would iterate what cannot be awaited."""
    return await awaited
