"""A snapshot: the state of one shard after one commit.

The shard's writer and all other readers use it. A snapshot is one LMDB read transaction: it sees
whole commits only, waits for no writer and blocks none. Pages that it can see are not reused while
it is open, so a snapshot that stays open makes the file grow.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, TypeVar

import lmdb

from ...agent.errors import StoreFormatError
from ..encoding.keys import prefix_of
from ..encoding.paths import CUT, MAX_ADDRESS, address, decode_path, encode_path
from ..records.dead_letters import DeadLetter
from ..records.journal import JournalEntry, journal_prefix
from ..records.offsets import RunKind, kind_of, owned_number
from ..records.usage import FIRST_TOTAL, NO_USE, Use, limit_of_total
from ..sets.applying import LAST_NUMBER
from ..sets.transfer.sending import group_records, owner_records
from ..waiting.reading import WaitingView
from .expiry_view import ExpiryView
from .field_reader import read_fields
from .key_groups import IN_SETS, KeyGroupEntry, group_entries, hashed_prefixes, key_entries
from .sets_view import SetsView

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    from ..identity import StoreIdentity
    from ..sets.changes import SetName
    from ..sets.reading import StoredSet

__all__ = ["Databases", "Snapshot"]

_T = TypeVar("_T")

_HASHED_PREFIX = 0xFF
_OLDEST: Final = 6
"""So many databases had the first version; a store that was only written by it has no others."""


def misplaced(directory: Path, found: int, wanted: int) -> StoreFormatError:
    """Return the error for a directory that has another shard than the wanted one."""
    return StoreFormatError(
        f"{directory} holds shard {found}, not {wanted}.",
        hint="Put the shards' directories back in their places.",
    )


@dataclass(slots=True, frozen=True)
class Databases:
    """The named databases of a shard's environment.

    Attributes:
        memory: address of a field -> encoded value.
        names: hashed prefix -> encoded key; cut address -> full path.
        journal: `journal.journal_key` -> record.
        outbox: sequence number (u64 big endian) -> record.
        dead: offset (u64 big endian) -> dead letter.
        meta: "format", "epoch", "sequence", "shard", "count", "expired_until" -> u64 big endian;
            "store" -> the identity of the store; "field_ttl", "field_ttl_swept" (`field_ttl`).
        owned, due, queue, questions, timers, ends: what waits (`store.waiting.changes`); None if a
            store was only written by a version in which nothing waits.
        usage: what calls have used (`records.usage`); None as above.
        expiring: what is to be removed by a moment (`shard.expiring`); None as above.
        sets: memory sets (`store.sets.records`); None as above.
    """

    memory: Any
    names: Any
    journal: Any
    outbox: Any
    dead: Any
    meta: Any
    owned: Any
    due: Any
    queue: Any
    questions: Any
    timers: Any
    ends: Any
    usage: Any
    expiring: Any
    sets: Any

    @classmethod
    def open(
        cls, handle: lmdb.Environment, transaction: lmdb.Transaction[bytes] | None, *, create: bool
    ) -> Databases:
        """Open all databases, in the write transaction that creates them; raises LMDB's errors."""
        names = [field.name.encode() for field in fields(cls)]
        opened = [handle.open_db(name, transaction, create=create) for name in names[:_OLDEST]]
        newer: list[Any] = []
        for name in names[_OLDEST:]:
            try:
                newer.append(handle.open_db(name, transaction, create=create))
            except lmdb.NotFoundError:
                newer.append(None)
        return cls(*opened, *newer)

    @property
    def are_complete(self) -> bool:
        """Whether a version that knows all databases has written the store."""
        return None not in _TABLES_OF(self)


_TABLES_OF: Final = attrgetter(*(field.name for field in fields(Databases)))


class Snapshot:
    """The content of a shard at one commit; for one thread at a time."""

    __slots__ = ("_databases", "_handle", "_hashed", "_in_place", "_transaction", "cursor", "get")

    def __init__(self, handle: lmdb.Environment, databases: Databases) -> None:
        self._handle = handle
        self._databases = databases
        self._in_place: SetsView | None = None
        self._transaction = handle.begin(db=databases.memory)
        self.get: Final = self._transaction.get
        """Returns the value at an address (`paths.address`); None if there is none."""
        self.cursor: Final = self._transaction.cursor(databases.memory)
        """Of the fields of memory."""
        self._hashed: dict[int, list[bytes]] | None = None

    def usage_totals(self) -> dict[str, Use]:
        """What calls have used, by limit, over all keys."""
        if self._databases.usage is None:
            return {}
        with self._transaction.cursor(self._databases.usage) as cursor:
            if not cursor.set_range(FIRST_TOTAL):
                return {}
            return {limit_of_total(name): Use.decode(value) for name, value in cursor.iternext()}

    def set(self, name: SetName) -> StoredSet:
        """A memory set; one that is not there is empty.

        All sets of a snapshot are as of one commit: that of the rest, or a later one.
        """
        return self._sets_view().set(name)

    def sets(self, owner: bytes | None = None, start: bytes = b"") -> Iterator[SetName]:
        """Yield the memory sets of an owner (`store.sets.records`), or of all from an address."""
        return self._sets_view().sets(owner, start)

    def _sets_view(self) -> SetsView:
        """With a transaction that gives records in place; small ones are faster without."""
        if self._in_place is None:
            self._in_place = SetsView(self._handle, self._databases)
        return self._in_place

    def usage(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield the table `usage` as it is stored."""
        if self._databases.usage is not None:
            with self._transaction.cursor(self._databases.usage) as cursor:
                yield from cursor.iternext()

    def usage_of(self, name: bytes) -> Use:
        """One sum of what calls have used."""
        if self._databases.usage is None:
            return NO_USE
        value = self._transaction.get(name, None, self._databases.usage)
        return NO_USE if value is None else Use.decode(value)

    def read(self, read: Callable[[lmdb.Transaction[bytes], Databases], _T]) -> _T:
        """Return what `read` returns, given the transaction and the databases."""
        return read(self._transaction, self._databases)

    def read_in_place(self, read: Callable[[lmdb.Transaction[Any], Databases], _T]) -> _T:
        """As `read`, with a transaction whose records are not copied; they end with the snapshot.

        It sees the commit that the rest sees, or a later one.
        """
        return read(self._sets_view().transaction, self._databases)

    def close(self) -> None:
        """End the transactions; the snapshot cannot be used any more."""
        self._transaction.abort()
        if self._in_place is not None:
            self._in_place.close()
            self._in_place = None

    def fields(self, prefix: bytes, limit: int) -> tuple[dict[str, bytes], bool]:
        """Return up to `limit` fields of one key, path to value, and whether those are all."""
        return read_fields(self.cursor, prefix, limit, self.path_of)

    def field(self, prefix: bytes, path: str) -> bytes | None:
        """Return the value of one field, None if there is no such field."""
        value: bytes | None = self.get(address(prefix, path))
        return value

    def scan(self, prefix: bytes, under: str = "") -> list[tuple[str, bytes]]:
        """Return the field `under` and all below it (`under.*`), or all fields of the key if empty.

        The order is that of the paths' bytes.
        """
        if not under:
            return sorted(self.fields(prefix, 1 << 62)[0].items(), key=_path_of_item)
        own = self.field(prefix, under)
        found = [] if own is None else [(under, own)]
        below = prefix + encode_path(under) + b"."
        stem = below[:CUT]
        cursor = self.cursor
        if cursor.set_range(stem):
            start = len(prefix)
            dotted = under + "."
            rest = []
            for stored, value in cursor.iternext():
                if not stored.startswith(stem):
                    break
                path = self.path_of(stored, start)
                if path.startswith(dotted):
                    rest.append((path, value))
            rest.sort(key=_path_of_item)
            found += rest
        return found

    def path_of(self, stored: bytes, start: int) -> str:
        """The path in an address, whose prefix has the length `start`."""
        if len(stored) == MAX_ADDRESS and stored[CUT] == 0xFF:
            return decode_path(self.get(stored, b"", self._databases.names))
        try:
            return stored[start:].decode()
        except UnicodeDecodeError:
            return decode_path(stored[start:])

    def prefixes(self, start: bytes = b"") -> Iterator[bytes]:
        """Yield the prefix of each key that has memory, in ascending order, from an address on."""
        with self._transaction.cursor(self._databases.memory) as cursor:
            present = cursor.set_range(start) if start else cursor.first()
            while present:
                prefix = prefix_of(cursor.key())
                yield prefix
                # No path starts with 0xFF, so this is behind all of the key's fields.
                present = cursor.set_range(prefix + b"\xff")

    def key_of(self, prefix: bytes) -> bytes | None:
        """Return the encoded key of a prefix, None if it is a hash that `names` does not have."""
        if prefix[0] == _HASHED_PREFIX:
            key: bytes | None = self.get(prefix, None, self._databases.names)
            return key
        return prefix[1:]

    def group_entries(self, group: int) -> Iterator[KeyGroupEntry]:
        """Yield all memory and all memory sets of one key group (`key_groups`)."""
        databases = self._databases
        transaction = self._transaction
        memory, names, sets = databases.memory, databases.names, databases.sets
        if self._hashed is None:
            self._hashed = hashed_prefixes(transaction, memory, names, sets)
        yield from group_entries(transaction, memory, names, group, self._hashed)
        for key, value in group_records(transaction, sets, group, self._hashed.get(group, ())):
            yield KeyGroupEntry(IN_SETS, key, value)

    def key_entries(self, prefix: bytes) -> Iterator[KeyGroupEntry]:
        """Yield all memory of one key, as it is stored (`key_groups`)."""
        databases = self._databases
        return key_entries(self._transaction, databases.memory, databases.names, prefix)

    def set_entries(self, owner: bytes, since: int) -> Iterator[KeyGroupEntry]:
        """Yield the memory sets of an owner, as what is added to an earlier checkpoint.

        `since` is what `last_set_number` was then.
        """
        for key, value in owner_records(self._transaction, self._databases.sets, owner, since):
            yield KeyGroupEntry(IN_SETS, key, value)

    def last_set_number(self) -> int:
        """The highest number that an item or a change of a memory set has had."""
        return self.number(LAST_NUMBER)

    def journal(self) -> dict[int, list[JournalEntry]]:
        """Return the journal records of each unfinished run, in order of replay.

        Those of suspended runs, of which there may be many, are included: see `interrupted`.
        """
        runs: dict[int, list[JournalEntry]] = {}
        with self._transaction.cursor(self._databases.journal) as cursor:
            for key, data in cursor.iternext():
                entry = JournalEntry.decode(key, data)
                runs.setdefault(entry.offset, []).append(entry)
        return runs

    def interrupted(self) -> dict[int, list[JournalEntry]]:
        """Return the journal records of unfinished runs that are not owned by the shard."""
        if not self.waiting.counts():
            journal = self.journal()
            return {n: entries for n, entries in journal.items() if kind_of(n) == RunKind.INPUT}
        runs: dict[int, list[JournalEntry]] = {}
        is_owned = self.waiting.is_owned
        with self._transaction.cursor(self._databases.journal) as cursor:
            present = cursor.first()
            while present:
                number = int.from_bytes(cursor.key()[:8], "big")
                if kind_of(number) == RunKind.INPUT and not is_owned(owned_number(number)):
                    runs[number] = self.journal_of(number)
                present = cursor.set_range(journal_prefix(number + 1))
        return runs

    def journal_runs(self) -> Iterator[int]:
        """Yield the number of each run that has journal records, ascending."""
        with self._transaction.cursor(self._databases.journal) as cursor:
            present = cursor.first()
            while present:
                number = int.from_bytes(cursor.key()[:8], "big")
                yield number
                present = cursor.set_range(journal_prefix(number + 1))

    def journal_of(self, number: int) -> list[JournalEntry]:
        """Return the journal records of one run, in order of replay."""
        prefix = journal_prefix(number)
        entries = []
        with self._transaction.cursor(self._databases.journal) as cursor:
            if cursor.set_range(prefix):
                for key, data in cursor.iternext():
                    if not key.startswith(prefix):
                        break
                    entries.append(JournalEntry.decode(key, data))
        return entries

    @property
    def waiting(self) -> WaitingView:
        """What waits in the shard."""
        return WaitingView(self._transaction, self._databases)

    @property
    def expiry(self) -> ExpiryView:
        """What expires in the shard."""
        return ExpiryView(self._transaction, self._databases)

    def outbox(self) -> list[tuple[int, bytes]]:
        """Return all outbox records with their sequence numbers, ascending."""
        with self._transaction.cursor(self._databases.outbox) as cursor:
            return [(int.from_bytes(key, "big"), data) for key, data in cursor.iternext()]

    def dead_letters(self, after: int = -1) -> Generator[DeadLetter, None, None]:
        """Yield the dead letters with an offset above `after`, by ascending offset."""
        with self._transaction.cursor(self._databases.dead) as cursor:
            if cursor.set_range((after + 1).to_bytes(8, "big")):
                for data in cursor.iternext(keys=False):
                    yield DeadLetter.decode(data)

    def dead_letter(self, offset: int) -> DeadLetter | None:
        """Return the dead letter of one input, None if there is none."""
        data = self.get(offset.to_bytes(8, "big"), None, self._databases.dead)
        return None if data is None else DeadLetter.decode(data)

    def number(self, name: bytes) -> int:
        """Return a number of the database `meta`, 0 if it is not there."""
        return int.from_bytes(self.get(name, b"", self._databases.meta), "big")

    def check_identity(self, store: StoreIdentity, number: int, directory: Path) -> None:
        """Check that this is the shard of that number in that store.

        Raises:
            ForeignStoreError, StoreFormatError: it is not.
        """
        store.check(self._transaction, self._databases.meta, directory, required=True)
        found = self.number(b"shard")
        if found != number:
            raise misplaced(directory, found, number)

    def last_sequence(self) -> int:
        """Return the highest sequence number that the outbox has used, 0 if none."""
        trimmed = self.number(b"sequence")
        with self._transaction.cursor(self._databases.outbox) as cursor:
            return int.from_bytes(cursor.key(), "big") if cursor.last() else trimmed

    def first_sequence(self) -> int:
        """Return the lowest sequence number that is still in the outbox, or the next to be used."""
        with self._transaction.cursor(self._databases.outbox) as cursor:
            if cursor.first():
                return int.from_bytes(cursor.key(), "big")
        return self.last_sequence() + 1

    def counts(self) -> dict[str, int]:
        """Return the number of entries of each database."""
        opened = {field.name: getattr(self._databases, field.name) for field in fields(Databases)}
        return {
            name: 0 if database is None else self._transaction.stat(database)["entries"]
            for name, database in opened.items()
        }


def _path_of_item(item: tuple[str, bytes]) -> bytes:
    return encode_path(item[0])
