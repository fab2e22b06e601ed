"""Calls that happen once: recording, replaying, and telling divergence from concurrency.

A durable call's outcome is on record before the action goes on. When the action runs again after
a crash it makes the same calls, and each takes its outcome from the record.

*Matching.* For an action that makes its calls one after the other, "the n-th call" would be
identity enough. Under `asyncio.gather` it is not: which of two coroutines reaches its next call
first depends on how long things took. So a call is recognised by its fingerprint (function and
arguments), and equal calls of one action are interchangeable. Records are still numbered in the
order in which calls were issued, which for deterministic code is the same in every execution.

*Divergence.* A call that is not on record while other records are still unclaimed is either an
action that took another path (changed code, a clock, a random number), or one of several
concurrent calls that had not finished at the crash. Each record says whether another call was
under way at the same time. If some unclaimed record was made with nothing beside it, a
deterministic action would have claimed it first: that is a divergence, reported at once, before
the function is called. If all of them overlapped others, the newcomer waits for its siblings to
claim them, and only when they do not within a grace period it is a divergence too. Records left
over when the action ends are a divergence as well. The error names the first call that is on
record and was not made.

`KeyboardInterrupt`, `SystemExit` and cancellation say nothing about the call and are never
recorded.
"""

from __future__ import annotations

import traceback
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..agent.errors import DivergenceError, DurableCallError, TamiasError
from ..store.codec import dumps, loads

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_INSIDE: Final[ContextVar[bool]] = ContextVar("tamias_inside_durable_call", default=False)


def inside_durable_call() -> bool:
    """Whether the caller runs inside a durable function (follows threads and tasks)."""
    return _INSIDE.get()


class entering:  # noqa: N801 (a context manager, used as one)
    """Marks the code in its block as running inside a durable function."""

    __slots__ = ("_token",)

    def __enter__(self) -> None:
        self._token = _INSIDE.set(True)

    def __exit__(self, *_: object) -> None:
        _INSIDE.reset(self._token)


class CallRecord(NamedTuple):
    """One durable call as it stands in the journal."""

    index: int
    """Position in the order in which the action issued its calls."""
    name: str
    fingerprint: bytes
    overlapped: bool
    """Whether another durable call of the action was under way at the same time."""
    succeeded: bool
    outcome: bytes
    """The encoded result, or the encoded exception."""

    def encode(self) -> bytes:
        """The journal's bytes; the index is in the journal's key."""
        return dumps(tuple(self[1:]))

    @classmethod
    def decode(cls, index: int, data: bytes) -> CallRecord:
        """Inverse of `encode`."""
        return cls(index, *loads(data))

    def give(self) -> Any:
        """Return the recorded result, or raise the recorded exception."""
        outcome = loads(self.outcome)
        if self.succeeded:
            return outcome
        raise outcome


class Ticket:
    """A durable call under way."""

    __slots__ = ("fingerprint", "index", "name", "overlapped")

    def __init__(self, index: int, name: str, fingerprint: bytes, *, overlapped: bool) -> None:
        self.index = index
        self.name = name
        self.fingerprint = fingerprint
        self.overlapped = overlapped

    def succeeded(self, result: Any) -> CallRecord:
        """The record of a call that returned `result`.

        Raises:
            UnserializableError: the result cannot be pickled.
        """
        return self._record(dumps(result), succeeded=True)

    def failed(self, error: Exception) -> CallRecord:
        """The record of a call that raised; what cannot be pickled is told in words."""
        try:
            data = dumps(error)
            if type(loads(data)) is not type(error):
                data = b""
        except Exception:  # noqa: BLE001 (an exception's own pickling may raise anything)
            data = b""
        if not data:
            text = "".join(traceback.format_exception_only(type(error), error)).strip()
            data = dumps(DurableCallError(f"{self.name} raised {text}"))
        return self._record(data, succeeded=False)

    def _record(self, outcome: bytes, *, succeeded: bool) -> CallRecord:
        return CallRecord(
            self.index, self.name, self.fingerprint, self.overlapped, succeeded, outcome
        )


class CallLog:
    """The durable calls of one execution of one action: a pure state machine."""

    def __init__(self, action: str, recorded: Iterable[CallRecord] = ()) -> None:
        self._action = action
        self._unclaimed = sorted(recorded)
        self._used = {record.index for record in self._unclaimed}
        self._open: list[Ticket] = []

    def claim(self, fingerprint: bytes) -> CallRecord | None:
        """The earliest unclaimed record of this call, now claimed."""
        for position, record in enumerate(self._unclaimed):
            if record.fingerprint == fingerprint:
                return self._unclaimed.pop(position)
        return None

    @property
    def replaying(self) -> bool:
        """Whether records are left to be claimed."""
        return bool(self._unclaimed)

    @property
    def may_wait(self) -> bool:
        """Whether a call that is not on record may be a concurrent one that was cut off."""
        return all(record.overlapped for record in self._unclaimed)

    def issue(self, name: str, fingerprint: bytes) -> Ticket:
        """Begin a call that is not on record."""
        index = next(index for index in self._indices() if index not in self._used)
        self._used.add(index)
        ticket = Ticket(index, name, fingerprint, overlapped=bool(self._open))
        for other in self._open:
            other.overlapped = True
        self._open.append(ticket)
        return ticket

    def close(self, ticket: Ticket) -> None:
        """End a call, recorded or cancelled."""
        self._open.remove(ticket)

    def divergence(self, name: str | None = None) -> DivergenceError:
        """The error for a replay that made call `name` (None: ended) instead of a recorded one."""
        expected = self._unclaimed[0]
        instead = f"called {name} with arguments that are not on record" if name else "ended"
        return DivergenceError(
            f"the replay of action {self._action!r} diverged at durable call {expected.index}: "
            f"{expected.name} is on record, but the action {instead}. An action must make the "
            "same durable calls each time it runs on the same input: take clocks, random numbers "
            "and changed code out of its path, or make them durable calls themselves"
        )

    def end(self) -> None:
        """The action has returned.

        Raises:
            DivergenceError: records are left that it did not claim.
        """
        if self._unclaimed:
            raise self.divergence()

    def _indices(self) -> Iterator[int]:
        start = len(self._used)
        yield from range(start)
        while True:
            yield start
            start += 1


def is_recordable(error: BaseException) -> bool:
    """Whether an exception is the outcome of the call itself."""
    return isinstance(error, Exception) and not isinstance(error, TamiasError)
