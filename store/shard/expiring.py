"""What is to be removed by a moment: the table `expiring`, which commits work off a little.

    due (milliseconds since the epoch, u64 big endian) | what it is (1 byte) | address   ->   empty

An entry is a reminder and no more: what is at the address may have been written anew with another
moment, or removed. So its own record decides whether it is removed. Readers do not wait for that:
they leave out at once what their clock says is over, also by its record.

A commit follows up to `REMOVED_AT_ONCE` entries that are due. So no commit takes long, however much
comes due at one moment, and the table shrinks with each one.

Which entries a commit follows is decided by the worker (`worker.runs.removals`): not those of a key
with an unfinished run. Such a run sees what was there at the moment when it began, also when it is
replayed days later; so that must not be removed while the run is unfinished.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..crashpoints import reach
from ..records.due_keys import expiring_key, split_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import lmdb

    Remover = Callable[[lmdb.Transaction[bytes], Any, int, bytes], None]
    """Removes what is at an address if it has expired by a moment: transaction, databases, the
    moment, the address."""

__all__ = [
    "REMOVED_AT_ONCE",
    "DueEntry",
    "Removal",
    "due_entries",
    "entry_of",
    "first_due",
    "remove_expired",
]

REMOVED_AT_ONCE: Final = 256


class DueEntry(NamedTuple):
    """An entry of the table."""

    due: int
    kind: int
    address: bytes

    @property
    def key(self) -> bytes:
        """Its key in the table."""
        return expiring_key(*self)


class Removal(NamedTuple):
    """What a commit removes."""

    until: int
    """What has expired by this moment, in milliseconds since the epoch."""
    entries: list[DueEntry]
    """The entries to follow."""


def entry_of(key: bytes) -> DueEntry:
    """Inverse of `expiring_key`. Raises struct.error for what is too short."""
    return DueEntry(*split_key(key))


def first_due(transaction: lmdb.Transaction[bytes], table: Any) -> int | None:
    """The moment of the first entry, None if there is none."""
    if table is None:
        return None
    with transaction.cursor(table) as cursor:
        return int.from_bytes(cursor.key()[:8], "big") if cursor.first() else None


def due_entries(
    transaction: lmdb.Transaction[bytes],
    table: Any,
    until: int,
    limit: int = REMOVED_AT_ONCE,
    after: bytes = b"",
) -> list[DueEntry]:
    """The first entries that are due by a moment, behind one with a key."""
    found: list[DueEntry] = []
    if table is None:
        return found
    with transaction.cursor(table) as cursor:
        if cursor.set_range(after + b"\0") if after else cursor.first():
            for key in cursor.iternext(values=False):
                entry = entry_of(key)
                if len(found) >= limit or entry.due > until:
                    break
                found.append(entry)
    return found


def remove_expired(
    transaction: lmdb.Transaction[bytes],
    databases: Any,
    removal: Removal,
    removers: Mapping[int, Remover],
) -> None:
    """Follow entries, which are removed."""
    reach("expire.before")
    for entry in removal.entries:
        transaction.delete(entry.key, db=databases.expiring)
        remove = removers.get(entry.kind)
        if remove is not None:
            remove(transaction, databases, removal.until, entry.address)
        reach("expire.inside")
    reach("expire.after")
