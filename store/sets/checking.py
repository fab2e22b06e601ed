"""Checks that the records of memory sets agree with each other, and with their checksums."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

from ..records.due_keys import AT_ONCE, REMNANT, due_of, expiring_key
from ..records.due_keys import ITEM as DUE_ITEM
from .folding import terms_record
from .index.bitmap import flags_of, is_sound, numbers_of
from .index.postings import decode_item_terms
from .index.vector_chunk import BrokenChunkError
from .naming import set_label, sets_in
from .records import (
    ITEM,
    NUMBER_OF_ID,
    SETTINGS,
    TERMS,
    VECTOR,
    ItemHead,
    SetSettings,
    StoredItem,
    Totals,
    id_digest,
    set_address,
)
from .table import SetTable, due_rest, number_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    import lmdb

    from .changes import SetName
    from .index.postings import ItemTerms

__all__ = ["problems_in"]

_LAST_MOMENT: Final = (1 << 64) - 1


def problems_in(transaction: lmdb.Transaction[bytes], databases: Any) -> Iterator[str]:
    """Yield what is wrong in the sets of a shard, at most one thing of each set.

    Args:
        transaction: a read transaction.
        databases: the tables of the shard.
    """
    for name in sets_in(transaction, databases.sets):
        place = ["settings and counts"]
        try:
            problem = _Check(transaction, databases, name, place).problem()
        except (BrokenChunkError, ValueError, struct.error) as error:
            problem = f"{place[-1]}: {error}"
        if problem:
            yield f"{set_label(name)}: {problem}"


class _Check:
    """A check of one set."""

    def __init__(
        self,
        transaction: lmdb.Transaction[bytes],
        databases: Any,
        name: SetName,
        place: list[str],
    ) -> None:
        """What is being checked is added to `place`."""
        self._transaction = transaction
        self._databases = databases
        self._records = SetTable(transaction, databases.sets, set_address(*name))
        self._state = self._records.state()
        self._place = place

    def problem(self) -> str:
        """What is wrong; empty if nothing is."""
        SetSettings.decode(self._records.get(SETTINGS) or b"")
        terms: dict[int, ItemTerms] = {}
        vectors: dict[int, int] = {}
        sums: dict[int, int] = {}
        return (
            self._in_tail(terms, vectors, sums)
            or self._in_chunks(terms, vectors)
            or self._in_items(terms, vectors, sums)
            or self._in_ids()
        )

    def _in_tail(
        self, terms: dict[int, ItemTerms], vectors: dict[int, int], sums: dict[int, int]
    ) -> str:
        self._place.append("new items")
        for number, value in self._records.scan(TERMS, self._state.floor):
            terms[number] = decode_item_terms(value)
        for number, value in self._records.scan(VECTOR, self._state.floor):
            vectors[number] = len(value)
            sums[number] = crc32(value)
        counted = self._state.tail
        return "" if len(terms) == counted else f"{len(terms)} new items are there of {counted}"

    def _in_chunks(self, terms: dict[int, ItemTerms], vectors: dict[int, int]) -> str:
        last = self._state.floor
        for first, bitmap in self._records.bitmaps(self._state.floor):
            self._place.append(f"chunk {first}")
            lists = self._records.lists(first)
            rows = self._records.rows(first, halves=True)
            if not is_sound(bitmap) or numbers_of(bitmap)[0] != len(lists.seqs):
                return f"the bitmap of chunk {first} is damaged"
            if first <= last or first != lists.seqs[0] or list(lists.seqs) != sorted(lists.seqs):
                return f"chunk {first} overlaps the one before it"
            if rows is not None and rows.items != len(lists.seqs):
                return f"the vectors of chunk {first} are not those of its items"
            last = lists.seqs[-1]
            flags = flags_of(bitmap)
            for place, found in enumerate(lists.items()):
                if flags[place]:
                    if lists.seqs[place] in terms:
                        return f"item {lists.seqs[place]} is in chunk {first}, and new"
                    terms[lists.seqs[place]] = found
            for place in rows.places if rows is not None else ():
                if flags[place]:
                    vectors[lists.seqs[place]] = 2 * rows.dims if rows is not None else 0
        return ""

    def _in_items(
        self, terms: dict[int, ItemTerms], vectors: dict[int, int], sums: dict[int, int]
    ) -> str:
        totals = Totals()
        expiring = 0
        for number, record in self._records.scan(ITEM, self._state.floor):
            self._place.append(f"item {number}")
            item, head = StoredItem.decode(record), ItemHead.decode(record)
            totals = totals.plus(head.totals)
            if terms.pop(number, None) != decode_item_terms(terms_record(item)):
                return f"item {number} has other words than its index"
            if vectors.pop(number, 0) != head.totals.size - len(record):
                return f"item {number} has no vector, or another one"
            if head.vector_sum is not None and sums.get(number, head.vector_sum) != head.vector_sum:
                return f"the vector of item {number} is damaged"
            if self._records.get(NUMBER_OF_ID + id_digest(item.id)) != number_key(number):
                return f"item {number} is not found by its id"
            address = self._records.address + ITEM + number_key(number)
            if item.expires:
                expiring += 1
                due = due_of(item.expires)
                if not self._is_due(due, DUE_ITEM, address):
                    return f"item {number} is not removed when it expires"
                if self._records.get(due_rest(due, number)) is None:
                    return f"item {number} is not known to expire"
        if terms or vectors:
            return f"item {min([*terms, *vectors])} is in the index, and not there"
        listed = sum(number > self._state.floor for number in self._records.due(_LAST_MOMENT))
        if listed != expiring:
            return f"{listed} items are known to expire, and {expiring} do"
        counted = self._state.totals
        return "" if totals == counted else f"its totals say {counted}, and it has {totals}"

    def _in_ids(self) -> str:
        floor = self._state.floor
        address = self._records.address
        self._place.append("ids")
        found = 0
        stem = address + NUMBER_OF_ID
        with self._transaction.cursor(self._databases.sets) as cursor:
            if cursor.set_range(stem):
                for key, value in cursor.iternext():
                    if not key.startswith(stem):
                        break
                    found += int.from_bytes(value, "big") > floor
        if found != self._state.totals.items:
            return f"{found} ids are there of {self._state.totals.items}"
        if floor and not self._is_due(AT_ONCE, REMNANT, address + number_key(floor)):
            return "what is left of it from before it was emptied is not removed"
        return ""

    def _is_due(self, due: int, kind: int, address: bytes) -> bool:
        entry = expiring_key(due, kind, address)
        return self._transaction.get(entry, None, self._databases.expiring) is not None
