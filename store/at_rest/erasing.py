"""Removes what a shard has of one key: memory, sets, journals, outputs, dead letters, what waits.

What there is of a key is found first, and removed in one commit then. So whatever dies, it is all
there, or none of it. The file still has the bytes: `rewriting` writes it anew, and until that is
done the shard has a mark.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from ..crashpoints import reach
from ..encoding.keys import key_prefix
from ..records.dead_letters import DeadLetter
from ..records.journal import journal_prefix
from ..records.offsets import identity_of, offset_of, owned_number, retries_of
from ..records.outbox import decode_outputs, encode_outputs
from ..records.usage import FIRST_TOTAL, Use, key_in
from ..sets.applying import apply_sets
from ..sets.changes import SetChange
from ..sets.folding import rewrite
from ..sets.index.bitmap import numbers_of
from ..sets.naming import sets_in
from ..sets.reading import StoredSet
from ..sets.records import LIVE, set_address, shared_owner
from ..sets.table import SetTable
from ..sets.writing import SetWriter
from ..shard.expiring import entry_of
from ..shard.field_ttl import BEGIN, SWEPT
from ..waiting.changes import WaitingChanges, apply_changes
from ..waiting.reading import WaitingView
from ..waiting.records import OwnedHeader, OwnedRun

if TYPE_CHECKING:
    from collections.abc import Iterator

    import lmdb

    from ..records.outbox import Outputs
    from ..sets.changes import SetName
    from ..shard.snapshot import Databases

__all__ = ["MARK", "Attribution", "Erasure", "Scope", "find_erasure", "is_marked"]

MARK: Final = b"erased"
"""The name in `meta` of the mark: data was removed since the file was written."""


class Scope(NamedTuple):
    """What is to be removed of a key.

    Attributes:
        everything: all that the shard has of it.
        own_sets, shared: or else its sets, or what it has added to shared ones.
        set_name: only of sets with this name; None for all.
    """

    everything: bool = True
    own_sets: bool = True
    shared: bool = True
    set_name: str | None = None


class Attribution(Protocol):
    """Whose an unfinished run or an output is, as far as the shard itself does not know it."""

    def key_of_run(self, number: int) -> bytes | None:
        """The encoded key of a run that is no owned one; None if that is not on record."""

    def is_output_of(self, key: bytes, number: int, output: memoryview) -> bool | None:
        """Whether an output is of a key, and of the run of that number; None: it is not known."""


@dataclass
class Erasure:
    """What a shard has of a key.

    Attributes:
        counts: how much, by kind: fields, sets, items, shared_items, ...
        unknown_runs: unfinished runs that may be of the key or not.
        unknown_outputs: outputs that are not delivered, and may be of the key or not.
        malformed: dead letters of records without a key.
    """

    counts: Counter[str] = field(default_factory=Counter)
    unknown_runs: list[int] = field(default_factory=list)
    unknown_outputs: int = 0
    malformed: int = 0
    _deleted: list[tuple[str, bytes]] = field(default_factory=list)
    _replaced: list[tuple[str, bytes, bytes]] = field(default_factory=list)
    _waiting: WaitingChanges = field(default_factory=WaitingChanges)
    _sets: list[tuple[SetName, SetChange]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self._deleted or self._replaced or self._waiting or self._sets)

    def delete(self, table: str, key: bytes, kind: str = "") -> None:
        """Have an entry removed; `kind` is what it is counted as."""
        self._deleted.append((table, key))
        if kind:
            self.counts[kind] += 1

    def replace(self, table: str, key: bytes, value: bytes) -> None:
        """Have an entry replaced."""
        self._replaced.append((table, key, value))

    def change_set(self, name: SetName, change: SetChange) -> None:
        """Have a memory set changed."""
        self._sets.append((name, change))

    @property
    def waiting(self) -> WaitingChanges:
        """The changes of what waits."""
        return self._waiting

    def write(self, transaction: lmdb.Transaction[bytes], databases: Databases) -> None:
        """Remove it, and set the mark, in an open write transaction."""
        reach("erase.before")
        if self._waiting:
            apply_changes(transaction, databases, self._waiting)
        if self._sets:
            apply_sets(transaction, databases, self._sets)
            for name, _ in self._sets:
                _remove_remains(transaction, databases, name)
        for table, key in self._deleted:
            transaction.delete(key, db=getattr(databases, table))
        for table, key, value in self._replaced:
            transaction.put(key, value, db=getattr(databases, table))
        transaction.put(MARK, b"\1", db=databases.meta)
        reach("erase.inside")


def _remove_remains(
    transaction: lmdb.Transaction[bytes], databases: Databases, name: SetName
) -> None:
    """Remove what a set still has of items that are deleted: in chunks, and until later commits."""
    table = SetTable(transaction, databases.sets, set_address(*name))
    floor = table.state().floor
    if floor:
        writer = SetWriter(transaction, databases, table.address)
        while not writer.purge(floor):
            pass
        writer.end_remnant(floor)
    with_dead = [
        first for first, bitmap in table.scan(LIVE) if _has_dead(numbers_of(bytes(bitmap)))
    ]
    for first in with_dead:
        rewrite(table, [first])


def _has_dead(numbers: tuple[int, int]) -> bool:
    places, living = numbers
    return living < places


def is_marked(transaction: lmdb.Transaction[bytes], databases: Databases) -> bool:
    """Whether data was removed since the file was written anew."""
    return transaction.get(MARK, None, databases.meta) is not None


def find_erasure(
    transaction: lmdb.Transaction[bytes],
    databases: Databases,
    key: bytes,
    scope: Scope,
    attribution: Attribution,
    *,
    drop_unknown: bool = False,
) -> Erasure:
    """What a shard has of an encoded key, in a transaction.

    With `drop_unknown`, unfinished runs that may be of the key count as such.
    """
    finder = _Finder(transaction, databases, key, attribution)
    if scope.own_sets:
        finder.add_sets(scope.set_name)
    if scope.shared:
        finder.add_shared_items(scope.set_name)
    if scope.everything:
        finder.add_memory()
        finder.add_dead_letters()
        finder.add_waiting()
        finder.add_journals()
        finder.add_outputs()
        finder.add_usage()
        if drop_unknown:
            for number in finder.found.unknown_runs:
                finder.drop_journal(number)
    return finder.found


class _Finder:
    """Finds what a shard has of a key."""

    def __init__(
        self,
        transaction: lmdb.Transaction[bytes],
        databases: Databases,
        key: bytes,
        attribution: Attribution,
    ) -> None:
        self.found = Erasure()
        self._transaction = transaction
        self._databases = databases
        self._key = key
        self._prefix = key_prefix(key)
        self._attribution = attribution
        self._view = WaitingView(transaction, databases)
        self._letters: dict[int, bytes] = {}
        """The key of each dead letter."""
        self._journals: set[int] = set()
        """Runs of the key that the shard owns: their journals go with them."""

    def add_memory(self) -> None:
        """Fields of short-term memory, full names, reminders of what expires."""
        for key, _ in self._below("memory", self._prefix):
            self.found.delete("memory", key, "fields")
        for key, _ in self._below("names", self._prefix):
            self.found.delete("names", key)
        for key, _ in self._items("expiring"):
            if entry_of(key).address.startswith(self._prefix):
                self.found.delete("expiring", key)
        swept = self._transaction.get(SWEPT, b"", self._databases.meta)
        if swept.startswith(self._prefix):
            self.found.replace("meta", SWEPT, BEGIN)
        for key, _ in self._below("sets", self._prefix):  # also what no set seems to have
            self.found.delete("sets", key)

    def add_sets(self, name: str | None) -> None:
        """Memory sets of the key."""
        for set_name in sets_in(self._transaction, self._databases.sets, self._prefix):
            if name in (None, set_name.name):
                # All of it at once: the set's own engine leaves a part to later commits.
                address = set_address(*set_name)
                for key, _ in self._below("sets", address):
                    self.found.delete("sets", key)
                for key, _ in self._items("expiring"):
                    if entry_of(key).address.startswith(address):
                        self.found.delete("expiring", key)
                stored = StoredSet(self._transaction, self._databases.sets, set_name)
                self.found.counts["sets"] += 1
                self.found.counts["items"] += stored.totals().items

    def add_shared_items(self, name: str | None) -> None:
        """What runs of the key have added to shared sets."""
        for set_name in sets_in(self._transaction, self._databases.sets, shared_owner(self._key)):
            if name not in (None, set_name.name):
                continue
            change = SetChange()
            stored = StoredSet(self._transaction, self._databases.sets, set_name)
            for _, item in stored.items():  # noqa: PERF102 (no mapping)
                if item.owner == self._key:
                    change.delete(item.id)
            if change:
                self.found.change_set(set_name, change)
                self.found.counts["shared_items"] += len(change.items)

    def add_dead_letters(self) -> None:
        """Dead letters."""
        for offset, data in self._items("dead"):
            letter = DeadLetter.decode(data)
            self._letters[letter.offset] = letter.key
            if letter.key == self._key:
                self.found.delete("dead", offset, "dead_letters")
            elif not letter.key:
                self.found.malformed += 1

    def add_waiting(self) -> None:
        """Suspended runs, inputs behind them, timers, questions."""
        changes = self.found.waiting
        for number, data in self._view.all_owned():
            header = OwnedHeader.decode(data)
            if header.key == self._key:
                run = OwnedRun.decode(data)
                changes.remove(number, run.id)
                self._journals.add(identity_of(number))
                kind = "waiting_runs" if run.begun else "waiting_inputs"
                self.found.counts[kind if run.begun or header.ticket else "timers"] += 1
        for token, question in self._view.questions():
            if question.key == self._key:
                changes.put_question(token, None)
                self.found.counts["questions"] += 1
        end = self._view.end(self._key)
        if end is not None:
            changes.put_end(self._prefix, None)
            self._journals.add(end)

    def add_journals(self) -> None:
        """Records of unfinished runs."""
        runs = {int.from_bytes(key[:8], "big") for key, _ in self._items("journal")}
        ends = dict(self._view.ends())
        for number in sorted(runs):
            is_of_key = number in self._journals
            if not is_of_key and number not in ends:
                owned = self._view.record(owned_number(number))
                whose = self._owner(number) if owned is None else OwnedHeader.decode(owned).key
                if whose is None:
                    self.found.unknown_runs.append(number)
                is_of_key = whose == self._key
            if is_of_key:
                self.drop_journal(number)

    def drop_journal(self, number: int) -> None:
        """What is on record of a run."""
        for key, _ in self._below("journal", journal_prefix(number)):
            self.found.delete("journal", key, "journal_records")

    def _owner(self, number: int) -> bytes | None:
        if retries_of(number):
            return self._letters.get(offset_of(number))
        return self._attribution.key_of_run(number)

    def add_outputs(self) -> None:
        """Outputs that are not delivered. The run stays in its record, without them."""
        for sequence, data in self._items("outbox"):
            outputs = decode_outputs(data)
            kept, counts = self._others(outputs)
            if sum(counts) < sum(outputs.counts):
                self.found.counts["outputs"] += sum(outputs.counts) - sum(counts)
                record = encode_outputs(
                    outputs.offsets,
                    counts,
                    kept,
                    outputs.generation,
                    failed=outputs.failed,
                    suspended=outputs.suspended,
                    groups=outputs.groups,
                )
                self.found.replace("outbox", sequence, record)

    def _others(self, outputs: Outputs) -> tuple[list[bytes], list[int]]:
        """The outputs of other keys, and how many there are of each run."""
        kept: list[bytes] = []
        counts = []
        for number, values in outputs.each():
            before = len(kept)
            for value in values:
                is_of_key = self._attribution.is_output_of(self._key, number, value)
                if is_of_key is None:
                    self.found.unknown_outputs += 1
                if not is_of_key:
                    kept.append(bytes(value))
            counts.append(len(kept) - before)
        return kept, counts

    def add_usage(self) -> None:
        """What calls of the key have used; the sums over all keys stay, without its name."""
        for name, value in self._items("usage"):
            if key_in(value) != self._key:
                continue
            if name >= FIRST_TOTAL:
                self.found.replace("usage", name, Use.decode(value).encode())
            else:
                self.found.delete("usage", name, "usage")

    def _items(self, table: str) -> Iterator[tuple[bytes, bytes]]:
        database: Any = getattr(self._databases, table)
        if database is not None:
            with self._transaction.cursor(database) as cursor:
                yield from cursor.iternext()

    def _below(self, table: str, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        database: Any = getattr(self._databases, table)
        if database is None:
            return
        with self._transaction.cursor(database) as cursor:
            if cursor.set_range(prefix):
                for key, value in cursor.iternext():
                    if not key.startswith(prefix):
                        return
                    yield key, value
