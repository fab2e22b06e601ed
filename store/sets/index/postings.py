"""Inverted lists: which items of a chunk have a term, and how often.

Two kinds of values, both of little-endian numbers:

*The words of one item*, as the tail of a set has them, terms ascending:

    length of the text in words (u32) | number of terms (u32) | terms (u32) | counts (u8)

*The lists of a chunk*, which also name its items. The lists of all terms are in one row; the one
of the n-th term goes from the n-th offset to the next:

    version (u16) | 0 (u16) | items (u32) | terms (u32) | entries (u32) | CRC-32 (u32) | 0 (u32)
    | sequence numbers of the items (u64) | lengths of their texts (u32) | terms (u32)
    | offsets (u32, one more than terms) | places (u16 for each entry) | counts (u8 for each entry)

A term is found by bisection in the value as it is in the database, so a search reads a few pages
of a chunk. All this works without numpy, at a few microseconds for a chunk.
"""

from __future__ import annotations

import struct
import sys
from array import array
from bisect import bisect_left
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

from .vector_chunk import BrokenChunkError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Buffer = bytes | memoryview
    ListRows = tuple[Buffer, Buffer, Buffer, Buffer]
    """All terms, offsets, places and counts, as they are in the value of a chunk."""

__all__ = [
    "ChunkLists",
    "ItemTerms",
    "TailTerms",
    "decode_item_terms",
    "encode_item_terms",
    "encode_rows_of_lists",
    "length_in",
    "numbers_in",
    "parts_of_item",
    "place_in",
]

_ITEM_HEAD: Final = struct.Struct("<II")
_HEAD: Final = struct.Struct("<HHIIIII")
_VERSION: Final = 1
_CRC_AT: Final = 16
_MOST_FOUND: Final = 64
_OF_A_TERM: Final = 300
"""Bytes of what was found by a term, about; most terms are in few items."""
_MOST: Final = 255
"""A count that is higher is written as this: further occurrences would change no ranking."""

ItemTerms = tuple[int, dict[int, int]]
"""The length of an item's text, and how often it has each term."""


def encode_item_terms(words: Mapping[int, int], others: Sequence[int] | set[int] = ()) -> bytes:
    """The value of one item.

    Args:
        words: terms of its text, and how often it has each.
        others: terms of its metadata, which do not count as length.
    """
    return encode_counts(sum(words.values()), {**dict.fromkeys(others, 1), **words})


def encode_counts(length: int, counts: Mapping[int, int]) -> bytes:
    """The value of one item whose length is known."""
    terms = sorted(counts)
    return b"".join(
        (
            _ITEM_HEAD.pack(min(length, 0xFFFFFFFF), len(terms)),
            array("I", terms),
            bytes([min(counts[term], _MOST) for term in terms]),
        )
    )


def decode_item_terms(value: Buffer) -> ItemTerms:
    """Inverse of `encode_item_terms`.

    Raises:
        BrokenChunkError: it is damaged.
    """
    length, terms, counts = parts_of_item(value)
    return length, dict(zip(memoryview(terms).cast("I"), counts, strict=True))


def parts_of_item(value: Buffer) -> tuple[int, Buffer, Buffer]:
    """The length of an item's text, its terms (u32), and counts. Raises BrokenChunkError."""
    length, number = _item_head(value)
    end = _ITEM_HEAD.size + 4 * number
    return length, value[_ITEM_HEAD.size : end], value[end:]


def length_in(value: Buffer) -> int:
    """The length of an item's text, in words. Raises BrokenChunkError."""
    return _item_head(value)[0]


def _item_head(value: Buffer) -> tuple[int, int]:
    if len(value) >= _ITEM_HEAD.size:
        length, number = _ITEM_HEAD.unpack_from(value)
        if len(value) == _ITEM_HEAD.size + 5 * number:
            return length, number
    raise BrokenChunkError("the words of an item have another length than their head says")


class TailTerms:
    """The words of the items of a tail, in one piece, so that a term is found by one search.

    Attributes:
        lengths: the length of each item's text.
    """

    __slots__ = ("_counts_at", "_found", "_joined", "_most_found", "_starts", "lengths")

    def __init__(self, values: Sequence[Buffer], before: TailTerms | None = None) -> None:
        """`before` are those of items in front of these. Raises BrokenChunkError."""
        self.lengths: list[int] = []
        self._starts: list[int] = []
        self._counts_at: list[int] = []
        joined: bytes = b""
        if before is not None:
            self.lengths += before.lengths
            self._starts += before._starts  # noqa: SLF001 (of this class)
            self._counts_at += before._counts_at  # noqa: SLF001
            joined = before._joined  # noqa: SLF001
        start = len(joined)
        for value in values:
            length, number = _item_head(value)
            self.lengths.append(length)
            self._starts.append(start + _ITEM_HEAD.size)
            self._counts_at.append(start + _ITEM_HEAD.size + 4 * number)
            start += len(value)
        self._joined: bytes = b"".join((joined, *values))
        self._most_found = min(_MOST_FOUND, len(self.lengths))
        self._found: dict[int, tuple[Sequence[int], bytearray]] = {}
        """What was found by the terms that were looked for last."""

    @property
    def size(self) -> int:
        """About how many bytes it has."""
        return len(self._joined) + _OF_A_TERM * self._most_found

    def find(self, term: int) -> tuple[Sequence[int], bytearray]:
        """The place of each item that has a term, ascending, and how often each has it."""
        found = self._found.get(term)
        if found is None:
            if len(self._found) >= self._most_found:
                self._found.clear()
            places, counts = self._search(term)
            found = self._found[term] = array("I", places), counts
        return found

    def _search(self, term: int) -> tuple[list[int], bytearray]:
        wanted = term.to_bytes(4, "little")
        joined, starts, counts_at = self._joined, self._starts, self._counts_at
        find = joined.find
        places: list[int] = []
        counts = bytearray()
        at = find(wanted)
        place = 0
        while at >= 0:
            place = bisect_left(starts, at + 1, place) - 1
            if place >= 0:
                inside = at - starts[place]
                end = counts_at[place]
                if at < end and not inside % 4:
                    places.append(place)
                    counts.append(joined[end + inside // 4])
                    at = end - 1
            else:
                place = 0
            at = find(wanted, at + 1)
        return places, counts


def encode_rows_of_lists(seqs: Sequence[int], lengths: Sequence[int], rows: ListRows) -> bytes:
    """The value of a chunk: its items' numbers and lengths, and the rows of its lists."""
    terms, _, _, counts = rows
    body = b"".join(
        (
            struct.pack(f"<{len(seqs)}Q", *seqs),
            struct.pack(f"<{len(lengths)}I", *lengths),
            *rows,
        )
    )
    head = _HEAD.pack(_VERSION, 0, len(seqs), len(terms) // 4, len(counts), 0, 0)
    crc = crc32(body, crc32(head[:_CRC_AT]))
    return head[:_CRC_AT] + struct.pack("<II", crc, 0) + body


def numbers_in(value: Buffer) -> memoryview:
    """The numbers of the items of a chunk, by their places; `value` may be cut short behind them.

    Raises:
        BrokenChunkError: it is damaged.
    """
    if len(value) < _HEAD.size:
        raise BrokenChunkError("the lists are cut short")
    size = 8 * _HEAD.unpack_from(value)[2]
    numbers = memoryview(value)[_HEAD.size : _HEAD.size + size]
    if len(numbers) != size:
        raise BrokenChunkError("the lists are cut short")
    return numbers.cast("Q")


def place_in(value: Buffer, number: int) -> int | None:
    """The place of an item of a chunk, None if it is not in it; `value` may be cut short behind it.

    Raises:
        BrokenChunkError: it is damaged.
    """
    seqs = numbers_in(value)
    place = bisect_left(seqs, number)
    return place if place < len(seqs) and seqs[place] == number else None


def _section(pieces: Sequence[Buffer], start: int, end: int) -> memoryview:
    """Some bytes of a value that is in pieces; copied only where they are in several of them."""
    found: list[memoryview] = []
    for piece in pieces:
        if start < len(piece):
            found.append(memoryview(piece)[start:end])
        start, end = max(0, start - len(piece)), end - len(piece)
        if end <= 0:
            break
    return found[0] if len(found) == 1 else memoryview(b"".join(found))


def _sum_of(pieces: Sequence[Buffer]) -> int:
    """The checksum of a value that is in pieces."""
    first = memoryview(pieces[0])
    crc = crc32(first[_HEAD.size :], crc32(first[:_CRC_AT]))
    for piece in pieces[1:]:
        crc = crc32(piece, crc)
    return crc


class ChunkLists:
    """The lists of a chunk, read in place.

    Args:
        pieces: what `encode_rows_of_lists` made, cut into pieces.
        check: whether the sum of all bytes is compared, too.

    Attributes:
        seqs: the sequence numbers of its items, ascending.
        lengths: the lengths of their texts.
        terms: all terms, ascending.

    Raises:
        BrokenChunkError: it is damaged.
    """

    __slots__ = ("_counts", "_offsets", "_places", "lengths", "seqs", "terms")

    def __init__(self, pieces: Sequence[Buffer], /, *, check: bool = True) -> None:
        if not pieces or len(pieces[0]) < _HEAD.size:
            raise BrokenChunkError("the lists are cut short")
        version, zero, items, terms, entries, crc, zeros = _HEAD.unpack_from(pieces[0])
        at = [_HEAD.size]
        for size in (8 * items, 4 * items, 4 * terms, 4 * (terms + 1), 2 * entries, entries):
            at.append(at[-1] + size)
        length = sum(map(len, pieces))
        if version != _VERSION or at[-1] != length or zero or zeros:
            raise BrokenChunkError("the lists begin with numbers that make no sense")
        if check and _sum_of(pieces) != crc:
            raise BrokenChunkError("the lists have another checksum than their head says")
        seqs, lengths, terms, offsets, places, counts = (
            _section(pieces, start, end) for start, end in pairwise(at)
        )
        self.seqs: Sequence[int] = seqs.cast("Q")
        self.lengths: memoryview = lengths.cast("I")
        self.terms: memoryview = terms.cast("I")
        self._offsets = offsets.cast("I")
        self._places = places
        self._counts = counts

    def find(self, term: int) -> tuple[memoryview, memoryview] | None:
        """The places of the items that have a term (bytes of u16), and how often each has it."""
        index = bisect_left(self.terms, term)
        if index == len(self.terms) or self.terms[index] != term:
            return None
        return self.entries(index)

    def find_all(self, np: Any, terms: Any) -> Iterator[tuple[int, memoryview, memoryview]]:
        """Yield what `find` returns for each of many terms, with its index; see `Segment`."""
        own = np.frombuffer(self.terms, np.uint32)
        at = own.searchsorted(terms)
        np.minimum(at, len(own) - 1, out=at)
        indexes = np.flatnonzero(own[at] == terms) if len(own) else own
        for index, its in zip(indexes.tolist(), at[indexes].tolist(), strict=True):
            yield index, *self.entries(its)

    def entries(self, index: int) -> tuple[memoryview, memoryview]:
        """As `find`, by the number of the term."""
        start, end = self._offsets[index], self._offsets[index + 1]
        if not start <= end <= len(self._counts):
            raise BrokenChunkError("the lists have offsets that make no sense")
        return self._places[2 * start : 2 * end], self._counts[start:end]

    def rows(self) -> ListRows:
        """The bytes of all terms, offsets, places and counts."""
        return self.terms.cast("B"), self._offsets.cast("B"), self._places, self._counts

    def place_of(self, seq: int) -> int | None:
        """The place of an item, None if it is not in the chunk."""
        place = bisect_left(self.seqs, seq)
        return place if place < len(self.seqs) and self.seqs[place] == seq else None

    def items(self) -> list[ItemTerms]:
        """The length and the terms of each item: what the lists were made of."""
        found: list[dict[int, int]] = [{} for _ in self.seqs]
        for index, term in enumerate(self.terms):
            places, counts = self.entries(index)
            for place, count in zip(places.cast("H"), counts, strict=True):
                found[place][term] = count
        return list(zip(self.lengths, found, strict=True))


if sys.byteorder != "little":  # pragma: no cover
    raise ImportError("The index of memory sets is written and read by little-endian machines.")
