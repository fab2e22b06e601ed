"""Records of what waits in a shard.

An *owned run* is in the table `owned`, by its number (`records.offsets`). What the store itself
needs of it comes first, in fixed places, so that it need not decode the rest:

    kind (u8) | begun (u8) | due (u64, microseconds since the epoch; 0: not by the clock)
    | ticket (u64; 0: in no queue) | length of the key (u32) | key | the rest, pickled

A *question* is in the table `questions`, by its token.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .. import clock
from ..encoding.values import dumps, loads
from ..records.offsets import RunKind, kind_of

if TYPE_CHECKING:
    from ..records.dead_letters import DeadLetter

__all__ = [
    "NEVER",
    "AttemptError",
    "OwnedHeader",
    "OwnedRun",
    "QuestionRecord",
    "due_key",
    "id_bytes",
    "microseconds",
    "run_of_letter",
]

_HEADER: Final = struct.Struct(">BBQQI")
_DUE: Final = struct.Struct(">QQ")
NEVER: Final = float("inf")
"""The moment of what is not waited for by the clock."""


def microseconds(moment: float) -> int:
    """A moment, seconds since the epoch, as the tables have it: rounded up, so never early."""
    return 0 if moment == NEVER else max(1, -int(-moment * 1e6 // 1))


def due_key(due: int, number: int) -> bytes:
    """The key of a run in the table `due`."""
    return _DUE.pack(due, number)


def id_bytes(timer_id: str) -> bytes:
    """A timer's id, which may be any text, as the tables have it."""
    return timer_id.encode("utf-8", "surrogatepass")


class AttemptError(NamedTuple):
    """A failed attempt at a run or call."""

    at: float
    """Seconds since the epoch."""
    error: str
    """One line: class and message."""
    action: str = ""
    """The action that has failed, or the durable call."""
    temporary: bool = False
    """Whether it looked as if it would pass."""


class OwnedHeader(NamedTuple):
    """The part of an owned run's record that the store itself uses."""

    kind: int
    begun: bool
    due: int
    ticket: int
    key: bytes

    @classmethod
    def decode(cls, data: bytes) -> OwnedHeader:
        """Read it from a record."""
        kind, begun, due, ticket, length = _HEADER.unpack_from(data)
        key = data[_HEADER.size : _HEADER.size + length]
        return cls(kind, bool(begun), due, ticket, key)


@dataclass(frozen=True, slots=True)
class OwnedRun:
    """A run that its shard owns.

    Attributes:
        kind: what it is of.
        key: the encoded key.
        payload: the input as the source had it; of a timer, the pickled event.
        begun: whether it has run, and is suspended. Else it is first to be started.
        due: when it goes on, or is to be started, in seconds since the epoch; `NEVER` if that does
            not depend on the clock.
        attempts: how many attempts at it have failed.
        errors: of these.
        id: the timer's.
        every: seconds after which the timer comes again; 0 for never.
        origin: the offset of the input that it goes back to.
        ticket: its place in the queue of its key; 0 if it is in none. The store gives it.
    """

    kind: RunKind
    key: bytes
    payload: bytes = b""
    begun: bool = False
    due: float = NEVER
    attempts: int = 0
    errors: tuple[AttemptError, ...] = ()
    id: str = ""
    every: float = 0.0
    origin: int | None = None
    ticket: int = field(default=0, compare=False)

    def encode(self) -> bytes:
        """The record's bytes."""
        header = _HEADER.pack(
            self.kind, self.begun, microseconds(self.due), self.ticket, len(self.key)
        )
        due = None if self.due == NEVER else self.due
        errors = tuple(tuple(error) for error in self.errors)
        rest = (self.payload, due, self.attempts, errors, self.id, self.every, self.origin)
        return b"".join((header, self.key, dumps(rest)))

    @classmethod
    def decode(cls, data: bytes) -> OwnedRun:
        """Inverse of `encode`."""
        header = OwnedHeader.decode(data)
        rest = loads(data[_HEADER.size + len(header.key) :])
        payload, due, attempts, errors, id_, every, origin, *_ = rest
        return cls(
            kind=RunKind(header.kind),
            key=header.key,
            payload=payload,
            begun=header.begun,
            due=NEVER if due is None else due,
            attempts=attempts,
            errors=tuple(AttemptError(*error) for error in errors),
            id=id_,
            every=every,
            origin=origin,
            ticket=header.ticket,
        )


def run_of_letter(letter: DeadLetter) -> OwnedRun:
    """The run of a dead letter as one that its shard owns and that is due, to be run again."""
    return OwnedRun(
        kind=RunKind(kind_of(letter.offset)),
        key=letter.key,
        payload=letter.payload,
        due=clock.now(),
        origin=letter.origin,
    )


def with_ticket(data: bytes, ticket: int) -> bytes:
    """A record with another ticket."""
    kind, begun, due, _, length = _HEADER.unpack_from(data)
    return _HEADER.pack(kind, begun, due, ticket, length) + data[_HEADER.size :]


@dataclass(frozen=True, slots=True)
class QuestionRecord:
    """A question that a run has asked.

    Attributes:
        number: the owned number of the run.
        key: the encoded key of the run.
        name, asked_at, deadline: as in `agent.waiting.questions.Question`.
        ask: what is asked, pickled.
        answer: the answer's bytes; None while there is none.
        codec: how the answer is encoded: "json" or "pickle".
        answered_by, answered_at: who has answered, and when.
        request: names the request that has answered, so that it may be repeated.
        expired: whether the run has gone on without an answer.
        closed: whether the run has ended; what is asked and answered is not kept then.
        as_json: the question as a JSON object, if it was sent to the sink in this form: so a
            launcher can show it, which unpickles nothing.
    """

    number: int
    key: bytes
    name: str
    ask: bytes
    asked_at: float
    deadline: float | None = None
    answer: bytes | None = None
    codec: str = ""
    answered_by: str | None = None
    answered_at: float | None = None
    request: str = ""
    expired: bool = False
    closed: bool = False
    as_json: bytes = b""

    @property
    def is_open(self) -> bool:
        """Whether an answer still counts."""
        return self.answer is None and not (self.expired or self.closed)

    @property
    def waits(self) -> bool:
        """Whether its run still needs it: for an answer, or to go on with the answer."""
        return not (self.expired or self.closed)

    def without_values(self) -> QuestionRecord:
        """The record that is kept when the run has ended, so that a late answer is told why."""
        answer = None if self.answer is None else b""
        return replace(self, ask=b"", answer=answer, closed=True, as_json=b"")

    def answered(
        self, answer: bytes, codec: str, by: str | None, at: float, request: str
    ) -> QuestionRecord:
        """The record with an answer."""
        return replace(
            self, answer=answer, codec=codec, answered_by=by, answered_at=at, request=request
        )

    def encode(self) -> bytes:
        """The record's bytes."""
        return dumps(tuple(getattr(self, name) for name in self.__slots__))

    @classmethod
    def decode(cls, data: bytes) -> QuestionRecord:
        """Inverse of `encode`."""
        fields: tuple[Any, ...] = loads(data)
        return cls(*fields)
