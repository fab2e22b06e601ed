"""Changes of what waits in a shard, written in the shard's transaction, in the order given.

The transaction sees all that was written before, so what follows from a change is written with it:
the end of a run makes the next one of its key due. Nothing has to be repaired after a crash.

Tables:

| table | key | value |
|---|---|---|
| `owned` | number | an owned run (`records`) |
| `due` | moment, number | empty: the run is to be announced from that moment on |
| `queue` | prefix of the key, ticket | number: runs of one key, in order; the first one goes on |
| `questions` | token | a question (`records`) |
| `timers` | prefix of the key, id | number: timers that were given an id, until they have run |
| `ends` | prefix of the key | number, key: the key wants to know the end of the input |

A run in a queue that has begun waits for what its record says. One that has not begun is due as
soon as it is the first of its queue; its moment is its ticket then, which is always in the past and
sorts queues fairly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..crashpoints import reach
from ..encoding.keys import key_prefix
from ..records.offsets import RunKind
from .records import OwnedHeader, QuestionRecord, due_key, id_bytes, with_ticket

if TYPE_CHECKING:
    from collections.abc import Callable

    import lmdb

__all__ = [
    "COUNTERS",
    "FORMAT_WITH_WAITING",
    "Change",
    "WaitingChanges",
    "apply_changes",
    "number_key",
]

COUNTERS: Final = (b"waiting_runs", b"waiting_inputs", b"waiting_timers", b"waiting_questions")
"""Names in the table `meta`: suspended runs; what waits behind them; timers; questions."""
_TICKET: Final = b"ticket"
FORMAT_WITH_WAITING: Final = 2
"""The format of a shard in which something has waited: versions that would overlook it refuse."""
MOST_QUESTIONS: Final = 4096
"""With more questions in a shard, those of runs that have ended are dropped."""
_DROPPED_AT_ONCE: Final = 8

Change = tuple["Callable[..., None]", tuple[Any, ...]]


def number_key(number: int) -> bytes:
    """The key of a run in the table `owned`."""
    return number.to_bytes(8, "big")


class WaitingChanges:
    """Changes for one commit; a batch has one of these if anything waits."""

    __slots__ = ("changes",)

    def __init__(self) -> None:
        self.changes: list[Change] = []

    def put(self, number: int, record: bytes, *, queued: bool = False, timer_id: str = "") -> None:
        """Add or replace an owned run; `queued`: at the end of its key's queue if in none yet."""
        self.changes.append((_Tables.put, (number, record, queued, timer_id)))

    def remove(self, number: int, timer_id: str = "") -> None:
        """Remove an owned run, which has ended; the next one of its queue is due."""
        self.changes.append((_Tables.remove, (number, timer_id)))

    def wake(self, number: int) -> None:
        """Make a suspended run due now, whatever it waits for."""
        self.changes.append((_Tables.wake, (number,)))

    def put_question(self, token: str, record: bytes | None) -> None:
        """Add, replace or (None) remove a question."""
        self.changes.append((_Tables.put_question, (token, record)))

    def put_end(self, prefix: bytes, value: bytes | None) -> None:
        """Record that a key wants to know the end of the input, or (None) that it knows it."""
        self.changes.append((_Tables.put_end, (prefix, value)))

    def size(self) -> int:
        """Bytes of the records in it, about."""
        return sum(
            len(part) for _, parts in self.changes for part in parts if isinstance(part, bytes)
        )

    def __bool__(self) -> bool:
        return bool(self.changes)


def apply_changes(
    transaction: lmdb.Transaction[bytes], databases: Any, changes: WaitingChanges
) -> None:
    """Write changes into an open write transaction."""
    tables = _Tables(transaction, databases)
    for function, arguments in changes.changes:
        function(tables, *arguments)
        reach("waiting.inside")
    tables.close()


class _Tables:
    """The tables in one write transaction."""

    def __init__(self, transaction: lmdb.Transaction[bytes], databases: Any) -> None:
        self._transaction = transaction
        self._owned = databases.owned
        self._due = databases.due
        self._queue = databases.queue
        self._questions = databases.questions
        self._timers = databases.timers
        self._ends = databases.ends
        self._meta = databases.meta
        self._ticket: int | None = None
        self._deltas = [0, 0, 0, 0]

    def put(self, number: int, record: bytes, queued: bool, timer_id: str) -> None:  # noqa: FBT001 (called with a tuple)
        """As `WaitingChanges.put`."""
        key = number_key(number)
        put = self._transaction.put
        header = OwnedHeader.decode(record)
        before = self._transaction.get(key, None, self._owned)
        ticket = 0
        if before is not None:
            old = OwnedHeader.decode(before)
            ticket = old.ticket
            self._count(old, -1)
            self._drop_due(number, old)
        if queued and not ticket:
            ticket = self._next_ticket()
            put(key_prefix(header.key) + number_key(ticket), key, db=self._queue)
        put(key, with_ticket(record, ticket), db=self._owned)
        header = header._replace(ticket=ticket)
        self._count(header, 1)
        if header.due and (header.begun or not ticket):
            put(due_key(header.due, number), b"", db=self._due)
        if timer_id:
            put(_timer_key(header.key, timer_id), key, db=self._timers)
        if ticket and not header.begun:
            self._advance(key_prefix(header.key))

    def remove(self, number: int, timer_id: str) -> None:
        """As `WaitingChanges.remove`."""
        key = number_key(number)
        data = self._transaction.get(key, None, self._owned)
        if data is None:
            return
        header = OwnedHeader.decode(data)
        delete = self._transaction.delete
        delete(key, db=self._owned)
        self._count(header, -1)
        self._drop_due(number, header)
        if timer_id:
            named = _timer_key(header.key, timer_id)
            if self._transaction.get(named, None, self._timers) == key:  # else it was set anew
                delete(named, db=self._timers)
        if header.ticket:
            prefix = key_prefix(header.key)
            delete(prefix + number_key(header.ticket), db=self._queue)
            self._advance(prefix)

    def wake(self, number: int) -> None:
        """As `WaitingChanges.wake`."""
        data = self._transaction.get(number_key(number), None, self._owned)
        if data is not None:
            header = OwnedHeader.decode(data)
            if header.begun:  # else it waits for nothing but its turn, or its moment
                self._transaction.put(due_key(header.ticket or 1, number), b"", db=self._due)

    def put_question(self, token: str, record: bytes | None) -> None:
        """As `WaitingChanges.put_question`."""
        key = token.encode()
        before = self._transaction.get(key, None, self._questions)
        waits_before = before is not None and QuestionRecord.decode(before).waits
        waits = record is not None and QuestionRecord.decode(record).waits
        self._deltas[3] += waits - waits_before
        if record is None:
            self._transaction.delete(key, db=self._questions)
            return
        self._transaction.put(key, record, db=self._questions)
        if self._transaction.stat(self._questions)["entries"] <= MOST_QUESTIONS:
            return
        # The oldest ones may all be open. Then a question that is closed is not kept at all.
        if not self._drop_closed_questions() and not waits:
            self._transaction.delete(key, db=self._questions)

    def _drop_closed_questions(self) -> bool:
        """Drop questions that nothing waits for, the oldest first: a few for each new one."""
        dropped = False
        with self._transaction.cursor(self._questions) as cursor:
            present = cursor.first()
            for _ in range(_DROPPED_AT_ONCE):
                if not present:
                    break
                if QuestionRecord.decode(cursor.value()).closed:
                    present = cursor.delete() and bool(cursor.key())
                    dropped = True
                else:
                    present = cursor.next()
        return dropped

    def put_end(self, prefix: bytes, value: bytes | None) -> None:
        """As `WaitingChanges.put_end`."""
        if value is None:
            self._transaction.delete(prefix, db=self._ends)
        else:
            self._transaction.put(prefix, value, db=self._ends)

    def close(self) -> None:
        """Write the counters."""
        changed = dict(zip(COUNTERS, self._deltas, strict=True))
        for name, delta in changed.items():
            if delta:
                self._put_meta(name, self._get_meta(name) + delta)
        if self._ticket is not None:
            self._put_meta(_TICKET, self._ticket)
        if self._get_meta(b"format") < FORMAT_WITH_WAITING:
            self._put_meta(b"format", FORMAT_WITH_WAITING)

    def _advance(self, prefix: bytes) -> None:
        """Make the first run of a queue due, if it has not begun."""
        with self._transaction.cursor(self._queue) as cursor:
            if not cursor.set_range(prefix) or not cursor.key().startswith(prefix):
                return
            key = cursor.value()
        data = self._transaction.get(key, None, self._owned)
        if data is not None:
            header = OwnedHeader.decode(data)
            if not header.begun:
                number = int.from_bytes(key, "big")
                self._transaction.put(due_key(header.ticket, number), b"", db=self._due)

    def _drop_due(self, number: int, header: OwnedHeader) -> None:
        delete = self._transaction.delete
        if header.due:
            delete(due_key(header.due, number), db=self._due)
        delete(due_key(header.ticket or 1, number), db=self._due)

    def _count(self, header: OwnedHeader, change: int) -> None:
        if header.begun:
            self._deltas[0] += change
        elif header.ticket or header.kind != RunKind.TIMER:
            self._deltas[1] += change
        else:
            self._deltas[2] += change

    def _next_ticket(self) -> int:
        if self._ticket is None:
            self._ticket = max(1, self._get_meta(_TICKET))
        self._ticket += 1
        return self._ticket

    def _get_meta(self, name: bytes) -> int:
        return int.from_bytes(self._transaction.get(name, b"", self._meta), "big")

    def _put_meta(self, name: bytes, value: int) -> None:
        self._transaction.put(name, value.to_bytes(8, "big"), db=self._meta)


def _timer_key(key: bytes, timer_id: str) -> bytes:
    return key_prefix(key) + id_bytes(timer_id)
