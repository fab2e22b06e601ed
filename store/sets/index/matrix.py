"""All vectors that a set has in chunks, in one piece: what a small set is searched in.

To find the pieces of chunks in a database, to multiply them one by one, and to read of each what is
compared exactly takes several times as long as the products of ten thousand vectors. So a process
that searches a small set again and again keeps a copy of what the searches need. Chunks are never
changed, so a copy is good for as long as the set has these chunks and no others; which of their
items live is a mask beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from .bitmap import flags_of, numbers_of
from .products import pack
from .vectors import numpy

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from .products import Packed
    from .vector_chunk import VectorRows

    Buffer = bytes | memoryview | bytearray
    Flags = NDArray[np.bool_]

__all__ = ["OF_A_NUMBER", "OF_A_ROW", "MatrixChunk", "VectorMatrix", "live_flags"]

OF_A_NUMBER: Final = 3
"""Bytes of a number of a vector: i8 and f16."""
OF_A_ROW: Final = 14
"""Bytes of a row that are not its vector: the scale, the number and the place of its item."""


class MatrixChunk(NamedTuple):
    """A chunk, as it is read to be copied.

    Attributes:
        first: the first number of its range.
        numbers: of its items.
        rows: its vectors, with those in f16.
    """

    first: int
    numbers: Sequence[int]
    rows: VectorRows


class VectorMatrix:
    """The vectors of chunks, one row after the other; for many threads.

    Attributes:
        dims: numbers of a vector.
        firsts: the first numbers of the chunks.
        packed: the rows of i8.
        scales: one for each row.
        size: in bytes.
    """

    __slots__ = ("_halves", "_numbers", "_spans", "dims", "firsts", "packed", "scales", "size")

    def __init__(self, chunks: Sequence[MatrixChunk]) -> None:
        """`chunks` are at least one, by ascending first numbers, of vectors of one length."""
        np = numpy()
        self.dims = dims = chunks[0].rows.dims
        self.firsts = [chunk.first for chunk in chunks]
        small = b"".join([piece for chunk in chunks for piece in chunk.rows.small])
        halves = b"".join([piece for chunk in chunks for piece in chunk.rows.halves])
        self.packed: Packed = pack(np, small, dims)
        self.scales = np.frombuffer(b"".join([chunk.rows.scales for chunk in chunks]), "<f4")
        self._halves = np.frombuffer(halves, "<i2").reshape(-1, dims)
        places = [np.array(chunk.rows.places, np.uint16) for chunk in chunks]
        self._spans = [(each, chunk.rows.items) for each, chunk in zip(places, chunks, strict=True)]
        """Of each chunk, the places of its rows, and how many places there are."""
        self._numbers = np.concatenate(
            [
                np.array(chunk.numbers, np.uint64)[at]
                for chunk, at in zip(chunks, places, strict=True)
            ]
        )
        """Ascending, as those of chunks are."""
        self.size = len(self.scales) * (OF_A_NUMBER * dims + OF_A_ROW)

    def __len__(self) -> int:
        return len(self.scales)

    def all_numbers(self) -> Sequence[int]:
        """The number of the item of each row, ascending."""
        return memoryview(self._numbers)

    def all_halves(self) -> Buffer:
        """All rows of f16, one after the other."""
        rows: Buffer = self._halves.data
        return rows

    def numbers(self, rows: Sequence[int]) -> list[int]:
        """The numbers of the items of some rows."""
        found: list[int] = self._numbers[rows].tolist()
        return found

    def halves(self, rows: Sequence[int]) -> bytes:
        """Some rows of f16, one after the other."""
        found: bytes = self._halves[rows].tobytes()
        return found

    def mask(self, flags: Mapping[int, Buffer | None]) -> Flags | None:
        """A flag for each row: whether it may be found; None if all may.

        Args:
            flags: by the first number of each chunk, a byte for each of its places that is 0 if its
                item must not be found; None if all may.

        Raises:
            ValueError: they are not those of these chunks.
        """
        np, found, is_narrowed = numpy(), [], False
        for first, (places, items) in zip(self.firsts, self._spans, strict=True):
            each = flags[first]
            if each is None:
                found.append(np.ones(len(places), np.bool_))
                continue
            if len(each) != items:
                msg = f"chunk {first} has {items} items, and flags of {len(each)}"
                raise ValueError(msg)
            is_narrowed = True
            found.append(np.frombuffer(each, np.bool_)[places])
        return np.concatenate(found) if is_narrowed else None

    def without(self, mask: Flags | None, numbers: Collection[int]) -> Flags | None:
        """A mask, without the rows of some items."""
        np = numpy()
        rows = np.isin(self._numbers, np.array(list(numbers), np.uint64)).nonzero()[0]
        if not len(rows):
            return mask
        found: Flags = np.ones(len(self), np.bool_) if mask is None else mask.copy()
        found[rows] = False
        return found


def live_flags(bitmaps: Mapping[int, bytes]) -> dict[int, Buffer | None]:
    """For `mask`, of bitmaps that are sound."""
    found: dict[int, Buffer | None] = {}
    for first, bitmap in bitmaps.items():
        places, live = numbers_of(bitmap)
        found[first] = None if live == places else flags_of(bitmap)
    return found
