"""Reads what waits in a shard, in one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from ..encoding.keys import key_prefix
from .changes import COUNTERS, number_key
from .records import OwnedHeader, OwnedRun, QuestionRecord, due_key, id_bytes

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    import lmdb

__all__ = ["Due", "WaitingCounts", "WaitingView"]

_NUMBER = 8


class Due(NamedTuple):
    """A run that is to be announced."""

    moment: int
    """Microseconds since the epoch; or a ticket, which is long past."""
    number: int
    key: bytes


@dataclass(frozen=True, slots=True)
class WaitingCounts:
    """How much waits in a shard.

    Attributes:
        runs: suspended runs.
        inputs: inputs (and timers) behind them.
        timers: timers that are not due yet, or have not been started.
        questions: questions, those that are answered and not yet used included.
        next: when the next one is due, in seconds since the epoch; None if nothing is by the clock.
    """

    runs: int = 0
    inputs: int = 0
    timers: int = 0
    questions: int = 0
    next: float | None = None

    def __bool__(self) -> bool:
        return bool(self.runs or self.inputs or self.timers)

    def __add__(self, other: WaitingCounts) -> WaitingCounts:
        moments = [moment for moment in (self.next, other.next) if moment is not None]
        return WaitingCounts(
            self.runs + other.runs,
            self.inputs + other.inputs,
            self.timers + other.timers,
            self.questions + other.questions,
            min(moments, default=None),
        )


class WaitingView:
    """The tables of what waits in one transaction; a store of an old version has none."""

    __slots__ = ("_databases", "_transaction")

    def __init__(self, transaction: lmdb.Transaction[bytes], databases: Any) -> None:
        self._transaction = transaction
        self._databases = databases

    def _get(self, database: Any, key: bytes) -> bytes | None:
        if database is None:
            return None
        data: bytes | None = self._transaction.get(key, None, database)
        return data

    def owned(self, number: int) -> OwnedRun | None:
        """An owned run, None if there is none of that number."""
        data = self._get(self._databases.owned, number_key(number))
        return None if data is None else OwnedRun.decode(data)

    def is_owned(self, number: int) -> bool:
        """Whether there is an owned run of that number."""
        return self._get(self._databases.owned, number_key(number)) is not None

    def record(self, number: int) -> bytes | None:
        """The record of an owned run, None if there is none of that number."""
        return self._get(self._databases.owned, number_key(number))

    def is_due(self, moment: int, number: int) -> bool:
        """Whether a run is due at exactly that moment."""
        return self._get(self._databases.due, due_key(moment, number)) is not None

    def timers(self) -> Iterator[int]:
        """Yield the numbers of runs that are in no queue, the earliest first: timers to come."""
        for stored, _ in self._items(self._databases.due):
            number = int.from_bytes(stored[_NUMBER:], "big")
            data = self._get(self._databases.owned, number_key(number))
            if data is not None and not OwnedHeader.decode(data).ticket:
                yield number

    def all_owned(self) -> Iterator[tuple[int, bytes]]:
        """Yield number and record of every owned run."""
        for key, data in self._items(self._databases.owned):
            yield int.from_bytes(key, "big"), data

    def due(self, until: int, known: Container[int] = ()) -> Iterator[Due]:
        """Yield what is due at a moment (microseconds) and not known, the earliest first.

        A run whose moment has come and whose question is answered is due twice: it comes once.
        """
        seen: set[int] = set()
        for stored, _ in self._items(self._databases.due):
            moment = int.from_bytes(stored[:_NUMBER], "big")
            if moment > until:
                return
            number = int.from_bytes(stored[_NUMBER:], "big")
            if number in known or number in seen:
                continue
            seen.add(number)
            data = self._get(self._databases.owned, number_key(number))
            if data is not None:
                yield Due(moment, number, OwnedHeader.decode(data).key)

    def next_due(self, after: int = -1) -> int | None:
        """The earliest moment, behind `after`, at which something is due; None for never."""
        database = self._databases.due
        if database is None:
            return None
        with self._transaction.cursor(database) as cursor:
            if not cursor.set_range(due_key(after + 1, 0)):
                return None
            return int.from_bytes(cursor.key()[:_NUMBER], "big")

    def first_in_queue(self, key: bytes) -> int | None:
        """The number of the first run in a key's queue; None if the queue is empty."""
        database = self._databases.queue
        if database is None:
            return None
        prefix = key_prefix(key)
        with self._transaction.cursor(database) as cursor:
            if cursor.set_range(prefix) and cursor.key().startswith(prefix):
                return int.from_bytes(cursor.value(), "big")
        return None

    def queue_length(self, key: bytes) -> int:
        """How many runs are in a key's queue, the first one included."""
        database = self._databases.queue
        if database is None:
            return 0
        prefix, length = key_prefix(key), 0
        with self._transaction.cursor(database) as cursor:
            if cursor.set_range(prefix):
                for stored in cursor.iternext(values=False):
                    if not stored.startswith(prefix):
                        break
                    length += 1
        return length

    def is_due_at(self, moment: int, number: int) -> bool:
        """Whether a run is to be announced from that moment on, in microseconds."""
        return self._get(self._databases.due, due_key(moment, number)) is not None

    def queued_at(self, key: bytes, ticket: int) -> int | None:
        """The number of the run that has a ticket in a key's queue; None if none has."""
        data = self._get(self._databases.queue, key_prefix(key) + number_key(ticket))
        return None if data is None else int.from_bytes(data, "big")

    @property
    def is_kept(self) -> bool:
        """Whether the store has tables of what waits; one of an old version has none."""
        return self._databases.owned is not None

    def is_woken(self, number: int, header: OwnedHeader) -> bool:
        """Whether a suspended run is to go on now: an answer has come."""
        return header.begun and self.is_due_at(header.ticket or 1, number)

    @property
    def has_queues(self) -> bool:
        """Whether any key has a queue."""
        database = self._databases.queue
        return database is not None and self._transaction.stat(database)["entries"] > 0

    def question(self, token: str) -> QuestionRecord | None:
        """A question, None if there is none of that token."""
        data = self._get(self._databases.questions, token.encode())
        return None if data is None else QuestionRecord.decode(data)

    def questions(self, after: str = "") -> Iterator[tuple[str, QuestionRecord]]:
        """Yield the questions behind a token with their tokens, the oldest first."""
        database = self._databases.questions
        if database is None:
            return
        with self._transaction.cursor(database) as cursor:
            if cursor.set_range(after.encode() + b"\0") if after else cursor.first():
                for key, data in cursor.iternext():
                    yield key.decode(), QuestionRecord.decode(data)

    def timer(self, key: bytes, timer_id: str) -> int | None:
        """The number of a key's timer of that id, None if there is none."""
        stored = key_prefix(key) + id_bytes(timer_id)
        data = self._get(self._databases.timers, stored)
        return None if data is None else int.from_bytes(data, "big")

    def end(self, key: bytes) -> int | None:
        """The number of a key's run for the end of the input; None if it wants none."""
        data = self._get(self._databases.ends, key_prefix(key))
        return None if data is None else int.from_bytes(data[:_NUMBER], "big")

    def ends(self) -> Iterator[tuple[int, bytes]]:
        """Yield number and key of each run for the end of the input."""
        for _, data in self._items(self._databases.ends):
            yield int.from_bytes(data[:_NUMBER], "big"), data[_NUMBER:]

    def all_due(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield the table `due` as it is stored."""
        yield from self._items(self._databases.due)

    def all_ends(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield the table `ends` as it is stored."""
        yield from self._items(self._databases.ends)

    def queue(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield the table `queue` as it is stored: in the order of queues."""
        yield from self._items(self._databases.queue)

    def counts(self) -> WaitingCounts:
        """How much waits."""
        if self._databases.owned is None:
            return WaitingCounts()
        meta = self._databases.meta
        runs, inputs, timers, questions = (
            int.from_bytes(self._transaction.get(name, b"", meta), "big") for name in COUNTERS
        )
        due = self.next_due() if runs or inputs or timers else None
        return WaitingCounts(runs, inputs, timers, questions, None if due is None else due / 1e6)

    def _items(self, database: Any) -> Iterator[tuple[bytes, bytes]]:
        if database is None:
            return
        with self._transaction.cursor(database) as cursor:
            yield from cursor.iternext()
