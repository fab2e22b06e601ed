"""One durable call of an action: identify it, answer it from its record, or make and record it."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from ...agent.failures.error_text import one_line
from ...agent.limits.limited_call import LimitedCall, Route
from ...agent.resources.model_errors import BudgetExceeded
from ...agent.streams.call_stream import streaming_to
from ...agent.tracing.executions import CALL
from ...store import clock
from ...store.encoding.values import dumps, loads
from ..durable.call_log import AGAIN, BEGUN, UNKNOWN, IssuedCall, is_recordable
from ..durable.fingerprint import function_name, has_changed, identify_call, known_function
from ..hooks import WorkerHook
from ..limits.call_admission import CallAdmission
from ..metering.model_calls import count_attempt
from ..runs.traced import trace_of
from ..tasks.tracking import next_place
from .services import run_info

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from ...agent.resources.usage import TokenUsage
    from ..durable.call_log import CallRecord
    from ..durable.call_options import CallOptions
    from ..runs.run import Run
    from .services import Services

_CHANGING: Final[set[str]] = set()
"""Functions that have changed their arguments, which has been logged."""
_LONGEST_ERROR: Final = 500
"""Characters of an attempt's error that are kept."""
_FULL_ERRORS: Final = 100
"""So many attempts are kept with the texts of their errors."""
_LOG: Final = logging.getLogger("tamias.worker")


def _first() -> int:
    """The route of a call that needs no admission."""
    return 0


def _unknown(_: Any) -> None:
    """What a call has used, where that is not known."""


def is_own(run: Run) -> bool:
    """Whether the action itself is calling, and not a task that it has started."""
    try:
        task = asyncio.current_task()
    except RuntimeError:  # no loop in this thread
        return True
    return task is None or run.task is None or task is run.task


class DurableCall:
    """One durable call: the part that its synchronous and its asynchronous form share.

    Either `replay` a call that is on record; or make it between `begin_attempt` and `end_attempt`,
    record `outcome`, and return `answer`.
    """

    __slots__ = (
        "_arguments",
        "_began",
        "_cause",
        "_engine",
        "_execution",
        "_is_unknown",
        "_issued",
        "_options",
        "_place",
        "_route",
        "_run",
        "_stream",
        "admission",
        "attempts",
        "identity",
        "is_new",
        "log",
        "name",
        "next_moment",
        "own",
        "record",
        "work",
    )

    def __init__(
        self,
        engine: Services,
        run: Run,
        func: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        options: CallOptions,
        is_async: bool,
    ) -> None:
        """`is_async`: whether the action awaits it."""
        self._engine = engine
        self._run = run
        self._cause: Exception | None = None
        self._execution = 0
        """Its number in the run's trace; 0 before it is made."""
        known = known_function(func)
        self.name = function_name(func) if known is None else known.name
        self._arguments = func, args, kwargs
        self.identity = identify_call(func, args, kwargs)
        self.own = is_own(run)
        """Whether the action itself makes the call, and not a task that it has started."""
        self._place = None if self.own else next_place(run.number)
        self.log = run.call_log()
        self.record = self.log.claim(self.identity, own=self.own, place=self._place)
        """The call's record, claimed; None if it has no outcome on record."""
        self.is_new = self.record is None
        """Whether nothing of it is on record."""
        self.attempts: tuple[tuple[float, str], ...] = ()
        self.next_moment = 0.0
        """When the next attempt begins."""
        self.work: Callable[[], Any] = partial(func, *args, **kwargs)
        """Makes the attempt."""
        self.admission: CallAdmission | None = None
        """Decides when an attempt is made, and by which route; None if nothing does."""
        self._options = options
        self._issued: IssuedCall | None = None
        self._route: int | None = None
        """The route of the attempt, once it is made."""
        self._is_unknown = False
        """Whether it was begun before a crash, so that its reconciler is asked what came of it."""
        self._stream: AbstractContextManager[None] | None = None
        unfinished = self.record is not None and self.record.kind
        if (self.record is None or unfinished) and (known is None or options.limit):
            self._limit(func, is_async=is_async)
        if self.record is not None and unfinished:
            self._go_on(self.record)

    def _limit(self, func: Callable[..., Any], *, is_async: bool) -> None:
        """Have attempts take the routes that they are admitted to."""
        if isinstance(func, LimitedCall):
            self._admit(func.routes, func.usage)
            attempt = func.attempt if is_async else func.attempt_now
            route = _first if self.admission is None else self.admission.route
            self.work = lambda: attempt(self._take(route()))
        elif self._options.limit and self._engine.admission is not None:
            self._engine.admission.check_name(self._options.limit)
            self._admit((Route(self._options.limit),), _unknown)
            if self.admission is not None:
                route, plain = self.admission.route, self.work
                self.work = lambda: (route(), plain())[1]

    def _take(self, route: int) -> int:
        self._route = route
        return route

    def _admit(self, routes: tuple[Route, ...], usage: Callable[[Any], TokenUsage | None]) -> None:
        admission = self._engine.admission
        if admission is not None and admission.is_needed(routes):
            self.admission = CallAdmission(
                admission, self._run, routes, self.identity.fingerprint, usage
            )

    def _go_on(self, unfinished: CallRecord) -> None:
        """Go on with a call of which attempts are on record."""
        generation = self._run.lane.writer.generation
        self._issued = IssuedCall(
            unfinished.number, self.name, self.identity, self.own, generation, self._place
        )
        self.record = None
        self.attempts = unfinished.attempts
        if unfinished.kind != BEGUN:
            self.next_moment = loads(unfinished.outcome)
        if unfinished.kind != AGAIN and self._options.reconciler is not None:
            self.work = self._options.reconciler
            self._is_unknown = True
            self.admission = None

    @property
    def arguments(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """What the function is called with."""
        return self._arguments[1:]

    @property
    def is_async(self) -> bool:
        """Whether what is to be called is a coroutine function, and not for a thread."""
        function: Any = self._options.reconciler if self._is_unknown else self._arguments[0]
        known = known_function(function)
        if known is not None:
            return known.is_async
        return isinstance(function, LimitedCall) or inspect.iscoroutinefunction(function)

    @property
    def is_repeatable(self) -> bool:
        """Whether nothing has to wait for the record of the attempt that has just been made."""
        call = self._arguments[0]
        return (
            self._route is not None
            and self._cause is None
            and self.admission is None
            and isinstance(call, LimitedCall)
            and call.is_repeatable
        )

    def begun(self) -> CallRecord | None:
        """The record to be made before an attempt: with a reconciler only."""
        if self._options.reconciler is None:
            return None
        return self._issue().unfinished(BEGUN, b"", self.attempts)

    def _issue(self) -> IssuedCall:
        if self._issued is None:
            self._issued = self.log.issue(self.name, self.identity, own=self.own, place=self._place)
        return self._issued

    def replay(self, record: CallRecord) -> Any:
        """Return the recorded result, or raise the recorded exception."""
        if self._engine.hooks is not None:
            self._engine.hooks.call(
                WorkerHook.call_replayed, run_info(self._run), self.name, record.fingerprint
            )
        self._count("calls_replayed")
        if self._engine.tracer is not None:
            trace = trace_of(self._run, self._engine.tracer)
            failed = {} if record.succeeded else {"recordedOutcome": "failed"}
            trace.finish(trace.start(*self._described()), attributes=failed, reused=True)
        self._tell_attempts(record)
        return self.log.replay(record)

    def _described(self) -> tuple[str, str, dict[str, Any]]:
        """What a trace says of it: the entity type, its name, and what belongs to it."""
        function = self._arguments[0]
        if isinstance(function, LimitedCall):
            return function.entity, function.entity_name() or self.name, function.metadata()
        return CALL, self.name, {}

    def _tell_attempts(self, record: CallRecord) -> None:
        """Let a call know how often it has failed before its outcome."""
        if record.attempts and isinstance(self._arguments[0], LimitedCall):
            self._arguments[0].failed_attempts = len(record.attempts)

    def begin_attempt(self) -> None:
        """Begin an attempt: the run's memory is guarded from now on."""
        issued, run, engine = self._issue(), self._run, self._engine
        self._cause = self._route = None
        self._began = time.perf_counter()
        if engine.tracer is not None and not self._execution:
            self._execution = trace_of(run, engine.tracer).start(*self._described())
        run.guard_memory()
        run.calls += 1
        if engine.texts is not None:
            self._stream = streaming_to(engine.texts.of_call(run, issued.number))
            self._stream.__enter__()

    def catch(self, error: Exception) -> None:
        """Take what the attempt has raised, if it is to be recorded; else raise it."""
        if not is_recordable(error):
            raise error
        self._cause = error

    def end_attempt(self) -> None:
        """End what `begin_attempt` has begun."""
        if self._stream is not None:
            self._stream.__exit__(None, None, None)
            self._stream = None
        self._run.calls -= 1

    def goes_on(self) -> bool:
        """Whether the attempt that has just failed is followed by one by another route."""
        goes_on = self.admission is not None and self.admission.goes_on(self._cause)
        if goes_on:
            self._measure(None)
        return goes_on

    def _measure(self, result: Any) -> None:
        """Count the attempt that has just been made."""
        if self._cause is not None:
            self._count("call_failures")
        call = self._arguments[0]
        if self._route is not None and isinstance(call, LimitedCall):
            admission = self._engine.admission
            count_attempt(
                self._engine.metrics.measures,
                call,
                self._route,
                result,
                seconds=time.perf_counter() - self._began,
                failed=self._cause is not None,
                prices={} if admission is None else admission.limits.prices,
            )

    def _count(self, measure: str) -> None:
        action = self._run.action
        name = None if action is None else action.name
        self._engine.metrics.measures.count_call(measure, name)

    def count(self, result: Any) -> None:
        """Count what the attempt has used, with the commit of its record."""
        if self.admission is not None:
            self.admission.count(result, self._cause)

    def leave(self) -> None:
        """End the attempt: it is on record, or given up."""
        if self.admission is not None:
            self.admission.leave()

    def outcome(self, result: Any) -> CallRecord:
        """The record of the attempt that has just been made; the last one is `record`.

        Raises:
            DurableCallError: the result cannot be pickled.
        """
        changed = has_changed(self.identity, *self._arguments)
        if changed and self.name not in _CHANGING:
            _CHANGING.add(self.name)
            _LOG.warning(
                "the arguments of the durable call %s were changed in place while it ran. If the "
                "function does that, a replay, which does not call it, leaves them as they are: "
                "have it return what is new instead",
                self.name,
            )
        issued = self._issue()
        self._measure(result)
        if self._cause is not None:
            again = self._again(issued, self._cause)
            if again is not None:
                return again
            self.record = issued.failed(self._cause, changed=changed)
            self.record = self.record._replace(
                attempts=self.attempts, by_reconciler=self._is_unknown
            )
        else:
            self.record = self.log.record(issued, result, changed=changed)
            if self.attempts:
                self.record = self.record._replace(attempts=self.attempts)
        self._count("calls_made")
        if self._run.trace is not None:
            self._run.trace.finish(self._execution, self._cause, self._known(result))
        if self._engine.hooks is not None:
            seconds = time.perf_counter() - self._began
            self._engine.hooks.call(
                WorkerHook.call_made,
                run_info(self._run),
                self.name,
                self.identity.fingerprint,
                seconds,
                self._cause,
            )
        return self.record

    def _known(self, result: Any) -> dict[str, Any]:
        """What a trace says of its outcome."""
        known: dict[str, Any] = {}
        if self.attempts:
            known["attempts"] = [{"at": at, "error": error} for at, error in self.attempts]
        function = self._arguments[0]
        if self._cause is None and isinstance(function, LimitedCall):
            known.update(function.outcome(result))
        return known

    def _again(self, issued: IssuedCall, error: Exception) -> CallRecord | None:
        """The record of a failed attempt that another one follows; None if none does."""
        policy, now = self._options.retry, clock.now()
        if policy is None and not self.attempts:
            return None
        text = one_line(error)[:_LONGEST_ERROR] if len(self.attempts) < _FULL_ERRORS else ""
        self.attempts = (*self.attempts, (now, text))
        failed = len(self.attempts)
        if policy is None or failed >= policy.attempts or not policy.retries(error):
            return None
        if isinstance(error, BudgetExceeded):  # waiting changes nothing
            return None
        seed = self._run.offset.to_bytes(8, "big") + self.identity.fingerprint
        self.next_moment = now + policy.wait_after(failed, error, now=now, seed=seed)
        kind = UNKNOWN if self._is_unknown else AGAIN
        return issued.unfinished(kind, dumps(self.next_moment), self.attempts)

    def answer(self, result: Any) -> Any:
        """Return `result`, or raise the call's exception; the outcome is on record now."""
        assert self.record is not None  # noqa: S101 (see `outcome`)
        if self._cause is not None:
            raise self.log.error_of(self.record, self._cause)
        self.log.mark_answered(self.record)
        self._tell_attempts(self.record)
        return result
