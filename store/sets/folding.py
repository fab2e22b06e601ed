"""Chunks are made of the tail of a set, and of other chunks.

New items are single records: the *tail*. A search reads all of it, so it is short: when it has
`TAIL` items or more, these become a chunk, and small chunks beside each other become one as soon
as they nearly have `CHUNK` items together. So an item is written three times in its life, however
large its set is, and a search reads few and large values.

A deletion marks the item in the chunk's bitmap. When less than half of a chunk lives, it is written
anew, together with a neighbour if that is small, too: so at most half of the space is lost, and an
item is moved at most once for each other one that is deleted.

A chunk that is damaged is never touched: what can still be read of it is not made worse.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from .index.bitmap import all_live, flags_of, numbers_of
from .index.postings import decode_item_terms, encode_item_terms, encode_lists
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
from .table import number_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .index.postings import ItemTerms
    from .table import SetTable

__all__ = [
    "CHUNK",
    "TAIL",
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
    chunk: int = 1024
    """No chunk has more."""


TAIL: Final = Sizes().tail
CHUNK: Final = Sizes().chunk


def fold_tail(table: SetTable, floor: int, sizes: Sizes) -> int:
    """Make chunks of the items of the tail; return how many items that were."""
    tail: list[tuple[int, ItemTerms]] = []
    for number, value in table.scan(TERMS, floor):
        try:
            tail.append((number, decode_item_terms(value)))
        except BrokenChunkError:
            tail.append((number, _terms_anew(table, number)))
    vectors = {number: bytes(value) for number, value in table.scan(VECTOR, floor)}
    for start in range(0, len(tail), sizes.chunk):
        part = tail[start : start + sizes.chunk]
        numbers = [number for number, _ in part]
        kept = _write(table, numbers, [terms for _, terms in part], _rows(numbers, vectors))
        for number in numbers:
            table.delete(TERMS + number_key(number))
            if number in vectors and number not in kept:
                table.delete(VECTOR + number_key(number))
    return len(tail)


def _terms_anew(table: SetTable, number: int) -> ItemTerms:
    """The terms of an item by its record, as far as that can be read."""
    record = table.get(ITEM + number_key(number))
    try:
        return decode_item_terms(terms_record(StoredItem.decode(record or b"")))
    except (ValueError, struct.error):
        return 0, {}


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


def _write(
    table: SetTable, numbers: Sequence[int], terms: Sequence[ItemTerms], rows: VectorRows | None
) -> set[int]:
    """Write a chunk; return the numbers of its items that have no row in it."""
    lists: dict[int, list[tuple[int, int]]] = {}
    for place, (_, counts) in enumerate(terms):
        for term, count in counts.items():
            if term in lists:
                lists[term].append((place, count))
            else:
                lists[term] = [(place, count)]
    first = number_key(numbers[0])
    table.put(LISTS + first, encode_lists(numbers, [length for length, _ in terms], lists))
    table.put(LIVE + first, all_live(len(numbers)))
    if rows is None:
        return set(numbers)
    small, halves = encode_rows(rows)
    table.put(SMALL + first, small)
    table.put(HALVES + first, halves)
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
    try:
        numbers, terms, rows, strange = _living(table, firsts)
    except BrokenChunkError:
        return False
    for first in map(number_key, firsts):
        for kind in (LIVE, LISTS, SMALL, HALVES):
            table.delete(kind + first)
    for number, vector in strange:
        table.put(VECTOR + number_key(number), vector)
    if numbers:
        _write(table, numbers, terms, rows)
    return True


def _living(
    table: SetTable, firsts: Sequence[int]
) -> tuple[list[int], list[ItemTerms], VectorRows | None, list[tuple[int, bytes]]]:
    """Items, terms and vectors that live in some chunks, and vectors of other dimensions."""
    numbers: list[int] = []
    terms: list[ItemTerms] = []
    parts: list[tuple[int, VectorRows, list[int], list[int]]] = []
    for first in firsts:
        lists = table.lists(first)
        bitmap = table.get(LIVE + number_key(first))
        flags = flags_of(bitmap) if bitmap else bytearray()
        if len(flags) != len(lists.seqs):
            raise BrokenChunkError("the bitmap is not that of the lists")
        start = len(numbers)
        living = [place for place, live in enumerate(flags) if live]
        new_place = {place: start + index for index, place in enumerate(living)}
        found = lists.items()
        numbers += (lists.seqs[place] for place in living)
        terms += (found[place] for place in living)
        rows = table.rows(first, halves=True)
        if rows is not None:
            if rows.items != len(flags):
                raise BrokenChunkError("the vectors are not those of the lists")
            kept = [row for row, place in enumerate(rows.places) if flags[place]]
            places = [new_place[rows.places[row]] for row in kept]
            parts.append((len(kept), rows, kept, places))
    if not parts:
        return numbers, terms, None, []
    dims = max(parts, key=_rows_in)[1].dims
    strange = [
        (numbers[place], rows.picked([row])[2])
        for _, rows, kept, places in parts
        if rows.dims != dims
        for row, place in zip(kept, places, strict=True)
    ]
    same = [part for part in parts if part[1].dims == dims]
    picked = [rows.picked(kept) for _, rows, kept, _ in same]
    scales, small, halves = (b"".join(pieces) for pieces in zip(*picked, strict=True))
    joined = [place for _, _, _, places in same for place in places]
    if not joined:
        return numbers, terms, None, strange
    return numbers, terms, VectorRows(dims, len(numbers), joined, scales, small, halves), strange


def _rows_in(part: tuple[int, VectorRows, list[int], list[int]]) -> int:
    return part[0]
