"""What actions wait for: moments and answers, first in the worker, then in the store.

A wait that is short is a timer of the event loop. If it is long, and the run does nothing else, the
run is suspended: the execution of its action is given up, and begun again when the wait is over.

A run that has started tasks may do something that is not known here, such as a request without
`durable_execute`, which would have to be done again. So it is suspended only after it has waited
for `suspend-after`, and later if a durable call is under way then. A run that waits inside
`asyncio.wait_for` is not suspended, because that limit would be lost. Of `asyncio.timeout` nothing
can be seen from outside.

What one task was about to do when its run was suspended would be done only when the wait of another
one is over, which may need just that: an answer that is given when the next question is asked. So a
run is suspended only if none of its tasks goes on during some turns of the event loop: so long it
takes from the end of a task to those that have gathered it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ...store import clock
from ..tasks.tracking import has_started_tasks, has_time_limit, tasks_by_run

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    Awaited: TypeAlias = dict[asyncio.Task[Any], asyncio.Future[Any]]

_LONGEST_PAUSE = 1.0
"""Seconds between two looks at the clock, which may be set anew at any time."""
_SHORTEST_PAUSE = 0.02
"""Seconds between two attempts at suspending a run that does something else."""
_TURNS = 16
"""For so many turns of the loop no task of a run that is suspended has gone on: each task or future
between the end of a task and what goes on with it takes one."""
_ATTEMPTS = 8
"""So often it is looked at again at once: a task that wakes each millisecond has just been awake
then, and leaves time for these turns."""

__all__ = ["SuspendRun", "Wait", "WaitingRun", "Waits"]


class SuspendRun(BaseException):
    """Raised out of a plain action that has to wait: it is called again at that moment.

    No `Exception`, so that `except Exception` lets it pass.
    """

    def __init__(self, moment: float) -> None:
        """`moment` is in seconds since the epoch."""
        super().__init__(moment)
        self.moment = moment


class Wait(NamedTuple):
    """One wait under way."""

    moment: float
    """When it ends at the latest, in seconds since the epoch; infinity for never."""
    future: asyncio.Future[None]
    """Done when it ends earlier."""


class WaitingRun(Protocol):
    """A run, as far as its waits are concerned."""

    task: asyncio.Task[None] | None
    waits: list[Wait] | None
    calls: int
    """What is under way besides its waits: durable calls, and what goes on record."""
    waited: float
    """Seconds for which it did nothing but wait."""
    waits_since: float
    """When its first wait under way has begun, in the event loop's time."""

    @property
    def number(self) -> int:
        """The number under which the launcher knows it."""


class Waits:
    """Waits of the runs of a worker."""

    def __init__(self, suspend: Callable[[WaitingRun, float], None], suspend_after: float) -> None:
        """`suspend` gives up an execution, until a moment.

        Args:
            suspend: called with a run, and when it is to go on.
            suspend_after: a wait that is longer suspends its run.
        """
        self._suspend = suspend
        self.suspend_after = suspend_after
        self._tried: dict[asyncio.Task[None], asyncio.TimerHandle | None] = {}
        """Tasks of runs that are suspended as soon as they do nothing else, and when each is looked
        at again; None for now."""
        self._tasks: dict[int, list[asyncio.Task[Any]]] | None = None

    async def until(
        self, run: WaitingRun, moment: float, future: asyncio.Future[None] | None = None
    ) -> None:
        """Wait until a moment, or until the future is done; never shorter."""
        loop = asyncio.get_running_loop()
        wait = Wait(moment, loop.create_future() if future is None else future)
        if not run.waits:
            run.waits = []
            run.waits_since = loop.time()
        run.waits.append(wait)
        try:
            if moment - clock.now() > self.suspend_after:
                self._suspend_or_try_later(run)
            while not wait.future.done() and (left := moment - clock.now()) > 0:
                await asyncio.wait({wait.future}, timeout=min(left, _LONGEST_PAUSE))
        finally:
            run.waits.remove(wait)
            if not run.waits:
                run.waited += loop.time() - run.waits_since

    def suspend_soon(self, run: WaitingRun) -> None:
        """Suspend a run that waits as soon as it does nothing else."""
        task = run.task
        if not run.waits or task is None:
            return
        if task in self._tried:
            later = self._tried[task]
            if later is None:
                return
            later.cancel()
        self._begin_attempt(run, task)

    def _begin_attempt(
        self, run: WaitingRun, task: asyncio.Task[None], attempts: int = _ATTEMPTS
    ) -> None:
        """Suspend a run if it stays as it is; one of a single task has none that could go on.

        If it does not, it is tried again at once, until so many attempts were made.
        """
        if self._is_waiting(run, task):
            turns = _TURNS if has_started_tasks(task) else 0
            awaited = self._what_is_awaited(run, task)
            self._suspend_if_still(run, task, awaited, turns, attempts - 1)

    def _suspend_if_still(
        self,
        run: WaitingRun,
        task: asyncio.Task[None],
        awaited: Awaited | None,
        turns: int,
        attempts: int,
    ) -> None:
        """Suspend a run if it awaits the same for so many turns of the loop, or try it again."""
        if not self._is_waiting(run, task):
            return
        loop = asyncio.get_running_loop()
        if awaited is not None and _is_still(run, awaited):
            if turns:
                self._tried[task] = None
                loop.call_soon(self._suspend_if_still, run, task, awaited, turns - 1, attempts)
                return
            if self._what_is_awaited(run, task) == awaited:  # else a task has come since
                self._tried.pop(task, None)
                self._suspend(run, min(wait.moment for wait in run.waits or ()))
                return
        if attempts and not run.calls:
            self._tried[task] = None
            loop.call_soon(self._begin_attempt, run, task, attempts)
        else:
            self._call_later(run, task)

    def _is_waiting(self, run: WaitingRun, task: asyncio.Task[None]) -> bool:
        """Whether an execution of a run still waits; else no more attempts are made."""
        if run.task is task and not task.done() and run.waits:
            return True
        self._tried.pop(task, None)
        return False

    def _suspend_or_try_later(self, run: WaitingRun) -> None:
        if run.task is None:
            return
        if has_started_tasks(run.task) or run.calls or has_time_limit(run.task):
            self._try_later(run, run.task)
        elif run.waits:
            self._suspend(run, min(wait.moment for wait in run.waits))

    def _try_later(self, run: WaitingRun, task: asyncio.Task[None]) -> None:
        if task not in self._tried:
            self._call_later(run, task)

    def _call_later(self, run: WaitingRun, task: asyncio.Task[None]) -> None:
        pause = max(self.suspend_after, _SHORTEST_PAUSE)
        loop = asyncio.get_running_loop()
        self._tried[task] = loop.call_later(pause, self._try, run, task)

    def _try(self, run: WaitingRun, task: asyncio.Task[None]) -> None:
        if not self._is_waiting(run, task):
            return
        moment = min(wait.moment for wait in run.waits or ())
        is_limited = any(map(has_time_limit, self.tasks_of(run)))
        if moment - clock.now() <= self.suspend_after or is_limited:
            self._call_later(run, task)
        else:
            self._begin_attempt(run, task)

    def _what_is_awaited(self, run: WaitingRun, task: asyncio.Task[None]) -> Awaited | None:
        """What each task of a run awaits; None if something is under way, or a task is to go on.

        `task` is the one of the action.
        """
        found: Awaited = {}
        for each in self.tasks_of(run) if has_started_tasks(task) else (task,):
            awaited = _awaited_by(each)
            if awaited is None:
                return None
            found[each] = awaited
        return found if _is_still(run, found) else None

    def tasks_of(self, run: WaitingRun) -> list[asyncio.Task[Any]]:
        """The tasks of a run, as they were at some moment of this turn of the loop.

        To find them takes a look at all tasks of the worker: one for all runs that are suspended.
        """
        if self._tasks is None:
            self._tasks = tasks_by_run()
            asyncio.get_running_loop().call_soon(self._forget_tasks)
        return self._tasks.get(run.number, [])

    def _forget_tasks(self) -> None:
        self._tasks = None


def _is_still(run: WaitingRun, awaited: Awaited) -> bool:
    """Whether a run does nothing but wait, and these tasks await what they have awaited."""
    if run.calls or not run.waits or any(wait.future.done() for wait in run.waits):
        return False
    return all(not on.done() and _awaited_by(task) is on for task, on in awaited.items())


def _awaited_by(task: asyncio.Task[Any]) -> asyncio.Future[Any] | None:
    """What a task awaits; no public name tells it, and asyncio's own tools read this one."""
    awaited: asyncio.Future[Any] | None = getattr(task, "_fut_waiter", None)
    return awaited
