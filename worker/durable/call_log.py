"""Durable calls: recording, replaying, and telling divergence from concurrency.

A durable call's outcome is on record before the action goes on. When the action runs again after
a crash it makes the same calls, and each takes its outcome from the record.

*Matching.* For an action that makes its calls one after the other, "the n-th call" would be
identity enough. Under `asyncio.gather` it is not: which of two coroutines reaches its next call
first depends on how long things took. So a call is recognised by its fingerprint (function and
arguments), and equal calls of one action are interchangeable. Records are still numbered in the
order in which calls were issued, which for deterministic code is the same in every execution.

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

import traceback
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ...agent.errors import DivergenceError, DurableCallError, TamiasError, UnserializableError
from ...store.encoding.values import dumps, loads

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

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

    def encode(self) -> bytes:
        """The journal's bytes; the number is in the journal's key.

        Generation 0 is omitted: so are the records of versions without generations.
        """
        return dumps(tuple(self[1:] if self.generation else self[1:-1]))

    @classmethod
    def decode(cls, number: int, data: bytes) -> CallRecord:
        """Inverse of `encode`."""
        return cls(number, *loads(data))

    def resolve(self) -> Any:
        """Return the recorded result, or raise the recorded exception.

        Raises:
            DivergenceError: it cannot be read, for example because the code lacks its class.
        """
        try:
            outcome = loads(self.outcome)
        except Exception as error:
            raise DivergenceError(
                f"the outcome of the durable call {self.name} is on record, but cannot be read by "
                f"the code there is now: {type(error).__name__}: {error}",
                recorded_by=self.generation,
            ) from error
        if self.succeeded:
            return outcome
        raise outcome


class IssuedCall(NamedTuple):
    """A durable call under way, which has its number."""

    number: int
    name: str
    fingerprint: bytes
    own: bool
    generation: int = 0

    def succeeded(self, result: Any) -> CallRecord:
        """The record of a call that returned `result`.

        Raises:
            UnserializableError: the result cannot be pickled.
        """
        return CallRecord(*self[:-1], True, dumps(result), self.generation)

    def failed(self, error: Exception) -> CallRecord:
        """The record of a call that raised; one that cannot be pickled is recorded as text."""
        try:
            data = dumps(error)
            if type(loads(data)) is not type(error):
                data = b""
        except Exception:  # noqa: BLE001 (an exception's own pickling may raise anything)
            data = b""
        if not data:
            text = "".join(traceback.format_exception_only(type(error), error)).strip()
            data = dumps(DurableCallError(f"{self.name} raised {text}"))
        return CallRecord(*self[:-1], False, data, self.generation)


class CallLog:
    """The durable calls of one execution of one action: a pure state machine."""

    def __init__(
        self, action: str, recorded: Iterable[CallRecord] = (), generation: int = 0
    ) -> None:
        self._action = action
        self._generation = generation
        self._unclaimed = sorted(recorded)
        self._used = {record.number for record in self._unclaimed}
        self._next = 0
        self._last_own = -1
        self._raised: list[tuple[int, BaseException]] = []
        self._fatal_error: DurableCallError | None = None
        """The error with which the action fails, even if it catches it."""

    def claim(self, fingerprint: bytes) -> CallRecord | None:
        """Claim the earliest unclaimed record of this call, and return it."""
        for position, record in enumerate(self._unclaimed):
            if record.fingerprint == fingerprint:
                return self._unclaimed.pop(position)
        return None

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
            self._raised.append((record.number, error))
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
        self._raised.append((record.number, error))
        return error

    def mark_answered(self, record: CallRecord) -> None:
        """Record that the action gets the outcome of this call now."""
        if record.own:
            self._last_own = max(self._last_own, record.number)

    def failed_calls(self, error: BaseException) -> set[int]:
        """Numbers of the recorded calls whose exceptions made the action fail with `error`.

        They are made again in the next attempt. A call whose exception the action handled stays on
        record, because the calls that followed are on record, too.
        """
        causes = list(_causes(error))
        return {
            number
            for number, raised in self._raised
            if number >= self._last_own and any(cause is raised for cause in causes)
        }

    @property
    def replaying(self) -> bool:
        """Whether records are left to be claimed."""
        return bool(self._unclaimed)

    def is_divergence(self, *, own: bool) -> bool:
        """Whether a call that is not on record cannot be a concurrent one that was cut off.

        `own`: whether the action itself makes the call.
        """
        return own and any(record.own for record in self._unclaimed)

    def issue(self, name: str, fingerprint: bytes, *, own: bool = True) -> IssuedCall:
        """Begin a call that is not on record."""
        while self._next in self._used:
            self._next += 1
        self._used.add(self._next)
        return IssuedCall(self._next, name, fingerprint, own, self._generation)

    def record(self, issued: IssuedCall, result: Any) -> CallRecord:
        """The record of a call that returned `result`.

        Raises:
            DurableCallError: it cannot be pickled. The action fails, even if it catches this.
        """
        try:
            return issued.succeeded(result)
        except UnserializableError as error:
            self._fatal_error = DurableCallError(
                f"the result of the durable call {issued.name} cannot be put on record: {error}"
            )
            raise self._fatal_error from error

    def divergence(self, name: str | None = None) -> DivergenceError:
        """The error for a replay that made call `name` (None: ended) instead of a recorded one."""
        expected = self._unclaimed[0]
        instead = f"called {name} with arguments that are not on record" if name else "ended"
        return DivergenceError(
            f"the replay of action {self._action!r} diverged at durable call {expected.number}: "
            f"{expected.name} is on record{between(expected.generation, self._generation)}, but "
            f"the action {instead}. An action must make the same durable calls each time it runs "
            "on the same input: take clocks, random numbers and changed code out of its path, or "
            "make them durable calls themselves",
            recorded_by=expected.generation,
            replayed_by=self._generation,
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


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The exception, its causes and contexts, and the members of exception groups among them."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        found = waiting.pop()
        if found is not None and id(found) not in seen:
            seen.add(id(found))
            yield found
            waiting += (found.__cause__, found.__context__, *getattr(found, "exceptions", ()))


def is_recordable(error: BaseException) -> bool:
    """Whether an exception is the outcome of the call itself."""
    if isinstance(error, TamiasError):
        return error.is_outcome
    return isinstance(error, Exception)
