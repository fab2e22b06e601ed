"""Performs runs step by step, from the first action to the end.

A synchronous action is called right here, and so is the first step of an asynchronous one, which
becomes a task if it waits (`async_actions`). A run of several steps goes on at once from each step
to the next, with the effects of finished actions pending (`recorder`). It parks until they are
committed when it gets old, so that other runs have their turn, and before an action that is known
to make durable calls, so that one commit serves many runs. A run that fails is tried again on the
spot, because the key's later inputs have to wait for it anyway.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from sys import getrefcount
from typing import TYPE_CHECKING, Any, Final

from ...agent.errors import RunTimeoutError
from ...agent.event import EndOfInputEvent, input_event
from ...agent.events.identity import ORIGIN
from ...store import clock
from ...store.encoding.values import loads
from ...store.records.offsets import RunKind
from ..hooks import WorkerHook
from ..runs.traced import begin_trace, trace_late
from ..tasks.executing import executing_thread
from ..waiting.questions import NO_ANSWERS, answer_in
from ..waiting.waits import SuspendRun
from .async_actions import AsyncActions
from .context import WorkerContext
from .services import run_info

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...agent.action import Action
    from ...agent.event import Event
    from ..beacon import Beacon
    from ..policy import Policy
    from ..runs.lane import Lane
    from ..runs.run import Run
    from .async_actions import WaitingAction
    from .completion import RunCompletion
    from .services import Services

_YOUNG: Final = 10_000_000
"""Nanoseconds after which finished actions of a run go on record."""
_LONGEST_PAUSE = 1.0
"""Seconds between two looks at the clock, which may be set anew at any time."""


class RunDriver:
    """Performs the runs of a worker.

    Args:
        services: what the actions' contexts use.
        completion: ends the runs.
        policy: the time limit, and what runs on threads.
        beacon: the worker's.
        decode: of an input's payload.
        yielded: called with the lane of a run that was continued by a callback of the event loop,
            when that has been done.
        broken: called with an error of tamias itself.
    """

    def __init__(
        self,
        services: Services,
        completion: RunCompletion,
        policy: Policy,
        beacon: Beacon,
        *,
        decode: Callable[[bytes], Any],
        yielded: Callable[[Lane], None],
        broken: Callable[[BaseException], None],
    ) -> None:
        self._services = services
        self._completion = completion
        self._policy = policy
        self._beacon = beacon
        self._decode = decode
        self._yielded = yielded
        self._broken = broken
        self._route = services.route
        self._unheard = services.unheard
        self._recorder = services.recorder
        self._hooks = services.hooks
        self._tracer = services.tracer
        self._executed = services.metrics.executed
        self._measures = services.metrics.measures
        self._loop = asyncio.get_running_loop()
        self._here = executing_thread()
        self._named: Run | None = None
        """The run that was named in the beacon last."""
        self._actions = AsyncActions(
            services,
            beacon,
            policy,
            finished=self._action_finished,
            suspended=self._action_suspended,
            dropped=self._action_dropped,
            failed=broken,
        )
        self.waits = self._actions.waits
        self._questions = services.questions
        self._pending: list[Run] = []
        """Runs that wait in an action, with pending effects; looked at by a timer."""
        self._parked: dict[Run, tuple[asyncio.TimerHandle, float]] = {}
        """Runs whose next attempt begins soon, and when."""
        self._begins_none = False

    def reconfigure(self, policy: Policy) -> None:
        """Apply another policy from now on; running timers are not changed."""
        self._policy = self._actions.policy = policy
        self._actions.waits.suspend_after = policy.suspend_after

    def key_of(self, offset: int) -> bytes | None:
        """Return the key of an input whose action is under way; None if it has none here."""
        run = self.run_of(offset)
        return None if run is None else run.lane.key_bytes

    def run_of(self, number: int) -> Run | None:
        """The run of this number whose action is under way; None if there is none here."""
        run = self._named
        return run if run is not None and run.number == number else self._actions.run_of(number)

    def execution_of(self, number: int) -> tuple[str, bytes] | None:
        """The action and the key of a run whose code is executed; may be called by any thread."""
        here: Any = self._here.run
        run: Run | None = here
        if run is None or run.number != number:
            run = self.run_of(number)
        if run is None or run.action is None:
            return None
        return run.action.name, run.lane.key_bytes

    def under_way(self, most: int) -> list[tuple[int, str, float]]:
        """As `AsyncActions.under_way`."""
        return self._actions.under_way(most)

    def overdue(self) -> str:
        """As `AsyncActions.overdue`."""
        return self._actions.overdue()

    def begin(self, run: Run) -> None:
        """Begin a run and perform its first step."""
        self._completion.occupy(run)
        if run.moment is not None and run.lane.run is run:
            run.lane.run_moment().restore(run.moment)
        self._name_in_beacon(run)
        if self._hooks is not None:
            self._hooks.call(WorkerHook.run_begun, run_info(run))
        if self._tracer is not None:
            begin_trace(run, self._tracer)
        try:
            event: Event | None = None
            if run.has_input:
                value = self._decode(run.payload)
                if value.__class__ in NO_ANSWERS or not self._is_answer(run, value):
                    event = input_event(value, (run.lane.key_bytes, run.offset, 0, 0))
            else:
                event = self._event_of_owned(run)
            if event is None:
                self._completion.succeed(run)  # an answer
                return
            if run.trace is not None:
                run.trace.begin_with(event)
            run.begin(event, self._route, self._unheard)
        except BaseException as error:  # noqa: BLE001 (unpickling runs code of its classes)
            self.fail(run, error)
            return
        self._step(run)

    def _is_answer(self, run: Run, value: Any) -> bool:
        """Whether an input is an answer, which is recorded here."""
        answer = answer_in(value)
        if answer is None:
            return False
        run.is_answer = True
        self._questions.give(run.lane.writer, answer, now=clock.now(), key=run.lane.key_bytes)
        return True

    def _event_of_owned(self, run: Run) -> Event:
        """The event that a run without an input begins with."""
        event: Event
        if run.owned is not None and run.owned.kind == RunKind.TIMER:
            event = loads(run.payload)
            if not self._route(event):
                self._unheard(event, "a timer")
        else:
            event = EndOfInputEvent()
        event.__dict__[ORIGIN] = (run.lane.key_bytes, run.offset, 0, 0)
        return event

    def _step(self, run: Run) -> None:
        """Perform the next steps, until the run parks, waits, fails or ends."""
        while self._perform_step(run):
            pass

    def _perform_step(self, run: Run) -> bool:
        """Perform the next step; returns whether another one follows at once."""
        if run.expired:
            self.fail(run, RunTimeoutError())
            return False
        try:
            step = run.next_step()
            if step is not None:
                event, action = step
                if self._hooks is not None:
                    self._hooks.call(WorkerHook.action_begun, run_info(run), action.name, event)
                if run.trace is not None:
                    run.trace.start_action(action.name, event)
                if action.is_async or self._policy.sync_in_threads:
                    if not self._start(run, action, event):
                        if run.pending is not None:
                            self._watch(run)
                        return False
                else:
                    self._beacon.name_action(action.name, run.number)
                    self._name_in_beacon(run)
                    self._call(run, action, event)
                self._executed[action.name] += 1
        except BaseException as error:  # noqa: BLE001 (SystemExit too: it is the action's)
            self.fail(run, error)
            return False
        if step is None:
            self._completion.succeed(run)
            return False
        return self._end_action(run)

    def _watch(self, run: Run) -> None:
        """Record the pending effects of a run that waits in an action, if that takes long."""
        if not self._pending:
            self._loop.call_later(_YOUNG / 1e9, self._record_watched)
        self._pending.append(run)

    def _record_watched(self) -> None:
        watched, self._pending = self._pending, []
        now = time.perf_counter_ns()
        for run in watched:
            if run.pending is None or run.task is None:
                continue
            if now - run.pending_since < _YOUNG:
                self._watch(run)
            else:
                self._recorder.record_effects_soon(run)
        self._recorder.schedule()

    def _start(self, run: Run, action: Action, event: Event) -> bool:
        """Start an action that may wait; returns whether it has returned."""
        error: BaseException | None = None
        has_ended = True
        try:
            has_ended = self._actions.start(run, event, action)
        except BaseException as caught:
            error = caught
            raise
        finally:
            if has_ended and self._hooks is not None:
                self._hooks.call(WorkerHook.action_ended, run_info(run), action.name, error)
        return has_ended

    def starter(self, action: Action) -> Callable[[Event, WorkerContext], Any]:
        """A function that performs the first step of an asynchronous action.

        It returns what `wait` needs if the action waits, raises what the action has raised, and
        returns None otherwise.
        """
        return partial(self._actions.call, action)

    def wait(self, run: Run, waiting: WaitingAction, moments: tuple[int, int]) -> None:
        """Go on later with a run that was begun on the short path, and whose action waits.

        `moments` are when its first step was begun and has ended, in nanoseconds of the monotonic
        clock.
        """
        began, ended = moments
        self._measures.user_time.add(ended - began)
        self._completion.occupy(run)
        run.route = self._route
        run.unheard = self._unheard
        trace_late(run, self._tracer, began)
        self._actions.wait(waiting, began)

    def fail_begun(self, run: Run, error: BaseException, moments: tuple[int, int]) -> None:
        """Fail a run that was begun on the short path.

        `moments` are when its action was begun, 0 if that was not done, and when it has ended.
        """
        began, ended = moments
        if began and run.action is not None and type(error) is not SuspendRun:
            self._measures.end_plain_actions(run.action.name, [ended - began])
        trace_late(run, self._tracer, began or ended)
        self._completion.occupy(run)
        self.fail(run, error)

    def _call(self, run: Run, action: Action, event: Event) -> None:
        """Call a plain action on the loop's thread."""
        error: BaseException | None = None
        self._here.run = run
        lane, context = run.lane, WorkerContext(self._services, run)
        references = getrefcount(context)
        of_memory, of_fields = getrefcount(lane.memory), getrefcount(lane.fields)
        began = time.perf_counter_ns()
        try:
            result = action.fn(event, context)
            if result is not None:
                self._services.metrics.notices.check_result(action, result)
            if (
                getrefcount(context) > references
                or getrefcount(lane.memory) > of_memory
                or getrefcount(lane.fields) > of_fields
                or run.has_more_memory()
            ):
                run.renew_memory()
        except BaseException as caught:
            error = caught
            raise
        finally:
            self._here.run = None
            if type(error) is not SuspendRun:
                self._measures.end_plain_actions(action.name, [time.perf_counter_ns() - began])
            if self._hooks is not None:
                self._hooks.call(WorkerHook.action_ended, run_info(run), action.name, error)

    def end_step(self, run: Run) -> None:
        """End the current action, which has returned, and go on with the run."""
        if self._end_action(run):
            self._step(run)

    def _end_action(self, run: Run) -> bool:
        """End the current action: complete the run, or return whether its next step may begin."""
        if run.trace is not None:
            run.trace.finish_action()
        try:
            if run.end_action():
                now = time.perf_counter_ns()
                if not run.pending_since:
                    run.pending_since = now
                calling = self._recorder.calling
                is_old = now - run.pending_since > _YOUNG
                if not is_old and not (calling and run.next_action in calling):
                    return True
                self._recorder.record_effects_then(run, self._resume)
                return False
        except BaseException as error:  # noqa: BLE001 (a divergence, or a failure of conditions)
            self.fail(run, error)
            return False
        self._completion.succeed(run)
        return False

    def fail(self, run: Run, error: BaseException) -> None:
        """End a failed attempt at a run, and schedule the next one if there is to be one."""
        if run.trace is not None and type(error) is not SuspendRun:
            run.trace.finish_action(error)
        if type(error) is SuspendRun:  # not `isinstance`: the class of an exception may do anything
            self._suspend(run, error.moment)
            return
        following = self._completion.fail(run, error)
        if following is not None:
            self._try_again(*following)

    def _try_again(self, run: Run, moment: float) -> None:
        """Begin the next attempt at a run at a moment."""
        pause = moment - clock.now()
        if pause <= 0:
            self._loop.call_soon(self._resume, run)
        elif pause > self.waits.suspend_after:
            self._completion.occupy(run)
            self._completion.suspend(run, moment)
        else:
            self._park(run, moment)

    def _suspend(self, run: Run, moment: float) -> None:
        """Execute a run's action again at a moment: in this worker, or, if it is far, in any."""
        pause = moment - clock.now()
        if pause > self.waits.suspend_after:
            self._completion.suspend(run, moment)
        else:
            self._park(self._completion.begin_again(run), moment)

    def _park(self, run: Run, moment: float) -> None:
        """Have a run wait here for its next attempt."""
        pause = max(0.0, min(moment - clock.now(), _LONGEST_PAUSE))
        self._parked[run] = self._loop.call_later(pause, self._unpark, run, moment), moment

    def _unpark(self, run: Run, moment: float) -> None:
        del self._parked[run]
        if clock.now() < moment:
            self._park(run, moment)
        else:
            self._resume(run)

    @property
    def queued(self) -> int:
        """As `AsyncActions.queued`."""
        return self._actions.queued

    def begin_none(self) -> None:
        """Begin no more attempts; those that are executed go on."""
        self._begins_none = True
        self._actions.begin_none()

    def _action_dropped(self, run: Run, action: Action) -> None:
        """Drop a run whose action was not begun; what it has on record stays there."""
        if self._hooks is not None:
            self._hooks.call(WorkerHook.action_ended, run_info(run), action.name, None)
        self._completion.begin_again(run)
        self._yielded(run.lane)

    def suspend_waiting(self) -> None:
        """Suspend all runs that do nothing but wait, however short."""
        for run, (timer, moment) in list(self._parked.items()):
            timer.cancel()
            del self._parked[run]
            self._completion.occupy(run)
            self._completion.suspend(run, moment)
            self._yielded(run.lane)
        self._actions.suspend_waiting()

    def _action_suspended(self, run: Run, action: Action, moment: float) -> None:
        """Suspend a run whose action has been given up.

        An answer that came after that has found no suspended run to wake.
        """
        writer = run.lane.writer
        if not all(self._questions.is_open(writer, token) for token in run.awaited or ()):
            moment = clock.now()
        if self._hooks is not None:
            self._hooks.call(WorkerHook.action_ended, run_info(run), action.name, None)
        self._suspend(run, moment)
        self._yielded(run.lane)

    def _resume(self, run: Run) -> None:
        """Go on with a run: a parked one, or the next attempt at a failed one."""
        try:
            if run.steps is not None:
                self._name_in_beacon(run)
                self._step(run)
            elif not self._begins_none:
                self._name_in_beacon(run)
                self.begin(run)
            self._yielded(run.lane)
        except BaseException as error:  # noqa: BLE001 (not the user's: those are caught before)
            self._broken(error)

    def _action_finished(self, run: Run, action: Action, failure: BaseException | None) -> None:
        """Go on with a run whose action, a task, has ended."""
        if self._hooks is not None:
            self._hooks.call(WorkerHook.action_ended, run_info(run), action.name, failure)
        if failure is None:
            self._executed[action.name] += 1
            self.end_step(run)
        else:
            self.fail(run, failure)
        self._yielded(run.lane)

    def _name_in_beacon(self, run: Run) -> None:
        """Name the run's input in the beacon: its code is executed from now on."""
        self._named = run
        if self._policy.timed:
            self._beacon.name_call(run.number)
        else:
            self._beacon.name_input(run.number)

    def halt(self) -> None:
        """Have actions that are cancelled from now on end without a report."""
        self._actions.halt()

    def close(self) -> None:
        """Release the threads."""
        self._actions.close()
