"""Makes the inverted lists of a chunk, of items of a tail and of what lives in other chunks.

All entries (term, place, count) are put in three rows, place by place, and sorted by their terms;
so entries of one term stay in the order of their places. With numpy, if the process has it in use,
that takes a tenth of the time.
"""

from __future__ import annotations

import struct
import sys
from array import array
from itertools import compress
from typing import TYPE_CHECKING, Any, Final

from .postings import encode_rows_of_lists, parts_of_item

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .postings import ChunkLists

    Buffer = bytes | memoryview

__all__ = ["ListBuilder"]

_DEAD: Final = 0xFFFF


class ListBuilder:
    """The lists of a new chunk, to which items are added in the order of their numbers."""

    __slots__ = ("_counts", "_places", "_terms", "lengths", "numbers")

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.lengths: list[int] = []
        self._terms: list[Buffer] = []
        """Rows of u32, of which each is of one item or one chunk; and so on."""
        self._places: list[Buffer] = []
        self._counts: list[Buffer] = []

    def add_item(self, number: int, value: Buffer) -> None:
        """Add an item by its record in the tail. Raises BrokenChunkError."""
        length, terms, counts = parts_of_item(value)
        self._places.append(struct.pack("<H", len(self.numbers)) * len(counts))
        self._terms.append(terms)
        self._counts.append(counts)
        self.numbers.append(number)
        self.lengths.append(length)

    def add_chunk(self, lists: ChunkLists, living: Sequence[int]) -> None:
        """Add the living items of a chunk, by their places. Raises BrokenChunkError."""
        start = len(self.numbers)
        places = array("H", [_DEAD]) * len(lists.seqs)
        for index, place in enumerate(living, start):
            places[place] = index
        self.numbers += [lists.seqs[place] for place in living]
        self.lengths += [lists.lengths[place] for place in living]
        np = _numpy_in_use()
        rows = _with_numpy(np, lists, places) if np is not None else _with_loops(lists, places)
        self._terms.append(rows[0])
        self._places.append(rows[1])
        self._counts.append(rows[2])

    def encode(self) -> bytes:
        """The value of the chunk."""
        rows = [b"".join(pieces) for pieces in (self._terms, self._places, self._counts)]
        np = _numpy_in_use()
        ordered = _sorted_with_numpy(np, *rows) if np is not None else _sorted(*rows)
        return encode_rows_of_lists(self.numbers, self.lengths, ordered)


def _numpy_in_use() -> Any:
    """The module numpy, if something has imported it: it costs more to import than it saves."""
    return sys.modules.get("numpy")


def _with_loops(lists: ChunkLists, places: array[int]) -> tuple[bytes, bytes, bytes]:
    terms, new_places, counts = array("I"), array("H"), bytearray()
    for index, term in enumerate(lists.terms):
        old, old_counts = lists.entries(index)
        moved = [places[place] for place in old.cast("H")]
        living = [place != _DEAD for place in moved]
        kept = list(compress(moved, living))
        new_places.extend(kept)
        counts += bytes(compress(old_counts, living))
        terms.extend([term] * len(kept))
    return terms.tobytes(), new_places.tobytes(), bytes(counts)


def _with_numpy(np: Any, lists: ChunkLists, places: array[int]) -> tuple[bytes, bytes, bytes]:
    terms, offsets, old, counts = lists.rows()
    expanded = np.repeat(np.frombuffer(terms, np.uint32), np.diff(np.frombuffer(offsets, np.int32)))
    moved = np.frombuffer(places, np.uint16)[np.frombuffer(old, np.uint16)]
    living = moved != _DEAD
    return (
        expanded[living].tobytes(),
        moved[living].tobytes(),
        np.frombuffer(counts, np.uint8)[living].tobytes(),
    )


def _sorted(terms: bytes, places: bytes, counts: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    """Distinct terms, offsets of their entries, and the places and counts of these."""
    all_terms, all_places = memoryview(terms).cast("I"), memoryview(places).cast("H")
    order = sorted(range(len(counts)), key=all_terms.__getitem__)
    distinct, offsets = array("I"), array("I")
    last = -1
    for index, entry in enumerate(order):
        term = all_terms[entry]
        if term != last:
            distinct.append(term)
            offsets.append(index)
            last = term
    offsets.append(len(order))
    return (
        distinct.tobytes(),
        offsets.tobytes(),
        array("H", map(all_places.__getitem__, order)).tobytes(),
        bytes(map(counts.__getitem__, order)),
    )


def _sorted_with_numpy(
    np: Any, terms: bytes, places: bytes, counts: bytes
) -> tuple[bytes, bytes, bytes, bytes]:
    all_terms = np.frombuffer(terms, np.uint32)
    order = np.argsort(all_terms, kind="stable")
    ordered = all_terms[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=ordered[:1] ^ 1)).astype(np.uint32)
    return (
        ordered[starts].tobytes(),
        np.append(starts, np.uint32(len(order))).tobytes(),
        np.frombuffer(places, np.uint16)[order].tobytes(),
        np.frombuffer(counts, np.uint8)[order].tobytes(),
    )
