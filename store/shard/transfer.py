"""What waits in a shard, as it travels to another store: out of one, in order, and into another.

What calls have used travels with it.

Tickets, due moments and counters belong to one store. They are made anew where the entries arrive:
runs of one key come in the order of their queue, and are put into the new queue one by one.
Journals of owned runs come along, because only their records say which key they are of.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from ..records.offsets import RunKind, kind_of, owned_number
from ..records.usage import Use, key_in
from ..waiting.records import OwnedHeader, OwnedRun, QuestionRecord

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..waiting.reading import WaitingView
    from .batch import Batch
    from .snapshot import Snapshot

__all__ = ["EntryKind", "WaitingEntry", "add_entry", "entries_of"]

_NUMBER: Final = 8
_JOURNAL_KEY: Final = 17
_WOKEN: Final = 1
"""The run has been suspended, and is due now, whatever its record says."""
_NAMED: Final = 2
"""The run is the timer that its id stands for."""


class EntryKind(IntEnum):
    """What an entry is of."""

    RUN = 0
    """An owned run. Key: number (8 bytes), flags (1 byte), the run's key."""
    QUESTION = 1
    """Key: the token."""
    END = 2
    """A key wants to know the end of the input. Key: the key's prefix."""
    JOURNAL = 3
    """A journal record of an owned run. Key: that in the table, then the run's key."""
    USAGE = 4
    """What calls have used. Key: the name of the sum."""


class WaitingEntry(NamedTuple):
    """One entry."""

    kind: int
    key: bytes
    value: bytes

    @property
    def run_key(self) -> bytes:
        """The encoded key whose runs it is of."""
        if self.kind == EntryKind.RUN:
            return self.key[_NUMBER + 1 :]
        if self.kind == EntryKind.JOURNAL:
            return self.key[_JOURNAL_KEY:]
        if self.kind == EntryKind.QUESTION:
            return QuestionRecord.decode(self.value).key
        if self.kind == EntryKind.USAGE:
            return key_in(self.value)
        return self.value[_NUMBER:]


def entries_of(shard: Snapshot) -> Iterator[WaitingEntry]:
    """Yield all that waits in a shard."""
    view = shard.waiting
    for _, stored in view.queue():
        yield from _run(view, int.from_bytes(stored, "big"))
    for number in view.timers():
        yield from _run(view, number)
    for token, question in view.questions():
        yield WaitingEntry(EntryKind.QUESTION, token.encode(), question.encode())
    for prefix, value in view.all_ends():
        yield WaitingEntry(EntryKind.END, prefix, value)
    yield from _journals(shard, view)
    for name, value in shard.usage():
        yield WaitingEntry(EntryKind.USAGE, name, value)


def _run(view: WaitingView, number: int) -> Iterator[WaitingEntry]:
    record = view.record(number)
    if record is None:
        return
    header = OwnedHeader.decode(record)
    flags = 0
    if header.begun and view.is_due(header.ticket or 1, number):
        flags |= _WOKEN
    if header.kind == RunKind.TIMER:
        timer_id = OwnedRun.decode(record).id
        if timer_id and view.timer(header.key, timer_id) == number:
            flags |= _NAMED
    key = number.to_bytes(_NUMBER, "big") + bytes((flags,)) + header.key
    yield WaitingEntry(EntryKind.RUN, key, record)


def _journals(shard: Snapshot, view: WaitingView) -> Iterator[WaitingEntry]:
    """Journals of owned runs: of those that are suspended, and of those that are executed now."""
    ends: dict[int, bytes] | None = None
    for run in shard.journal_runs():
        number = owned_number(run)
        record = view.record(number)
        if record is not None:
            key = OwnedHeader.decode(record).key
        elif kind_of(run) == RunKind.END:
            if ends is None:
                ends = dict(view.ends())
            if number not in ends:
                continue
            key = ends[number]
        else:
            continue
        for entry in shard.journal_of(run):
            yield WaitingEntry(EntryKind.JOURNAL, entry.key + key, entry.data)


def add_entry(batch: Batch, entry: WaitingEntry) -> None:
    """Add an entry to a batch of the shard that it belongs to now."""
    kind, key, value = entry
    if kind == EntryKind.JOURNAL:
        batch.journal.append((key[:_JOURNAL_KEY], value))
        return
    if kind == EntryKind.USAGE:
        batch.usage.append((key, Use.decode(value), key_in(value)))
        return
    changes = batch.changes_of_waiting()
    if kind == EntryKind.RUN:
        number = int.from_bytes(key[:_NUMBER], "big")
        flags = key[_NUMBER]
        timer_id = OwnedRun.decode(value).id if flags & _NAMED else ""
        queued = OwnedHeader.decode(value).ticket != 0
        changes.put(number, value, queued=queued, timer_id=timer_id)
        if flags & _WOKEN:
            changes.wake(number)
    elif kind == EntryKind.QUESTION:
        changes.put_question(key.decode(), value)
    else:
        changes.put_end(key, value)
