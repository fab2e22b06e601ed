"""Performs actions that do not return at once: coroutines, and plain functions on threads.

Each is executed until it waits, and becomes a task of the event loop then (`action_coroutine`). Its
run is named in the beacon while it steps. A run with a time limit has one timer for all its
actions; when it fires, the task is cancelled.

Tasks, threads and callbacks that an action leaves behind may still have its context or its memory.
Then these are replaced when the action ends, so that every later use of them is refused. Whether
anything has them is known from the numbers of references to them.
"""

from __future__ import annotations

import asyncio
import logging
import time
from itertools import islice
from sys import getrefcount
from typing import TYPE_CHECKING, Any, Final

from ...agent.errors import ActionResultError
from ...agent.failures.error_text import is_of
from ..metering.shapes import SECOND
from ..runs.run import Run
from ..tasks.first_steps import FirstSteps
from ..tasks.stacks import busy_threads_text, tasks_text, waited_for
from ..tasks.thread_pool import NotBegunError, ThreadPool
from ..tasks.tracking import StepTracker, TaskFactory, has_started_tasks, tasks_of_run
from ..waiting.waits import SuspendRun, Waits
from .context import WorkerContext

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from ...agent.action import Action
    from ...agent.event import Event
    from ..beacon import Beacon
    from ..policy import Policy
    from ..tasks.action_coroutine import ActionCoroutine
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

# Compiled code finds what is Final sooner than what is imported.
_references: Final[Any] = getrefcount


class _Kept:
    """Holds the context of an action that waits."""

    __slots__ = ("_context",)

    def __init__(self, context: object) -> None:
        self._context = context

    def references(self) -> int:
        """How many references there are to the context."""
        return getrefcount(self._context)


_UNSHARED: Final = _Kept(object()).references()
"""So many references there are if nothing else has the context."""


class WaitingAction:
    """An action that has performed its first step, and waits.

    Attributes:
        run: its run.
        action: what is executed.
        coroutine: the coroutine that waits.
        began: when its first step has begun, in nanoseconds of the monotonic clock.
    """

    __slots__ = ("_kept", "_of_fields", "_of_memory", "action", "began", "coroutine", "run")

    def __init__(  # noqa: PLR0917 (the parts of it)
        self,
        run: Run,
        action: Action,
        coroutine: ActionCoroutine,
        context: WorkerContext,
        of_memory: int,
        of_fields: int,
    ) -> None:
        """`of_memory` and `of_fields` are the numbers of references before it began."""
        self.run = run
        self.action = action
        self.coroutine = coroutine
        self.began = 0
        self._kept = _Kept(context)
        self._of_memory = of_memory
        self._of_fields = of_fields

    def is_left(self) -> bool:
        """Whether anything has the context or the memory of the action, which has ended."""
        lane = self.run.lane
        return (
            self._kept.references() > _UNSHARED
            or getrefcount(lane.memory) > self._of_memory
            or getrefcount(lane.fields) > self._of_fields
            or self.run.has_more_memory()
        )


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
        self._tracker = StepTracker(beacon, self._measures.user_time, timed=policy.timed)
        self._loop.set_task_factory(TaskFactory(self._tracker))
        self._first_steps = FirstSteps(self._loop, self._tracker, self._ended)
        self._threads = ThreadPool(policy.threads, "tamias-action", self._measures.user_time)
        self._closed = False
        self._under_way: dict[int, WaitingAction] = {}
        """The actions that wait, by the numbers of their runs; the oldest first."""

    def start(self, run: Run, event: Event, action: Action) -> bool:
        """Start an action of a run, which has no other under way; returns whether it has returned.

        Raises what the action has raised in its first step. If it waits, `finished` is called when
        it has ended.
        """
        user_time = self._measures.user_time
        self._beacon.name_action(action.name, run.number)
        self._tracker.name(run.number)
        if self.policy.timed and run.timer is None:
            run.timed_from = self._loop.time()
            run.timer = self._loop.call_later(self.policy.run_timeout, self._end_time, run)
        user_time.began = began = time.perf_counter_ns()
        try:
            waiting = self.call(action, event, WorkerContext(self._services, run))
        except NotBegunError:
            self._dropped(run, action)
            return False
        except BaseException as error:
            if type(error) is not SuspendRun:
                self._measures.end_action(action.name, time.perf_counter_ns() - began)
            raise
        finally:
            user_time.end()
            self._tracker.name_none()
        if isinstance(waiting, WaitingAction):
            self.wait(waiting, began)
            return False
        self._measures.end_action(action.name, time.perf_counter_ns() - began)
        return True

    def call(self, action: Action, event: Event, context: WorkerContext) -> Any:
        """Perform the first step of an action.

        Returns a `WaitingAction`, for `wait`, if it waits. Raises what it has raised.
        """
        run = context.run
        lane = run.lane
        references = _references(context)
        of_memory, of_fields = _references(lane.memory), _references(lane.fields)
        try:
            if action.is_async:
                coroutine = action.fn(event, context)
            else:
                coroutine = self._threads.run(action.fn, event, context)
            stepped = self._first_steps.prepare(coroutine, run.number)
            run.task = stepped.task
            result = self._first_steps.perform(stepped, (run, run.step))
            if result is stepped:
                return WaitingAction(run, action, stepped, context, of_memory, of_fields)
            run.task = None
            if result is not None:
                self._services.metrics.notices.check_result(action, result)
        except BaseException:
            run.task = None
            run.renew_memory()
            raise
        if run.suspended_until is not None:
            raise SuspendRun(run.suspended_until)
        if (
            _references(context) > references
            or _references(lane.memory) > of_memory
            or _references(lane.fields) > of_fields
            or run.has_more_memory()
        ):
            run.renew_memory()
        return None

    def wait(self, waiting: WaitingAction, began: int) -> None:
        """Have an action that waits go on as a task.

        `began` is when its first step has begun, in nanoseconds of the monotonic clock.
        """
        run = waiting.run
        waiting.began = began
        self._under_way[run.number] = waiting
        waiting.coroutine.start()

    def run_of(self, number: int) -> Run | None:
        """Return the run of this number whose action is under way; None if there is none."""
        known = self._under_way.get(number)
        return None if known is None else known.run

    def under_way(self, most: int) -> list[tuple[int, str, float]]:
        """Number, action and begin, in seconds since the epoch, of the oldest actions under way."""
        clock = time.time() - time.perf_counter()
        return [
            (number, waiting.action.name, clock + waiting.began / SECOND)
            for number, waiting in islice(self._under_way.items(), most)
        ]

    def overdue(self) -> str:
        """Describe the action that has been under way for longest; empty if that is not long."""
        if not self._under_way:
            return ""
        oldest = next(iter(self._under_way.values()))
        run, action = oldest.run, oldest.action.name
        seconds = (time.perf_counter_ns() - oldest.began) / SECOND
        if seconds < OVERDUE_SECONDS:
            return ""
        place = waited_for(run.task) if run.task is not None else ""
        waits = f", {place}" if place else ""
        return (
            f"waits for {run.describe()} (key {run.lane.key!r}), in action"
            f" {action!r} for {seconds:.0f} s{waits}"
        )

    def _ended(self, number: int, result: Any, failure: BaseException | None) -> None:
        """End an action that has waited."""
        if self._closed and is_of(failure, (asyncio.CancelledError, GeneratorExit)):
            return
        waiting = self._under_way.pop(number)
        run, action = waiting.run, waiting.action
        try:
            if result is not None:
                self._services.metrics.notices.check_result(action, result)
        except ActionResultError as error:
            failure = error
        try:
            run.task = None
            if failure is not None or waiting.is_left():
                run.renew_memory()
            moment = failure.moment if type(failure) is SuspendRun else run.suspended_until
            if type(failure) is NotBegunError:
                self._dropped(run, action)
                return
            if moment is None:
                self._measures.end_action(action.name, time.perf_counter_ns() - waiting.began)
                self._finished(run, action, failure)
            else:
                self._suspended(run, action, moment)
        except BaseException as error:  # noqa: BLE001 (not the action's: that one is `failure`)
            self._failed(error)

    def _give_up(self, run: WaitingRun, moment: float) -> None:
        """Give up the execution of an action that only waits."""
        task = run.task
        if task is None or not isinstance(run, Run) or run.suspended_until is not None:
            return
        run.suspended_until = moment
        run.awaited = self._services.questions.awaited_of(run.tokens)
        run.renew_memory()
        if has_started_tasks(task):
            for each in self.waits.tasks_of(run):
                if each is not task:
                    each.cancel()
        task.cancel()

    def suspend_waiting(self) -> None:
        """Suspend all runs that do nothing but wait, now and from now on."""
        self.waits.suspend_after = SHORTEST_WAIT
        for waiting in list(self._under_way.values()):
            self.waits.suspend_soon(waiting.run)

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
        # Between two steps there is no task, and the next one will not start.
        run.expired = True
        if run.task is not None:
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
