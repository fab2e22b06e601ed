"""Writes changes of memory sets, in the transaction of a commit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..crashpoints import reach
from .records import (
    ITEM,
    NUMBER_OF_ID,
    SETTINGS,
    TOTALS,
    VECTOR,
    StoredItem,
    Totals,
    id_digest,
    set_address,
)

if TYPE_CHECKING:
    import lmdb

    from .changes import SetChange, SetName

__all__ = ["LAST_NUMBER", "apply_sets"]

LAST_NUMBER: Final = b"set_sequence"
"""The name in `meta` of the highest number that an item of the shard has had."""
_NUMBER: Final = 8


def apply_sets(
    transaction: lmdb.Transaction[bytes],
    table: Any,
    meta: Any,
    changes: list[tuple[SetName, SetChange]],
) -> None:
    """Write the changes, in their order, to the tables `sets` and `meta`.

    It does not fail because of the content of a set: what is damaged is left as it is.
    """
    data = transaction.get(LAST_NUMBER, None, meta)
    number = int.from_bytes(data or b"", "big")
    for (owner, name), change in changes:
        writer = _SetWriter(transaction, table, set_address(owner, name))
        number = writer.apply(change, number)
        reach("sets.inside")
    transaction.put(LAST_NUMBER, number.to_bytes(_NUMBER, "big"), db=meta)


class _SetWriter:
    """One set, in an open write transaction."""

    def __init__(self, transaction: lmdb.Transaction[bytes], table: Any, address: bytes) -> None:
        self._transaction = transaction
        self._table = table
        self._address = address

    def apply(self, change: SetChange, number: int) -> int:
        """Write changes; `number` is the last one in use. Returns the last one in use now."""
        if change.cleared:
            self._clear(everything=change.dropped)
        if change.settings is not None:
            self._put(SETTINGS, change.settings.encode())
        totals = self._totals()
        for item_id, item in change.items.items():
            digest = id_digest(item_id)
            known = self._get(NUMBER_OF_ID + digest)
            if known is not None:
                totals = totals.plus(self._remove(known), -1)
                if item is None:
                    self._delete(NUMBER_OF_ID + digest)
            if item is not None:
                number += 1
                stored = number.to_bytes(_NUMBER, "big")
                self._put(NUMBER_OF_ID + digest, stored)
                totals = totals.plus(self._add(stored, item))
        self._put(TOTALS, totals.encode())
        return number

    def _add(self, number: bytes, item: StoredItem) -> Totals:
        record = item.encode()
        self._put(ITEM + number, record)
        if item.vector:
            self._put(VECTOR + number, item.vector)
        size = len(record) + len(item.vector)
        return Totals(1, size, item.tokens, 0, bool(item.vector))

    def _remove(self, number: bytes) -> Totals:
        record = self._get(ITEM + number) or b""
        vector = self._get(VECTOR + number) or b""
        self._delete(ITEM + number)
        self._delete(VECTOR + number)
        tokens = StoredItem.decode(record).tokens if record else 0
        return Totals(1, len(record) + len(vector), tokens, 0, bool(vector))

    def _clear(self, *, everything: bool) -> None:
        cursor = self._transaction.cursor(self._table)
        present = cursor.set_range(self._address)
        while present and cursor.key().startswith(self._address):
            kind = cursor.key()[len(self._address) :][:1]
            present = cursor.next() if kind == SETTINGS and not everything else cursor.delete()

    def _totals(self) -> Totals:
        data = self._get(TOTALS)
        return Totals() if data is None else Totals.decode(data)

    def _get(self, rest: bytes) -> bytes | None:
        found: bytes | None = self._transaction.get(self._address + rest, None, self._table)
        return found

    def _put(self, rest: bytes, value: bytes) -> None:
        self._transaction.put(self._address + rest, value, db=self._table)

    def _delete(self, rest: bytes) -> None:
        self._transaction.delete(self._address + rest, db=self._table)
