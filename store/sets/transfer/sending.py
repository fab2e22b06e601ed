"""Memory sets as they travel to another store: in checkpoints, key group by key group.

Only what was given travels: settings, items and vectors. What the store derives from these (totals,
chunks, inverted lists, the places of ids) is made anew where they arrive. The records of a set are:

| kind | rest of the address | value |
|---|---|---|
| `m` | | version (u8), `Extent` (u8), the settings |
| `l` | first number | numbers of the items that the set has, compressed; only if it is `CHANGED` |
| `i` | number | an item, as it is stored |
| `x` | number | the vector of that item, behind it, in float16 |

**Increments.** The numbers of a shard's items only go up, an item never changes under its number,
and each change of a set takes a number, too (`applying`). So what a checkpoint has to add to an
earlier one is found by the highest number that the shard had then: a set that has not changed since
is named and no more, and of one that has changed, the items above that number follow the list of
all that it has.

`arriving` reads what is written here.
"""

from __future__ import annotations

import zlib
from array import array
from enum import IntEnum
from itertools import accumulate, islice, pairwise
from typing import TYPE_CHECKING, Any, Final

from ...encoding.keys import GROUP
from ..index.vector_chunk import BrokenChunkError
from ..naming import sets_in
from ..reading import StoredSet
from ..records import (
    ITEM,
    SENT_VECTOR,
    SETTINGS,
    SHARED,
    VECTOR,
    owner_of,
    set_address,
)
from ..table import SetTable, number_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import lmdb

    from ..changes import SetName
    from ..index.vector_chunk import VectorRows

__all__ = [
    "NUMBERS",
    "VERSION",
    "Extent",
    "Record",
    "group_records",
    "owner_records",
    "pack_numbers",
    "unpack_numbers",
]

NUMBERS: Final = b"l"
"""The kind of a list of numbers; only on the way."""
PIECE: Final = 1 << 14
"""Numbers in one list, at most."""

VERSION: Final = 1
_BEHIND: Final = b"\xff"
"""Sorts behind all kinds of records, and names are UTF-8."""
_LONGEST_PREFIX: Final = 200

Record = tuple[bytes, bytes]
"""An address and a value."""


class Extent(IntEnum):
    """What a checkpoint says about a set."""

    WHOLE = 0
    """All its items follow."""
    CHANGED = 1
    """The list of its items follows, and of these the ones that older checkpoints do not have."""
    UNCHANGED = 2
    """It is what older checkpoints say."""


def owner_records(
    transaction: lmdb.Transaction[bytes], table: Any, owner: bytes, since: int | None
) -> Iterator[Record]:
    """Yield the sets of an owner.

    Args:
        transaction: a read transaction.
        table: the shard's table `sets`; None if it has none.
        owner: see `records`.
        since: the highest number of the shard at the checkpoint that this one is added to; None for
            all items.
    """
    for name in sets_in(transaction, table, owner):
        yield from _set_records(transaction, table, name, since)


def group_records(
    transaction: lmdb.Transaction[bytes], table: Any, group: int, hashed: Sequence[bytes]
) -> Iterator[Record]:
    """Yield all sets of a key group: those of its keys, and the shared ones.

    `hashed` are the prefixes of its hashed keys (`shard.key_groups`).
    """
    if table is None:
        return
    mark = GROUP + group.to_bytes(2, "big")
    yield from owner_records(transaction, table, bytes((SHARED,)) + mark, None)
    with transaction.cursor(table) as cursor:
        length = len(mark)
        while length <= _LONGEST_PREFIX:
            start = bytes((length,)) + mark
            present = cursor.set_range(start)
            while present and cursor.key().startswith(start):
                owner = owner_of(cursor.key())
                yield from owner_records(transaction, table, owner, None)
                present = cursor.set_range(owner + _BEHIND)
            if not present:
                break
            # The cursor is at the next owner, so no key has a length in between.
            length = max(length + 1, cursor.key()[0])
    for prefix in hashed:
        yield from owner_records(transaction, table, prefix, None)


def _set_records(
    transaction: lmdb.Transaction[bytes], table: Any, name: SetName, since: int | None
) -> Iterator[Record]:
    table_of_set = SetTable(transaction, table, set_address(*name))
    address = table_of_set.address
    state = table_of_set.state()
    extent = Extent.WHOLE
    if since is not None:
        extent = Extent.CHANGED if state.changed > since else Extent.UNCHANGED
    settings = table_of_set.get(SETTINGS) or b""
    yield address + SETTINGS, bytes((VERSION, extent)) + settings
    if extent == Extent.CHANGED:
        numbers = table_of_set.numbers(ITEM, state.floor)
        while piece := array("Q", islice(numbers, PIECE)):
            yield address + NUMBERS + number_key(piece[0]), pack_numbers(piece)
    if extent != Extent.UNCHANGED:
        vectors = _Vectors(table_of_set, state.floor, StoredSet(transaction, table, name))
        for number, record in table_of_set.scan(ITEM, max(state.floor, since or 0)):
            key = number_key(number)
            yield address + ITEM + key, bytes(record)
            vector = vectors.of(number)
            if vector:
                yield address + SENT_VECTOR + key, vector


class _Vectors:
    """Vectors of a set, asked for in the order of the items: each chunk is decoded once."""

    def __init__(self, table: SetTable, floor: int, stored: StoredSet) -> None:
        self._table = table
        self._stored = stored
        self._floor = floor
        self._first = 0
        """The chunk that was decoded last."""
        self._row_of: dict[int, int] = {}
        """By the numbers of its items that have a vector."""
        self._rows: VectorRows | None = None

    def of(self, number: int) -> bytes:
        """The vector of an item; empty if it has none. Raises StoreCorruptError."""
        found = self._table.get(VECTOR + number_key(number))
        if found is not None:
            return found
        chunk = self._table.chunk_of(number, self._floor)
        if chunk is None:
            return b""
        if chunk[0] != self._first:
            self._decode(chunk[0])
        row = self._row_of.get(number)
        if row is None or self._rows is None:
            return b""
        return self._rows.half(row)

    def _decode(self, first: int) -> None:
        try:
            numbers = self._table.lists(first).seqs
            self._rows = self._table.rows(first, halves=True)
        except BrokenChunkError as error:
            raise self._stored.damaged(f"chunk {first}", error) from error
        self._first = first
        places = () if self._rows is None else self._rows.places
        self._row_of = {numbers[place]: row for row, place in enumerate(places)}


def pack_numbers(numbers: array[int]) -> bytes:
    """Ascending numbers, as the differences between them: small ones, which compress well."""
    steps = array("Q", [numbers[0], *(after - before for before, after in pairwise(numbers))])
    return zlib.compress(steps.tobytes(), 1)


def unpack_numbers(data: bytes) -> Iterable[int]:
    """Inverse of `pack_numbers`."""
    steps = array("Q")
    steps.frombytes(zlib.decompress(data))
    return accumulate(steps)
