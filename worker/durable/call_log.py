"""Durable calls: recording, replaying, and telling divergence from concurrency.

A durable call's outcome is on record before the action goes on. When the action runs again after
a crash it makes the same calls, and each takes its outcome from the record.

*Matching.* For an action that makes its calls one after the other, "the n-th call" would be
identity enough. Under `asyncio.gather` it is not: which of two coroutines reaches its next call
first depends on how long things took. So a call is recognised by its fingerprint (function and
arguments), and equal calls of one action are interchangeable. Records are still numbered in the
order in which calls were issued, which for deterministic code is the same in every execution.

A carried value that changes with each use, such as a client with a counter, is another one in a
replay, because the calls that changed it are not made. So a call whose identity differs from a
record's in such a value only (or in code that cannot be compared) takes that record if both are at
the same *place*: the n-th call of the action itself, or the n-th call of a task that it has
started, where tasks are known by the order in which each has started others. Deterministic code
makes the same calls at the same places.

*Divergence.* A call that is not on record while other records are still unclaimed is either an
action that took another path (changed code, a clock, a random number), or one of several
concurrent calls that had not finished at the crash. Each record says whether the action itself
made the call, or a task that it had started. The action itself makes its calls one after the
other. So if it makes one that is not on record while one of its own is unclaimed, that is a
divergence, reported at once, before the function is called. In all other cases the new call first
waits for its siblings to claim their records: they may take long, so the wait is long, and only
after it that is a divergence, too. Records that are left when the action ends are also a
divergence. The error names the first call that is on record and was not made.

Whether two calls *overlapped* at the first execution does not matter: one that was answered before
the other was made may come after it in a replay.

A call whose outcome cannot be put on record fails its action, even if the action catches the error:
without the record it would be made again after a crash.

`KeyboardInterrupt`, `SystemExit` and cancellation are no outcome of a call and are never recorded.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ...agent.errors import DivergenceError, DurableCallError, TamiasError, UnserializableError
from ...agent.failures.error_text import exceptions_in, is_of, message_of, one_line
from ...store.encoding.values import dumps, dumps_checked, loads

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TypeAlias

    from .fingerprint import CallIdentity

    Place: TypeAlias = tuple[int, ...]
    """Which task, by the numbers of it and of those that started it, and which call of it."""

_INSIDE: Final[ContextVar[bool]] = ContextVar("tamias_inside_durable_call", default=False)


def inside_durable_call() -> bool:
    """Whether the caller runs inside a durable function, on whatever thread or task of it."""
    return _INSIDE.get()


class durable_section:  # noqa: N801 (a context manager, used as one)
    """Marks the code in its block as running inside a durable function."""

    __slots__ = ("_token",)

    def __enter__(self) -> None:
        self._token = _INSIDE.set(True)

    def __exit__(self, *_: object) -> None:
        _INSIDE.reset(self._token)


BEGUN: Final = "begun"
"""The kind of a record of a call that was begun."""
AGAIN: Final = "again"
"""The kind of a record of a call that is to be tried again."""
UNKNOWN: Final = "unknown"
"""The kind of a record of a call whose reconciler has failed, and is to be asked again."""


class CallRecord(NamedTuple):
    """The journal's record of one durable call."""

    number: int
    """Position in the order in which the action issued its calls."""
    name: str
    fingerprint: bytes
    own: bool
    """Whether the action itself made the call, and not a task that it had started."""
    succeeded: bool
    outcome: bytes
    """The encoded result, or the encoded exception."""
    generation: int = 0
    """The generation whose code made the call."""
    code: bytes = b""
    stable: bytes = b""
    place: Place | None = None
    """Its place, for a call of a task."""
    changed: bool = False
    """Whether its arguments had other contents when it returned."""
    kind: str = ""
    """`BEGUN`, `AGAIN`, `UNKNOWN`, or empty for a call that has its outcome. Of one that is to be
    tried again, `outcome` is the encoded moment of the next attempt."""
    attempts: tuple[tuple[float, str], ...] = ()
    """When its attempts have failed, and their errors, if it was tried more than once."""
    by_reconciler: bool = False
    """Whether its outcome is an exception of its reconciler, so that what came of it is unknown."""

    def begun_again(self) -> CallRecord | None:
        """The record for another attempt of the run, if its reconciler is to be asked again."""
        if not self.by_reconciler:
            return None
        return self._replace(kind=BEGUN, outcome=b"", attempts=(), by_reconciler=False)

    def encode(self) -> bytes:
        """The journal's bytes; the number is in the journal's key.

        The last fields are omitted where they have their defaults: so are the records of older
        versions.
        """
        rare = self.kind or self.attempts or self.by_reconciler or self.changed
        if not (rare or self.code or self.stable or self.place):
            return dumps(self[1:7] if self.generation else self[1:6])
        fields = list(self[1:])
        for default in [*self._field_defaults.values()][::-1]:
            if fields[-1] != default:
                break
            fields.pop()
        return dumps(tuple(fields))

    @classmethod
    def decode(cls, number: int, data: bytes) -> CallRecord:
        """Inverse of `encode`."""
        return cls(number, *loads(data))

    def is_of(self, call: CallIdentity) -> bool:
        """Whether this is a record of the call, wherever that is made.

        Records of older versions have no code, and are matched as those versions did.
        """
        return self.fingerprint == call.fingerprint and self.code in (call.code, b"")

    def may_be_of(self, call: CallIdentity) -> bool:
        """Whether this is a record of the call if that is made at the record's place.

        Lambdas have nothing but their code to be recognised by; code of functions that have a name
        may have been edited.
        """
        comparable = self.code[:2] == call.code[:2] and b"L" in (self.code[2:3], call.code[2:3])
        if comparable and self.code != call.code:
            return False
        return self.fingerprint == call.fingerprint or bool(
            self.stable and self.stable == call.stable
        )

    def resolve(self) -> Any:
        """Return the recorded result, or raise the recorded exception.

        Raises:
            DivergenceError: it cannot be read, for example because the code lacks its class.
        """
        try:
            outcome = loads(self.outcome)
        except UnserializableError as error:
            raise DivergenceError(
                f"the outcome of the durable call {self.name} is on record, but cannot be read by "
                f"the code there is now: {error}",
                recorded_by=self.generation,
            ) from error
        if self.succeeded:
            return outcome
        raise outcome


class IssuedCall(NamedTuple):
    """A durable call under way, which has its number."""

    number: int
    name: str
    identity: CallIdentity
    own: bool
    generation: int = 0
    place: Place | None = None

    def succeeded(self, result: Any, *, changed: bool = False) -> CallRecord:
        """The record of a call that returned `result`.

        Raises:
            UnserializableError: the result cannot be pickled, or not be read back.
        """
        return self._record(dumps_checked(result), succeeded=True, changed=changed)

    def failed(self, error: Exception, *, changed: bool = False) -> CallRecord:
        """The record of a call that raised; one that cannot be pickled is recorded as text."""
        try:
            data = dumps(error)
            if type(loads(data)) is not type(error):
                data = b""
        except BaseException:  # noqa: BLE001 (an exception's own pickling may raise anything)
            data = b""
        if not data:
            data = dumps(DurableCallError(f"{self.name} raised {one_line(error)}"))
        return self._record(data, succeeded=False, changed=changed)

    def unfinished(
        self, kind: str, outcome: bytes, attempts: tuple[tuple[float, str], ...]
    ) -> CallRecord:
        """The record of a call that has no outcome yet."""
        record = self._record(outcome, succeeded=False, changed=False)
        return record._replace(kind=kind, attempts=attempts)

    def _record(self, outcome: bytes, *, succeeded: bool, changed: bool) -> CallRecord:
        fingerprint, code, stable = self.identity
        place = None if self.own else self.place
        return CallRecord(
            *(self.number, self.name, fingerprint, self.own, succeeded, outcome, self.generation),
            *(code, stable, place if code or stable else None, changed),
        )


class CallLog:
    """The durable calls of one execution of one action: a pure state machine."""

    def __init__(
        self, action: str, recorded: Iterable[CallRecord] = (), generation: int = 0
    ) -> None:
        self._action = action
        self._generation = generation
        self._unclaimed = sorted(recorded, key=lambda record: record.number)
        self._own = [record for record in self._unclaimed if record.own]
        self._own_calls = 0
        """How many calls the action itself has made."""
        self._changed = next((record for record in self._unclaimed if record.changed), None)
        """The first call that changed its arguments."""
        self._used = {record.number for record in self._unclaimed}
        self._next = 0
        self._last_own = -1
        self.memory_has_changed = False
        """Whether a dead letter of the key was retried after the calls on record were made."""
        self._raised: list[tuple[int, BaseException]] = []
        self._gave_up: list[tuple[BaseException, CallRecord]] = []
        """Exceptions of calls that were tried as often as their policies allow."""
        self._fatal_error: DurableCallError | None = None
        """The error with which the action fails, even if it catches it."""

    def claim(
        self, call: CallIdentity, *, own: bool = True, place: Place | None = None
    ) -> CallRecord | None:
        """Claim the record of this call, and return it; None if it is not on record.

        To be called once for each call that is made. Of the action itself the record at the call's
        place is tried first. In tasks it is tried last, because which task makes a call may
        depend on how long others took.
        """
        found = None
        if not self._unclaimed:
            self._own_calls += own
            return None
        if own:
            if self._own_calls < len(self._own):
                found = self._own[self._own_calls]
            self._own_calls += 1
        elif place is not None:
            found = next((record for record in self._unclaimed if record.place == place), None)
        if found is None or not found.may_be_of(call) or found not in self._unclaimed:
            found = None
        if found is None or not own:
            found = next((record for record in self._unclaimed if record.is_of(call)), found)
        if found is not None:
            self._unclaimed.remove(found)
        return found

    def has(self, call: CallIdentity) -> bool:
        """Whether a record of this call is left to be claimed."""
        return any(record.is_of(call) for record in self._unclaimed)

    def replay(self, record: CallRecord) -> Any:
        """Give the action a recorded outcome: return the result, or raise the exception."""
        self.mark_answered(record)
        try:
            return record.resolve()
        except DivergenceError as error:
            error.replayed_by = self._generation
            self._fatal_error = error
            raise
        except Exception as error:
            self._add_raised(record, error)
            raise

    def error_of(self, record: CallRecord, cause: Exception) -> Exception:
        """Return the exception for a call that has just failed: the one that a replay raises.

        That is `cause` itself, or the one recorded in its place if it cannot be pickled.
        """
        self.mark_answered(record)
        error = cause
        try:
            record.resolve()
        except Exception as recorded:  # noqa: BLE001 (anything may be on record)
            if type(recorded) is not type(cause):
                error = recorded
                error.__cause__ = cause
        self._add_raised(record, error)
        return error

    def _add_raised(self, record: CallRecord, error: Exception) -> None:
        self._raised.append((record.number, error))
        if record.attempts:
            self._gave_up.append((error, record))

    def call_that_gave_up(self, error: BaseException) -> CallRecord | None:
        """The record of a call that gave up, if the action failed because of that."""
        causes = list(exceptions_in(error))
        for raised, record in self._gave_up:
            if any(cause is raised for cause in causes):
                return record
        return None

    def mark_answered(self, record: CallRecord) -> None:
        """Record that the action gets the outcome of this call now."""
        if record.own:
            self._last_own = max(self._last_own, record.number)

    def failed_calls(self, error: BaseException) -> set[int]:
        """Numbers of the recorded calls whose exceptions made the action fail with `error`.

        They are made again in the next attempt. A call whose exception the action handled stays on
        record, because the calls that followed are on record, too.
        """
        causes = list(exceptions_in(error))
        return {
            number
            for number, raised in self._raised
            if number >= self._last_own and any(cause is raised for cause in causes)
        }

    def unclaimed(self) -> Iterator[CallRecord]:
        """The records that are left to be claimed."""
        return iter(self._unclaimed)

    @property
    def replaying(self) -> bool:
        """Whether records are left to be claimed."""
        return bool(self._unclaimed)

    def is_divergence(self, *, own: bool) -> bool:
        """Whether a call that is not on record cannot be a concurrent one that was cut off.

        `own`: whether the action itself makes the call.
        """
        return own and any(record.own for record in self._unclaimed)

    def issue(
        self, name: str, call: CallIdentity, *, own: bool = True, place: Place | None = None
    ) -> IssuedCall:
        """Begin a call that is not on record."""
        while self._next in self._used:
            self._next += 1
        self._used.add(self._next)
        return IssuedCall(self._next, name, call, own, self._generation, place)

    def record(self, issued: IssuedCall, result: Any, *, changed: bool = False) -> CallRecord:
        """The record of a call that returned `result`.

        Raises:
            DurableCallError: it cannot be pickled. The action fails, even if it catches this.
        """
        try:
            return issued.succeeded(result, changed=changed)
        except BaseException as error:  # pickling runs code of the value's class
            self._fatal_error = DurableCallError(
                f"the result of the durable call {issued.name} cannot be put on record: "
                f"{message_of(error) if is_of(error, TamiasError) else one_line(error)}"
            )
            raise self._fatal_error from error

    def divergence(
        self, name: str | None = None, call: CallIdentity | None = None
    ) -> DivergenceError:
        """The error for a replay that made call `name` (None: ended) instead of a recorded one."""
        expected = self._unclaimed[0]
        instead = f"called {name} {_difference(expected, name, call)}" if name else "ended"
        return DivergenceError(
            f"the replay of action {self._action!r} diverged at durable call {expected.number}: "
            f"{expected.name} is on record{between(expected.generation, self._generation)}, but "
            f"the action {instead}. {self._advice()}",
            recorded_by=expected.generation,
            replayed_by=self._generation,
        )

    def _advice(self) -> str:
        if self.memory_has_changed:
            return (
                "A dead letter of this key was retried while this run was interrupted, and has "
                "changed the memory that the recorded calls were made of: resume a job to its end "
                "before its dead letters are retried"
            )
        changed = self._changed
        if changed is not None:
            return (
                f"The arguments of durable call {changed.number}, {changed.name}, were changed in "
                "place while it ran, and a replay, which does not call it, leaves them as they "
                "are: have it return what is new, and make the change in the action"
            )
        return (
            "An action must make the same durable calls each time it runs "
            "on the same input: take clocks, random numbers and changed code out of its path, or "
            "make them durable calls themselves"
        )

    def end(self) -> None:
        """End the log: the action has returned.

        Raises:
            DivergenceError: records are left that it did not claim.
            DurableCallError: a result could not be recorded.
        """
        if self._fatal_error is not None:
            raise self._fatal_error
        if self._unclaimed:
            raise self.divergence()


def between(recorded: int, replayed: int) -> str:
    """Name both generations for an error message, if they differ; else an empty text."""
    if recorded == replayed:
        return ""
    return f" (by generation {recorded}; this is generation {replayed})"


def _difference(expected: CallRecord, name: str, call: CallIdentity | None) -> str:
    """What keeps a call from being the recorded one, as far as that is known."""
    if call is not None and expected.name == name:
        recorded, made = expected.code, call.code
        if recorded and made and recorded[:2] != made[:2]:
            return "in another version of Python, where its code cannot be compared"
        if expected.stable and expected.stable == call.stable:
            return "with an object that has changed since"
        if expected.fingerprint == call.fingerprint:
            return "with other code"
    return "with arguments that are not on record"


def is_recordable(error: BaseException) -> bool:
    """Whether an exception is the outcome of the call itself."""
    if is_of(error, TamiasError):
        return error.is_outcome  # type: ignore[attr-defined,no-any-return]
    return is_of(error, Exception)
