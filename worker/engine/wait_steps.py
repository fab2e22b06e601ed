"""Waits of an action as steps of its log of calls, and the timers that it sets.

A wait is on record like a durable call: what it waits for is decided once, at its beginning, and a
replay finds that. The record needs no commit of its own, since nothing outside depends on it: it is
written with the next one of the run. A question is different: it can be answered as soon as it is
visible, so it is committed first.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from ...agent.errors import TimerError, UnserializableError, WaitTimeoutError
from ...agent.event import Event
from ...agent.tracing.executions import WAIT
from ...agent.waiting.moments import seconds_of
from ...store import clock
from ...store.encoding.values import dumps_checked
from ...store.records.offsets import RunKind, derived_number, owned_number
from ...store.waiting.records import NEVER, OwnedRun, QuestionRecord
from ...store.waiting.tokens import make_token
from ..durable.fingerprint import DIGEST_BYTES, CallIdentity
from ..runs.traced import trace_of
from ..tasks.tracking import next_place
from ..waiting.questions import question_of, value_of
from ..waiting.timers import TimerChange, TimerChanges, check_id, check_new_id, generated_id
from .durable_call import is_own

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...agent.waiting.moments import Duration
    from ..durable.call_log import IssuedCall
    from ..runs.run import Run
    from .services import Services

_SHORTEST_PERIOD = 0.001
"""Seconds; a timer that comes again without a pause would never let its key do anything else."""


class WaitStep:
    """One call of `ctx.now`, `ctx.sleep` or `ctx.wait_for`, as the log of calls knows it."""

    __slots__ = ("_engine", "_place", "_run", "identity", "log", "name", "own", "record")

    def __init__(self, engine: Services, run: Run, name: str, *arguments: object) -> None:
        """`arguments` identify the call, together with its name."""
        self._engine = engine
        self._run = run
        self.name = name
        digest = blake2b(repr((name, arguments)).encode(), digest_size=DIGEST_BYTES).digest()
        self.identity = CallIdentity(digest)
        self.own = is_own(run)
        self._place = None if self.own else next_place(run.number)
        self.log = run.call_log()
        self.record = self.log.claim(self.identity, own=self.own, place=self._place)
        """Its record, claimed; None if it is not on record."""

    def check_divergence(self) -> None:
        """Raise DivergenceError if the record has other calls of the action at this place."""
        if self.log.is_divergence(own=self.own):
            raise self.log.divergence(self.name, self.identity)

    def issue(self, value: Any) -> None:
        """Put what the step has decided on record, with the run's next record."""
        self.decide(self.begin(), value)

    def begin(self) -> IssuedCall:
        """Take the step's place among the calls of the action, before it has decided."""
        return self.log.issue(self.name, self.identity, own=self.own, place=self._place)

    def decide(self, issued: IssuedCall, value: Any) -> None:
        """Put what the step has decided on record, with the run's next record."""
        self.record = issued.succeeded(value)
        self._engine.recorder.record_soon(self._run, self.log, self.record)

    def value(self) -> Any:
        """What the step has decided."""
        assert self.record is not None  # noqa: S101 (claimed or issued)
        return self.log.replay(self.record)

    @contextmanager
    def traced(self, name: str, until: float) -> Iterator[None]:
        """Have a trace of the run show the wait, which the block is."""
        tracer = self._engine.tracer
        if tracer is None:
            yield
            return
        trace = trace_of(self._run, tracer)
        known = {"until": until} if until < NEVER else {}
        number = trace.start(WAIT, name, known)
        yield  # a wait that is given up has no end
        trace.finish(number)

    def end(self) -> None:
        """Record that the action goes on behind the step."""
        if self.record is not None:
            self.log.mark_answered(self.record)


class Asking:
    """A question of a run that is executed."""

    def __init__(self, engine: Services, run: Run, name: str) -> None:
        self._engine = engine
        self._run = run
        self._name = name
        self._token = ""
        self.deadline = NEVER
        """When the run goes on without an answer."""

    def ask(self, seconds: float | None, ask: Any) -> tuple[str, float | None]:
        """Ask a new question: put it on record, and send it as an output.

        Returns what `ask_again` needs.

        Raises:
            UnserializableError: `ask` cannot be pickled.
        """
        run, lane = self._run, self._run.lane
        writer = lane.writer
        now = clock.now()
        token = make_token(writer.number, now)
        deadline = None if seconds is None else now + seconds
        try:
            data = dumps_checked(ask)
        except UnserializableError as error:
            raise UnserializableError(
                f"what ctx.wait_for({self._name!r}) asks cannot be stored: {error}"
            ) from error
        record = QuestionRecord(
            owned_number(run.offset), lane.key_bytes, self._name, data, now, deadline
        )
        question = question_of(token, record)
        output = self._engine.encode(lane.key_bytes, question, run.origin)
        if output.startswith(b'{"token":'):  # the sink gets JSON, of the question alone
            record = replace(record, as_json=output)
        self.ask_again((token, deadline))
        self._engine.questions.put(writer, token, record)
        writer.add_owned(derived_number(RunKind.NOTICE, token.encode()), lane.key_bytes)
        writer.counts.append(1)
        writer.outputs.append(output)
        return token, deadline

    def ask_again(self, asked: tuple[str, float | None]) -> None:
        """Go on with a question that is on record."""
        self._token, deadline = asked
        self.deadline = NEVER if deadline is None else deadline
        if self._run.tokens is None:
            self._run.tokens = []
        if self._token not in self._run.tokens:
            self._run.tokens.append(self._token)

    def _record(self) -> QuestionRecord | None:
        return self._engine.questions.get(self._run.lane.writer, self._token)

    @property
    def is_answered(self) -> bool:
        """Whether there is an answer, or its time is over."""
        record = self._record()
        return record is None or not record.is_open

    def future(self) -> asyncio.Future[None]:
        """A future that is done when the answer is on record."""
        future = asyncio.get_running_loop().create_future()
        self._engine.questions.awaited[self._token] = future
        return future

    def stop_waiting(self) -> None:
        """Drop the future."""
        self._engine.questions.awaited.pop(self._token, None)

    async def settle(self) -> None:
        """Have it on record that there is an answer, or that the time is over, and return then.

        What the action does next may depend on that.
        """
        record = self._record()
        if record is not None and record.answer is None and not record.expired:
            expired = QuestionRecord(
                record.number,
                record.key,
                record.name,
                record.ask,
                record.asked_at,
                record.deadline,
                expired=True,
            )
            self._engine.questions.put(self._run.lane.writer, self._token, expired)
        if not self._engine.questions.is_committed(self._token):
            await self._engine.recorder.recorded(self._run)

    def answer(self) -> Any:
        """Return the answer.

        Raises:
            WaitTimeoutError: there was none in time.
            UnserializableError: it cannot be unpickled.
        """
        record = self._record()
        if record is not None and record.answer is not None:
            return value_of(record)
        late = WaitTimeoutError(f"Nobody has answered {self._name!r} in time.")
        late.is_on_record = True
        raise late


def check_name(name: object) -> None:
    """Check the name of a question.

    Raises:
        TimerError: it is no text, or empty.
    """
    if not isinstance(name, str) or not name:
        raise TimerError(f"The name of a question is {name!r}: it is a text that is not empty.")


def checked_period(every: Duration) -> float:
    """Return the period of a repeated timer in seconds.

    Raises:
        TimerError: it is no duration, or too short.
    """
    period = seconds_of(every, "`every` of ctx.schedule")
    if period < _SHORTEST_PERIOD:
        raise TimerError(
            f"`every` of ctx.schedule is {period:g} s; the shortest is {_SHORTEST_PERIOD:g} s."
        )
    return period


def set_timer(  # noqa: PLR0917 (the parts of a timer)
    engine: Services,
    run: Run,
    event: Event | None,
    timer_id: str | None,
    due: float,
    every: float,
) -> str:
    """Add a timer to what the run's commit sets, and return its id.

    Raises:
        TimerError: the event is none, or the id is bad, or set already.
        UnserializableError: the event cannot be pickled.
    """
    if not isinstance(event, Event):
        raise TimerError(
            f"ctx.schedule takes an Event, not {type(event).__name__}.",
            hint="As in ctx.schedule(after=60, event=Reminder(...)).",
        )
    if timer_id is not None:
        check_new_id(timer_id)
        if engine.owned.timer(run, timer_id) is not None:
            raise TimerError(
                f"A timer with the id {timer_id!r} is set already for this key.",
                hint="Cancel it first: ctx.cancel(id) returns False if there is none.",
            )
    try:
        payload = dumps_checked(event)
    except UnserializableError as error:
        raise UnserializableError(f"an event for ctx.schedule cannot be stored: {error}") from error
    if run.timers is None:
        run.timers = TimerChanges()
    key = run.lane.key_bytes
    due = run.timers.free_moment(due)
    number = derived_number(RunKind.TIMER, key, run.offset, run.step, len(run.timers))
    name = generated_id(number) if timer_id is None else timer_id
    timer = OwnedRun(
        RunKind.TIMER,
        key,
        payload,
        due=due,
        id=name,
        every=every,
        origin=run.origin,
    )
    run.timers.append(TimerChange(number, name, timer.encode()))
    return name


def cancel_timer(engine: Services, run: Run, timer_id: str) -> bool:
    """Cancel a timer with the run's commit; return whether there was one.

    Raises:
        TimerError: the id is no text.
    """
    check_id(timer_id)
    number = engine.owned.timer(run, timer_id)
    own = run.owned
    if number is None and own is not None and own.every and own.id == timer_id:
        number = owned_number(run.offset)  # the timer whose run this is comes no more
    if number is None:
        return False
    if run.timers is None:
        run.timers = TimerChanges()
    run.timers.append(TimerChange(number, timer_id, None))
    return True
