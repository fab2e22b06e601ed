"""Memory sets as they arrive from another store: checkpoint by checkpoint, from the newest on.

The newest checkpoint that has an owner knows all sets of that owner, so another set in an older one
has been dropped since. Of a set, the newest checkpoint in which it has changed says which items it
has, and these are in that one or in older ones.

Records are written as they come (`write_records`), in any order of numbers. Afterwards `index_some`
goes through them, a bounded number in each transaction. So neither needs the memory of a whole set.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ....agent.errors import StoreCorruptError
from ..applying import LAST_NUMBER, index_items, require_format
from ..changes import SetName
from ..records import ITEM, NUMBER_BYTES, SETTINGS, split_address
from .sending import NUMBERS, VERSION, Extent, unpack_numbers

if TYPE_CHECKING:
    from collections.abc import Iterator

    import lmdb

    from .sending import Record

__all__ = ["IncomingSets", "index_some", "write_records"]

_COST: Final = 400
"""Bytes that stand for what an item costs besides its record."""
_BEHIND: Final = b"\xff"
"""Sorts behind all kinds of records."""


@dataclass(slots=True)
class _Incoming:
    """What is known of a set that arrives."""

    extent: Extent
    age: int
    """Of the checkpoint that says so, 0 for the newest."""
    numbers: array[int] = field(default_factory=lambda: array("Q"))
    """Of the items that it has, ascending; not if it is whole."""
    arrived: int = 0

    def has(self, number: int, age: int) -> bool:
        """Whether an item that arrives is one of the set's."""
        if self.extent == Extent.WHOLE:
            return age == self.age
        place = bisect_left(self.numbers, number)
        return place < len(self.numbers) and self.numbers[place] == number


class IncomingSets:
    """The sets of a key group, as they arrive: checkpoint by checkpoint, from the newest on."""

    def __init__(self) -> None:
        self._sets: dict[bytes, _Incoming] = {}
        """By address. Those that a newer checkpoint of their owner does not have are missing."""

    def records(self, key: bytes, value: bytes, age: int, *, is_newest: bool) -> list[Record]:
        """Return what is to be written of a record that has arrived.

        Args:
            key: its address.
            value: its value.
            age: of its checkpoint, 0 for the newest.
            is_newest: whether no newer checkpoint has the owner of the set.
        """
        _, _, rest = split_address(key)
        address, kind = key[: len(key) - len(rest)], rest[:1]
        if kind == SETTINGS:
            return self._settle(address, value, age, is_newest=is_newest)
        incoming = self._sets.get(address)
        if incoming is None or incoming.extent == Extent.UNCHANGED:
            return []
        if kind == NUMBERS:
            if incoming.age == age:
                incoming.numbers.extend(unpack_numbers(value))
            return []
        if not incoming.has(int.from_bytes(rest[1:], "big"), age):
            return []
        incoming.arrived += kind == ITEM
        return [(key, value)]

    def _settle(self, address: bytes, value: bytes, age: int, *, is_newest: bool) -> list[Record]:
        known = self._sets.get(address)
        if known is None and not is_newest:
            return []  # it was dropped later
        if known is not None and known.extent != Extent.UNCHANGED:
            return []
        version, extent = value[:2]
        if version != VERSION:
            raise StoreCorruptError(
                f"The checkpoint has a memory set in form {version}, this version of tamias knows "
                f"{VERSION}.",
                hint="Use the version of tamias that wrote it.",
            )
        self._sets[address] = _Incoming(Extent(extent), age)
        return [] if extent == Extent.UNCHANGED else [(address + SETTINGS, value[2:])]

    def finish(self) -> None:
        """Check that all is there, and begin with another key group.

        Raises StoreCorruptError if an item is missing.
        """
        for address, incoming in self._sets.items():
            missing = 0
            if incoming.extent != Extent.WHOLE:
                missing = len(incoming.numbers) - incoming.arrived
            if missing or incoming.extent == Extent.UNCHANGED:
                _, name, _ = split_address(address)
                raise StoreCorruptError(
                    f"The checkpoint is not complete: {missing or 'all'} items of the memory set "
                    f"{name!r} are missing."
                )
        self._sets.clear()


def write_records(
    records: dict[bytes, bytes], transaction: lmdb.Transaction[bytes], databases: Any
) -> None:
    """Write records that have arrived into a shard; see `index_some`."""
    require_format(transaction, databases.meta)
    last = int.from_bytes(transaction.get(LAST_NUMBER, b"", databases.meta), "big")
    for key in records:
        _, _, rest = split_address(key)
        if rest[:1] == ITEM:
            last = max(last, int.from_bytes(rest[1:], "big"))
    transaction.cursor(databases.sets).putmulti(records.items())
    transaction.put(LAST_NUMBER, last.to_bytes(NUMBER_BYTES, "big"), db=databases.meta)


def index_some(
    after: bytes, limit: int, transaction: lmdb.Transaction[bytes], databases: Any
) -> bytes | None:
    """Count and index items whose records are there, and return where to go on.

    Args:
        after: what the last call returned; empty for the first one.
        limit: the number of bytes in records after which it stops.
        transaction: a write transaction.
        databases: the shard's databases.

    Returns:
        The address of the last item that is done now; None if all are.
    """
    found: dict[SetName, list[int]] = {}
    size = 0
    for address, number in _items_behind(transaction, databases.sets, after):
        owner, name, _ = split_address(address)
        found.setdefault(SetName(owner, name), []).append(number)
        size += len(transaction.get(address, b"", databases.sets)) + _COST
        if size >= limit:
            break
    else:
        address = b""
    for set_name, numbers in found.items():
        index_items(transaction, databases, set_name, numbers)
    return address or None


def _items_behind(
    transaction: lmdb.Transaction[bytes], table: Any, after: bytes
) -> Iterator[tuple[bytes, int]]:
    """Addresses and numbers of the items of all sets, behind an address."""
    with transaction.cursor(table) as cursor:
        present = cursor.set_range(after + b"\0") if after else cursor.first()
        while present:
            key = cursor.key()
            _, _, rest = split_address(key)
            kind, address = rest[:1], key[: len(key) - len(rest)]
            if kind == ITEM:
                yield key, int.from_bytes(rest[1:], "big")
                present = cursor.next()
            else:
                present = cursor.set_range(address + (ITEM if kind < ITEM else _BEHIND))
