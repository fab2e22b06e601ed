"""Writes the changes of one memory set: items, the index of them, and what is counted of them.

Nothing here fails because of what a set has in it: what is damaged is left as it is, and found by
searches of that set, and by `tamias doctor --deep`.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, ClassVar, Final

from ..crashpoints import reach
from ..records.due_keys import AT_ONCE, REMNANT, due_of, expiring_key
from ..records.due_keys import ITEM as DUE_ITEM
from .folding import Sizes, fold_tail, grown_together, rewrite, terms_record, with_neighbours
from .index.bitmap import is_live, is_sound, numbers_of, without
from .index.postings import length_in
from .index.vector_chunk import BrokenChunkError
from .index.vectors import is_there
from .records import (
    HALVES,
    ITEM,
    LISTS,
    LIVE,
    NUMBER_OF_ID,
    SENT_VECTOR,
    SETTINGS,
    SMALL,
    STATE,
    TERMS,
    VECTOR,
    ItemHead,
    SetState,
    StoredItem,
    Totals,
    id_digest,
)
from .table import SetTable, due_rest, number_in, number_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    import lmdb

    from .changes import SetChange

__all__ = ["REMOVED_AT_ONCE", "SetWriter"]

REMOVED_AT_ONCE: Final = 512
"""Items; a set of more is emptied by this commit and later ones."""
_KINDS: Final = (ITEM, VECTOR, TERMS, LIVE, LISTS, SMALL, HALVES)
_LAST: Final = (1 << 64) - 1


class SetWriter:
    """One set, in an open write transaction.

    Args:
        transaction: it.
        databases: the tables of the shard; `sets` and `expiring` are written.
        address: that of the set.

    Attributes:
        sizes: how large chunks become; tests have smaller ones.
    """

    sizes: ClassVar[Sizes] = Sizes()

    def __init__(
        self, transaction: lmdb.Transaction[bytes], databases: Any, address: bytes
    ) -> None:
        self._transaction = transaction
        self._expiring = databases.expiring
        self._records = SetTable(transaction, databases.sets, address)
        try:
            state = self._records.state()
        except struct.error:  # damaged: the doctor finds that the counts are wrong
            state = SetState()
        self._totals, self._floor, self._tail, self._changed, self._written = state
        self._half_dead: set[int] = set()

    def apply(self, change: SetChange, number: int) -> int:
        """Write changes; `number` is the last one in use. Returns the last one in use now."""
        records = self._records
        if change.cleared:
            self._clear(number)
            if change.dropped:
                records.delete(SETTINGS)
        if change.settings is not None:
            records.put(SETTINGS, change.settings.encode())
        for item_id, item in change.items.items():
            digest = id_digest(item_id)
            known = records.get(NUMBER_OF_ID + digest)
            if known is not None:
                before = number_in(known)
                if before > self._floor and self._is(before, item_id):
                    self._remove(before)
                if item is None:
                    records.delete(NUMBER_OF_ID + digest)
            if item is not None:
                number += 1
                records.put(NUMBER_OF_ID + digest, number_key(number))
                self._add(number, item)
        # The change has a number of its own, behind those of its items: see `transfer`.
        self._changed = number = number + 1
        self.close(dropped=change.dropped and change.settings is None)
        return number

    def index(self, number: int) -> None:
        """Count and index an item whose record, and vector, a restore has written."""
        key = number_key(number)
        records = self._records
        vector = records.get(SENT_VECTOR + key) or b""
        records.delete(SENT_VECTOR + key)
        try:
            item = StoredItem.decode(records.get(ITEM + key) or b"", vector)
        except (ValueError, struct.error):
            return  # it stays, and is found by `tamias doctor --deep`
        records.put(NUMBER_OF_ID + id_digest(item.id), key)
        self._add(number, item)

    def expire(self, number: int, until: int) -> None:
        """Remove an item if it has expired by a moment, in milliseconds."""
        head = self._head(number) if number > self._floor else None
        if head is not None and head.expires and due_of(head.expires) <= until:
            self._remove(number)
            self._forget_id(head.id, number)

    def purge(self, floor: int) -> bool:
        """Remove some of the records up to a number; whether these were all."""
        left = REMOVED_AT_ONCE
        for number, record in list(self._first(ITEM, floor, left)):
            left -= 1
            self._records.delete(ITEM + number_key(number))
            try:
                head = ItemHead.decode(record)
            except (ValueError, struct.error):
                continue
            self._unlist(number, head.expires)
            self._forget_id(head.id, number)
        for kind in _KINDS[1:]:
            left -= self._records.delete_up_to(kind, floor, left)
        return left > 0

    def _first(self, kind: bytes, floor: int, limit: int) -> Iterator[tuple[int, Any]]:
        for place, found in enumerate(self._records.scan(kind)):
            if place >= limit or found[0] > floor:
                return
            yield found

    def close(self, *, dropped: bool = False) -> None:
        """Fold what is to be folded, and write what is counted."""
        records, floor, sizes = self._records, self._floor, self.sizes
        for first in sorted(self._half_dead):
            data = records.get(LIVE + number_key(first))  # it may have become part of another
            if data is not None and _is_half_dead(data):
                rewrite(records, with_neighbours(records, floor, first, sizes))
                reach("sets.rewrite")
        self._half_dead.clear()
        if self._tail >= sizes.tail and (not self._totals.vectors or is_there()):
            folded = fold_tail(records, floor, sizes)
            self._tail -= min(folded, self._tail)
            reach("sets.fold")
            together = grown_together(records, floor, _LAST, sizes)
            while together and rewrite(records, together):
                reach("sets.merge")
                together = grown_together(records, floor, together[0] - 1, sizes)
        self._written += 1
        state = SetState(self._totals, floor, self._tail, self._changed, self._written)
        if dropped and not floor:
            records.delete(STATE)
        else:
            records.put(STATE, state.encode())

    # -- one item -----------------------------------------------------------------------------

    def _add(self, number: int, item: StoredItem) -> None:
        key = number_key(number)
        records = self._records
        terms = terms_record(item)
        length = length_in(terms)
        record = item.encode(length)
        records.put(ITEM + key, record)
        records.put(TERMS + key, terms)
        if item.vector:
            records.put(VECTOR + key, item.vector)
        if item.expires:
            due = due_of(item.expires)
            entry = expiring_key(due, DUE_ITEM, records.address + ITEM + key)
            self._transaction.put(entry, b"", db=self._expiring)
            records.put(due_rest(due, number), b"")
        self._tail += 1
        size = len(record) + len(item.vector)
        added = Totals(1, size, item.tokens, length, int(bool(item.vector)))
        self._totals = self._totals.plus(added)

    def _head(self, number: int) -> ItemHead | None:
        record = self._records.view(ITEM + number_key(number))
        try:
            return None if record is None else ItemHead.decode(record)
        except (ValueError, struct.error):
            return None

    def _is(self, number: int, item_id: str) -> bool:
        """Whether a number is that of an item, as far as that can be read."""
        head = self._head(number)
        return head is None or head.id == item_id

    def _remove(self, number: int) -> None:
        """Remove an item, and mark it as dead in its chunk if it is in one."""
        key = number_key(number)
        head = self._head(number)
        self._records.delete(ITEM + key)
        if head is not None:
            self._totals = self._totals.plus(head.totals, -1)
            self._unlist(number, head.expires)
        self._records.delete(VECTOR + key)
        if self._records.delete(TERMS + key):
            self._tail -= 1
        else:
            self._mark_dead(number)

    def _mark_dead(self, number: int) -> None:
        found = self._records.chunk_of(number, self._floor)
        if found is None:
            return
        first, bitmap = found
        try:
            place = self._records.place_of(first, number)
        except BrokenChunkError:
            return
        if place is None or not is_sound(bitmap) or place >= numbers_of(bitmap)[0]:
            return
        if is_live(bitmap, place):
            bitmap = without(bitmap, place)
            self._records.put(LIVE + number_key(first), bitmap)
            if _is_half_dead(bitmap):
                self._half_dead.add(first)

    def _forget_id(self, item_id: str, number: int) -> None:
        digest = id_digest(item_id)
        if self._records.get(NUMBER_OF_ID + digest) == number_key(number):
            self._records.delete(NUMBER_OF_ID + digest)

    def _unlist(self, number: int, expires: float) -> None:
        if expires:
            due = due_of(expires)
            address = self._records.address + ITEM + number_key(number)
            self._transaction.delete(expiring_key(due, DUE_ITEM, address), db=self._expiring)
            self._records.delete(due_rest(due, number))

    # -- all items ----------------------------------------------------------------------------

    def _clear(self, number: int) -> None:
        """Remove all items, of which `number` is the last.

        Of a large set the records stay for later commits to remove: from here on, the set has no
        items up to this number.
        """
        before = self._floor
        self._totals, self._tail = Totals(), 0
        self._floor = number
        self._half_dead.clear()
        if self.purge(number) and not before:
            self._records.delete_ids(_LAST)
            self._floor = 0
        else:
            self.list_remnant(number)

    def list_remnant(self, floor: int) -> None:
        """Have later commits remove what is left of the records up to a number."""
        address = self._records.address + number_key(floor)
        self._transaction.put(expiring_key(AT_ONCE, REMNANT, address), b"", db=self._expiring)

    def end_remnant(self, floor: int) -> None:
        """Note that the records up to a number are removed."""
        if self._floor == floor:
            self._floor = 0
            if self._totals.items <= REMOVED_AT_ONCE:
                self._records.delete_ids(floor if self._totals.items else _LAST)
            if self._totals == Totals() and self._records.get(SETTINGS) is None:
                self._records.delete(STATE)
                return
        self.close()


def _is_half_dead(bitmap: bytes) -> bool:
    places, live = numbers_of(bitmap)
    return 2 * live < places
