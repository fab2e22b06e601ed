"""Performs actions that do not return at once: coroutines, and plain functions on threads.

Each becomes a task of the event loop, which names its run in the beacon while it steps. A run with
a time limit has one timer for all its actions; when it fires, the task is cancelled.
"""

from __future__ import annotations

import asyncio
import logging
import time
from itertools import islice
from typing import TYPE_CHECKING, Final

from ...agent.errors import RunTimeoutError
from ...agent.failures.error_text import is_of
from ..tasks.stacks import busy_threads_text, tasks_text, waited_for
from ..tasks.thread_pool import NotBegunError, ThreadPool
from ..tasks.tracking import TaskFactory, has_begun, has_started_tasks, tasks_of_run
from ..waiting.waits import SuspendRun, Waits
from .context import WorkerContext
from .ended_context import end_context

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from ...agent.action import Action
    from ...agent.event import Event
    from ..beacon import Beacon
    from ..policy import Policy
    from ..runs.run import Run
    from ..waiting.waits import WaitingRun
    from .services import Services

    Finished: TypeAlias = Callable[[Run, Action, BaseException | None], None]

OVERDUE_SECONDS: Final = 300.0
"""How long an action may wait until that is reported."""
SHORTEST_WAIT: Final = 0.05
"""A worker that halts suspends runs that wait longer than this."""

_SHORTEST_LEFT: Final = 0.05
"""Seconds until a run that waits is looked at again, at least."""
_LOG: Final = logging.getLogger("tamias.worker")


class AsyncActions:
    """Performs actions as tasks.

    Args:
        services: what the actions' contexts use.
        beacon: the worker's.
        policy: the time limit, and the number of threads.
        finished: called when an action has ended, with its exception if it has raised.
        suspended: called when an action has been given up, with the moment to execute it again.
        dropped: called when an action was not begun, because no more are.
        failed: called with an error of tamias itself.
    """

    def __init__(
        self,
        services: Services,
        beacon: Beacon,
        policy: Policy,
        *,
        finished: Finished,
        suspended: Callable[[Run, Action, float], None],
        dropped: Callable[[Run, Action], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        self.policy = policy
        self._services = services
        self._beacon = beacon
        self._finished = finished
        self._suspended = suspended
        self._dropped = dropped
        self.waits = Waits(self._give_up, policy.suspend_after)
        self._failed = failed
        self._loop = asyncio.get_running_loop()
        self._measures = services.metrics.measures
        self._tasks = TaskFactory(beacon, self._measures.user_time, timed=policy.timed)
        self._loop.set_task_factory(self._tasks)
        self._threads = ThreadPool(policy.threads, "tamias-action", self._measures.user_time)
        self._closed = False
        self._under_way: dict[int, tuple[Run, float, WorkerContext]] = {}
        """The runs whose actions are under way, by offset, and since when; the oldest first."""

    def start(self, run: Run, event: Event, action: Action) -> None:
        """Start an action of a run, which has no other under way."""
        context = WorkerContext(self._services, run)
        self._under_way[run.number] = run, self._loop.time(), context
        self._beacon.name_action(action.name, run.number)
        performing = self._perform(run, event, action, context)
        run.task = self._tasks.start(self._loop, performing, run.number, run)
        if self.policy.timed and run.timer is None:
            run.timed_from = self._loop.time()
            run.timer = self._loop.call_later(self.policy.run_timeout, self._end_time, run)

    def run_of(self, number: int) -> Run | None:
        """Return the run of this number whose action is under way; None if there is none."""
        known = self._under_way.get(number)
        return None if known is None else known[0]

    def under_way(self, most: int) -> list[tuple[int, str, float]]:
        """Number, action and begin, in seconds since the epoch, of the oldest actions under way."""
        clock = time.time() - self._loop.time()
        return [
            (number, run.action.name if run.action is not None else "", clock + began)
            for number, (run, began, _) in islice(self._under_way.items(), most)
        ]

    def overdue(self) -> str:
        """Describe the action that has been under way for longest; empty if that is not long."""
        if not self._under_way:
            return ""
        run, began, _ = next(iter(self._under_way.values()))
        seconds = self._loop.time() - began
        if seconds < OVERDUE_SECONDS:
            return ""
        action = run.action.name if run.action is not None else None
        place = waited_for(run.task) if run.task is not None else ""
        waits = f", {place}" if place else ""
        return (
            f"waits for {run.describe()} (key {run.lane.key!r}), in action"
            f" {action!r} for {seconds:.0f} s{waits}"
        )

    async def _perform(
        self, run: Run, event: Event, action: Action, context: WorkerContext
    ) -> None:
        failure: BaseException | None = None
        began = time.perf_counter_ns()
        try:
            result = None
            if run.expired:
                failure = RunTimeoutError()
            elif action.is_async:
                result = await action.fn(event, context)
            else:
                result = await self._threads.run(action.fn, event, context)
            if result is not None:
                action.check_result(result)
        except BaseException as error:  # noqa: BLE001 (SystemExit too: it is the action's)
            if self._closed and is_of(error, (asyncio.CancelledError, GeneratorExit)):
                return
            failure = error
        try:
            run.task = None
            self._under_way.pop(run.number, None)
            self._measures.user_time.end()  # what follows is not the action's
            end_context(context)
            moment = failure.moment if type(failure) is SuspendRun else run.suspended_until
            if moment is None and type(failure) is not NotBegunError:
                self._measures.end_action(action.name, time.perf_counter_ns() - began)
            if type(failure) is NotBegunError:
                self._dropped(run, action)
            elif moment is None:
                self._finished(run, action, failure)
            else:
                self._suspended(run, action, moment)
        except BaseException as error:  # noqa: BLE001 (not the action's: that one is `failure`)
            self._failed(error)

    def _give_up(self, run: WaitingRun, moment: float) -> None:
        """Give up the execution of an action that only waits."""
        known = self._under_way.get(run.number)
        if known is None or known[0] is not run or known[0].suspended_until is not None:
            return
        waiting, _, context = known
        waiting.suspended_until = moment
        waiting.awaited = self._services.questions.awaited_of(waiting.tokens)
        end_context(context)
        assert waiting.task is not None  # noqa: S101 (it is under way)
        if has_started_tasks(waiting.task):
            for task in tasks_of_run(waiting.number):
                if task is not waiting.task:
                    task.cancel()
        waiting.task.cancel()

    def suspend_waiting(self) -> None:
        """Suspend all runs that do nothing but wait, now and from now on."""
        self.waits.suspend_after = SHORTEST_WAIT
        for run, _, _ in list(self._under_way.values()):
            self.waits.suspend_soon(run)

    @property
    def queued(self) -> int:
        """How many actions wait for a thread."""
        return self._threads.waiting

    def begin_none(self) -> None:
        """Drop the runs whose actions wait for a thread."""
        self._threads.begin_none()

    def _end_time(self, run: Run) -> None:
        """End a run whose time limit has passed, unless it has waited meanwhile."""
        now = self._loop.time()
        waited = run.waited + (now - run.waits_since if run.waits else 0.0)
        left = run.timed_from + self.policy.run_timeout + waited - now
        if left > 0:  # waits do not count
            run.timer = self._loop.call_later(max(left, _SHORTEST_LEFT), self._end_time, run)
        else:
            self._expire(run)

    def _expire(self, run: Run) -> None:
        # Between two steps there is no task, and the next one will not start. A task that waits for
        # its first turn must not be cancelled: nothing of it would run, not even its end.
        run.expired = True
        if run.task is not None and has_begun(run.task):
            _report_overdue(run, run.task, self.policy.run_timeout)
            run.task.cancel()

    def halt(self) -> None:
        """Have actions that are cancelled from now on end without a report."""
        self._closed = True

    def close(self) -> None:
        """Release the threads."""
        self._closed = True
        self._threads.close()


def _report_overdue(run: Run, task: asyncio.Task[None], limit: float) -> None:
    """Log that a run is cancelled, and keep the stacks of what it is doing for the dead letter.

    They are those of its tasks, and of all threads that work for actions, since it is not known
    for which run a thread works.
    """
    own = {task, *tasks_of_run(run.number)}
    run.stacks = tasks_text(own) + busy_threads_text()
    _LOG.warning(
        "%s (key %r) is cancelled in action %r: it has run for %s s (run-timeout)",
        run.describe(),
        run.lane.key,
        run.action.name if run.action is not None else None,
        f"{limit:g}",
    )
