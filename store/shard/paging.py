"""Reads a part of a shard, in bounded memory and time: fields of a key, keys, dead letters."""

from __future__ import annotations

from heapq import merge
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..encoding.stamps import STAMPED
from ..sets.records import SHARED
from .live_fields import LiveFields

if TYPE_CHECKING:
    from collections.abc import Iterator

    import lmdb

    from .snapshot import Databases, Snapshot

__all__ = [
    "FieldRecord",
    "behind",
    "dead_letter_count",
    "fields_from",
    "letter_heads",
    "letter_parts",
    "owners_from",
    "size_of",
]

_BEHIND_SHARED: Final = bytes((SHARED + 1,))
"""Shared sets come before those of all keys."""
_HEAD: Final = 8
"""Bytes of a record with a time in front."""


class FieldRecord(NamedTuple):
    """A field of short-term memory.

    Attributes:
        address: where it is stored.
        path: its path.
        size: bytes of its value; 0 for an object.
        value: the encoded value, without its time; None if it is too large.
    """

    address: bytes
    path: str
    size: int
    value: bytes | None


def behind(prefix: bytes) -> bytes:
    """The address that sorts behind all that a key has."""
    return prefix + b"\xff"  # no path begins with it, and no name of a set is so long


def owners_from(snapshot: Snapshot, start: bytes) -> Iterator[bytes]:
    """Yield the prefixes of keys with memory or memory sets, in ascending order, from an address.

    What has expired does not count.
    """
    names = snapshot.sets(start=max(start, _BEHIND_SHARED))
    owners = (name.owner for name in names)
    for prefix, _ in groupby(merge(LiveFields(snapshot).prefixes(start), owners)):
        yield prefix


def fields_from(
    snapshot: Snapshot, prefix: bytes, start: bytes, *, largest: int
) -> Iterator[FieldRecord]:
    """Yield the live fields of a key from an address on, which is the prefix for all of them.

    Values that are larger than `largest` are not read.
    """
    live = LiveFields(snapshot)

    def read(
        transaction: lmdb.Transaction[Any], databases: Databases
    ) -> Iterator[tuple[bytes, Any]]:
        with transaction.cursor(databases.memory) as cursor:
            if cursor.set_range(max(start, prefix)):
                for stored, record in cursor.iternext():
                    address = bytes(stored)
                    if not address.startswith(prefix):
                        return
                    yield address, record

    for address, record in snapshot.read_in_place(read):
        if not live.is_live(bytes(record[:_HEAD])):
            continue
        at = _HEAD if record[:1] == bytes((STAMPED,)) else 0
        size = len(record) - at
        path = snapshot.path_of(address, len(prefix))
        yield FieldRecord(address, path, size, bytes(record[at:]) if size <= largest else None)


def size_of(snapshot: Snapshot, prefix: bytes, most: int) -> tuple[int, int, bool]:
    """How many fields a key has, and of how many bytes; and whether these are all.

    At most so many are counted.
    """
    count = size = 0
    for field in fields_from(snapshot, prefix, prefix, largest=-1):
        if count >= most:
            return count, size, False
        count += 1
        size += field.size
    return count, size, True


def dead_letter_count(snapshot: Snapshot) -> int:
    """How many dead letters there are."""
    return snapshot.counts()["dead"]


def letter_heads(snapshot: Snapshot, start: int = 0) -> Iterator[tuple[int, bytes]]:
    """Yield number and header line of each dead letter, from a number on, without its payload."""

    def read(
        transaction: lmdb.Transaction[Any], databases: Databases
    ) -> Iterator[tuple[int, bytes]]:
        with transaction.cursor(databases.dead) as cursor:
            if cursor.set_range(start.to_bytes(8, "big")):
                for key, record in cursor.iternext():
                    yield int.from_bytes(key, "big"), _line(record)

    return snapshot.read_in_place(read)


def letter_parts(
    snapshot: Snapshot, number: int, largest: int
) -> tuple[bytes, int, bytes | None] | None:
    """The header line of a dead letter, the size of its payload, and the payload.

    The payload is None if it is larger than `largest`. All is None if there is no such letter.
    """

    def read(
        transaction: lmdb.Transaction[Any], databases: Databases
    ) -> tuple[bytes, int, bytes | None] | None:
        record = transaction.get(number.to_bytes(8, "big"), None, databases.dead)
        if record is None:
            return None
        head = _line(record)
        size = len(record) - len(head) - 1
        return head, size, bytes(record[len(head) + 1 :]) if size <= largest else None

    return snapshot.read_in_place(read)


def _line(record: Any) -> bytes:
    """The first line of a record, which may be large."""
    length = 4096
    while True:
        head = bytes(record[:length])
        end = head.find(b"\n")
        if end >= 0 or len(head) == len(record):
            return head[:end] if end >= 0 else head
        length *= 8
