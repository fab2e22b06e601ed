"""Chunks are made of the tail of a set, and of other chunks.

New items are single records: the *tail*. A search reads all of it, so it is short: when it has
256 items or more, these become a chunk, and small chunks beside each other become one as soon
as they nearly have 2,048 items together. So an item is written three times in its life, however
large its set is, and a search reads few and large values.

A deletion marks the item in the chunk's bitmap. When less than half of a chunk lives, it is written
anew, together with a neighbour if that is small, too: so at most half of the space is lost, and an
item is moved at most once for each other one that is deleted.

Values of chunks are kept in pieces of some dozen pages. LMDB frees the pages of what is replaced,
and finds room for a large value only where as many pages beside each other are free: with values
of a megabyte, the file of a set whose items come and go grew to seven times what was in it, and
commits became slower with the length of the list of free pages. With pieces it is about twice.

A chunk that is damaged is never touched: what can still be read of it is not made worse.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from .index.bitmap import all_live, flags_of, is_sound, numbers_of
from .index.list_builder import ListBuilder
from .index.postings import encode_item_terms
from .index.terms import metadata_terms, terms_of
from .index.vector_chunk import BrokenChunkError, VectorRows, encode_rows
from .index.vectors import quantized
from .records import (
    HALVES,
    ITEM,
    LISTS,
    LIVE,
    SMALL,
    TERMS,
    VECTOR,
    StoredItem,
    text_of,
)
from .table import number_key, pieces_of_lists

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .table import SetTable

__all__ = [
    "Sizes",
    "fold_tail",
    "grown_together",
    "rewrite",
    "terms_record",
    "with_neighbours",
]


class Sizes(NamedTuple):
    """How large the parts of a set become, in items."""

    tail: int = 256
    """The tail becomes a chunk when it has so many."""
    chunk: int = 2048
    """No chunk has more."""


def fold_tail(table: SetTable, floor: int, sizes: Sizes) -> int:
    """Make chunks of the items of the tail; return how many items that were."""
    tail = list(table.scan(TERMS, floor))
    vectors = {number: bytes(value) for number, value in table.scan(VECTOR, floor)}
    for start in range(0, len(tail), sizes.chunk):
        lists = ListBuilder()
        for number, value in tail[start : start + sizes.chunk]:
            try:
                lists.add_item(number, value)
            except BrokenChunkError:
                lists.add_item(number, _terms_anew(table, number))
        kept = _write(table, lists, _rows(lists.numbers, vectors))
        for number in lists.numbers:
            table.delete(TERMS + number_key(number))
            if number in vectors and number not in kept:
                table.delete(VECTOR + number_key(number))
    return len(tail)


def _terms_anew(table: SetTable, number: int) -> bytes:
    """The terms of an item by its record, as far as that can be read."""
    record = table.get(ITEM + number_key(number))
    try:
        return terms_record(StoredItem.decode(record or b""))
    except (ValueError, struct.error):
        return encode_item_terms({})


def terms_record(item: StoredItem) -> bytes:
    """What an item of the tail has in the index."""
    return encode_item_terms(terms_of(text_of(item.value)), set(metadata_terms(item.metadata)))


def _rows(numbers: Sequence[int], vectors: dict[int, bytes]) -> VectorRows | None:
    """The vectors of a new chunk. Those of another length than most stay in the tail."""
    found = [(place, vectors[number]) for place, number in enumerate(numbers) if number in vectors]
    lengths = [len(vector) for _, vector in found]
    if not lengths:
        return None
    length = max(set(lengths), key=lengths.count)
    rows = [(place, vector) for place, vector in found if len(vector) == length]
    places = [place for place, _ in rows]
    return quantized(b"".join(vector for _, vector in rows), length // 2, places, len(numbers))


def _write(table: SetTable, lists: ListBuilder, rows: VectorRows | None) -> set[int]:
    """Write a chunk; return the numbers of its items that have no row in it."""
    numbers = lists.numbers
    first = numbers[0]
    table.put_pieces(LISTS, first, pieces_of_lists(lists.encode()))
    table.put(LIVE + number_key(first), all_live(len(numbers)))
    if rows is None:
        return set(numbers)
    small, halves = encode_rows(rows)
    table.put_pieces(SMALL, first, small)
    table.put_pieces(HALVES, first, halves)
    return set(numbers) - {numbers[place] for place in rows.places}


def grown_together(table: SetTable, floor: int, last: int, sizes: Sizes) -> list[int]:
    """The small chunks at the end of a set that are to become one, by their first numbers."""
    found: list[int] = []
    total = 0
    for first, bitmap in table.scan_back(LIVE, last):
        live = numbers_of(bytes(bitmap))[1]
        if first <= floor or 2 * live > sizes.chunk or total + live > sizes.chunk:
            break
        total += live
        found.append(first)
    is_nearly_full = len(found) > 1 and total + sizes.tail > sizes.chunk
    return found[::-1] if is_nearly_full else []


def with_neighbours(table: SetTable, floor: int, first: int, sizes: Sizes) -> list[int]:
    """A chunk that is to be written anew, and the small ones beside it that it is joined with."""
    together = [first]
    data = table.get(LIVE + number_key(first))
    total = numbers_of(data)[1] if data else 0
    before = table.scan_back(LIVE, first - 1)
    behind = table.scan(LIVE, first)
    for neighbour in (next(before, None), next(behind, None)):
        if neighbour is None or neighbour[0] <= floor:
            continue
        live = numbers_of(bytes(neighbour[1]))[1]
        if 2 * live <= sizes.chunk and total + live <= sizes.chunk:
            total += live
            together.append(neighbour[0])
    before.close()
    behind.close()
    return sorted(together)


def rewrite(table: SetTable, firsts: Sequence[int]) -> bool:
    """Make one chunk of what lives in some neighbours; whether they were sound."""
    lists = ListBuilder()
    parts: list[_LivingRows] = []
    try:
        for first in firsts:
            _add_living(table, first, lists, parts)
    except BrokenChunkError:
        return False
    for first in firsts:
        for kind in (LIVE, LISTS, SMALL, HALVES):
            table.delete_pieces(kind, first)
    if lists.numbers:
        _write(table, lists, _joined(table, lists.numbers, parts))
    return True


class _LivingRows(NamedTuple):
    """The vectors of a chunk that live."""

    rows: VectorRows
    kept: list[int]
    """Which rows."""
    places: list[int]
    """The places of their items in the new chunk."""


def _add_living(table: SetTable, first: int, lists: ListBuilder, parts: list[_LivingRows]) -> None:
    """Add what lives in a chunk. Raises BrokenChunkError."""
    found = table.lists(first)
    rows = table.rows(first, halves=True)
    bitmap = table.get(LIVE + number_key(first)) or b""
    if not is_sound(bitmap) or numbers_of(bitmap)[0] != len(found.seqs):
        raise BrokenChunkError("the bitmap is not that of the lists")
    flags = flags_of(bitmap)
    living = [place for place, live in enumerate(flags) if live]
    start = len(lists.numbers)
    lists.add_chunk(found, living)
    if rows is not None:
        if rows.items != len(flags):
            raise BrokenChunkError("the vectors are not those of the lists")
        new_place = {place: start + index for index, place in enumerate(living)}
        kept = [row for row, place in enumerate(rows.places) if flags[place]]
        parts.append(_LivingRows(rows, kept, [new_place[rows.places[row]] for row in kept]))


def _joined(
    table: SetTable, numbers: Sequence[int], parts: Sequence[_LivingRows]
) -> VectorRows | None:
    """The vectors of a new chunk. Those of other dimensions than most become records again."""
    if not any(part.kept for part in parts):
        return None
    dims = max(parts, key=lambda part: len(part.kept)).rows.dims
    for rows, kept, places in parts:
        if rows.dims != dims:
            for row, place in zip(kept, places, strict=True):
                table.put(VECTOR + number_key(numbers[place]), rows.picked([row])[2])
    same = [part for part in parts if part.rows.dims == dims]
    pieces = [part.rows.picked(part.kept) for part in same]
    scales, small, halves = (b"".join(column) for column in zip(*pieces, strict=True))
    all_places = [place for part in same for place in part.places]
    return VectorRows(dims, len(numbers), all_places, scales, (small,), (halves,))
