"""A memory set in one snapshot of a shard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .changes import SetName
from .records import (
    ITEM,
    NUMBER_OF_ID,
    SETTINGS,
    TOTALS,
    VECTOR,
    SetSettings,
    StoredItem,
    Totals,
    id_digest,
    owner_of,
    set_address,
    split_address,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    import lmdb

__all__ = ["StoredSet", "sets_in"]

_BEHIND: Final = b"\xff"
"""Sorts behind all kinds of records, and names are UTF-8."""


class StoredSet:
    """A set as of one commit; for as long as its transaction is open.

    Attributes:
        name: the set.
    """

    __slots__ = ("_address", "_table", "_transaction", "name")

    def __init__(self, transaction: lmdb.Transaction[bytes], table: Any, name: SetName) -> None:
        """`table` is None in a store that was only written by a version without sets."""
        self.name = name
        self._transaction = transaction
        self._table = table
        self._address = set_address(*name)

    def settings(self) -> SetSettings | None:
        """Its settings; None if there is no such set."""
        data = self._get(SETTINGS)
        return None if data is None else SetSettings.decode(data)

    def totals(self) -> Totals:
        """What its items are together, those that have expired and are not yet removed included."""
        data = self._get(TOTALS)
        return Totals() if data is None else Totals.decode(data)

    def number_of(self, item_id: str) -> int | None:
        """The number of an item; None if there is none with this id."""
        found = self._get(NUMBER_OF_ID + id_digest(item_id))
        return None if found is None else int.from_bytes(found, "big")

    def item(self, number: int, *, with_vector: bool = False) -> StoredItem | None:
        """The item of a number, None if there is none."""
        stored = number.to_bytes(8, "big")
        record = self._get(ITEM + stored)
        if record is None:
            return None
        return StoredItem.decode(record, self.vector(number) if with_vector else b"")

    def vector(self, number: int) -> bytes:
        """The vector of an item, in float16; empty if it has none."""
        return self._get(VECTOR + number.to_bytes(8, "big")) or b""

    def items(
        self, after: int = 0, *, with_vectors: bool = False
    ) -> Iterator[tuple[int, StoredItem]]:
        """Yield numbers and items, in the order in which they were added, behind a number.

        Items that have expired and are not yet removed are included.
        """
        if self._table is None:
            return
        stem = self._address + ITEM
        with self._transaction.cursor(self._table) as cursor:
            if not cursor.set_range(stem + (after + 1).to_bytes(8, "big")):
                return
            for key, record in cursor.iternext():
                if not key.startswith(stem):
                    return
                number = int.from_bytes(key[-8:], "big")
                yield (
                    number,
                    StoredItem.decode(record, self.vector(number) if with_vectors else b""),
                )

    def _get(self, rest: bytes) -> bytes | None:
        if self._table is None:
            return None
        found: bytes | None = self._transaction.get(self._address + rest, None, self._table)
        return found


def sets_in(
    transaction: lmdb.Transaction[bytes], table: Any, owner: bytes | None = None
) -> Iterator[SetName]:
    """Yield the sets of an owner, or of all: those that have settings."""
    if table is None:
        return
    with transaction.cursor(table) as cursor:
        present = cursor.set_range(owner) if owner else cursor.first()
        while present:
            key = cursor.key()
            if owner and owner_of(key) != owner:
                return
            found_owner, name, _ = split_address(key)
            address = set_address(found_owner, name)
            if transaction.get(address + SETTINGS, None, table) is not None:
                yield SetName(found_owner, name)
            present = cursor.set_range(address + _BEHIND)
