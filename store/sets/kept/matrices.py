"""The matrices of small sets that a process keeps, from one search to the next.

A matrix is of certain chunks, and lasts as long as the set has these and no others: for some
hundred additions. Deletions change only which of its rows live. What is kept says of which state of
the set it is, so a search that follows another one without a commit between them reads nothing.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from ..index.matrix import OF_A_NUMBER, OF_A_ROW, VectorMatrix, live_flags
from ..index.scan import MOST_ROWS
from ..index.vector_chunk import counts_in
from .values import Kept

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from ....agent.errors import StoreCorruptError
    from ..index.matrix import MatrixChunk

    Mark = tuple[bytes, bytes]

__all__ = ["ChunkSource", "KeptMatrices", "KeptMatrix", "Matrices"]

_ENOUGH_SEARCHES: Final = 12
"""A copy of chunks is made at this search of them: it costs about as much as so many save."""
_NOT_LARGE: Final = 3
"""So many matrices are kept at least: larger ones are not made."""


class KeptMatrix(NamedTuple):
    """A matrix, and which of its rows live.

    Attributes:
        chunks: which chunks it is of: what tells each from another one in its place.
        bitmaps: of the items of these chunks.
        matrix: the vectors.
        live: a flag for each row; None if all live.
    """

    chunks: Hashable
    bitmaps: Mapping[int, bytes]
    matrix: VectorMatrix
    live: Any


class KeptMatrices(Kept[KeptMatrix]):
    """The matrices of sets, in the version of a commit.

    A copy that is not searched often costs more than it saves. So it is worth making only if its
    chunks were asked for often enough, and that within the time in which as many bytes of others
    were asked for as are kept.
    """

    def __init__(self, most: int) -> None:
        super().__init__(most, _size_of_matrix)
        self._asked = Kept[_Asked](most, _size_of_asked)

    def is_worth(self, name: Hashable, chunks: Hashable, size: int) -> bool:
        """Count a search of chunks that have so many bytes; whether they should be copied now."""
        asked = self._asked.get(name, chunks)
        times = 1 if asked is None else asked.times + 1
        self._asked.put(name, chunks, _Asked(times, size))
        return times >= _ENOUGH_SEARCHES

    def clear(self) -> None:
        """See `Kept`."""
        super().clear()
        self._asked.clear()


class _Asked(NamedTuple):
    """How often chunks were asked for, and their size in bytes."""

    times: int
    size: int


def _size_of_matrix(kept: KeptMatrix) -> int:
    return kept.matrix.size


def _size_of_asked(asked: _Asked) -> int:
    return asked.size


class ChunkSource(Protocol):
    """A set whose chunks are read, as `StoredSet` does."""

    def bitmaps(self) -> Mapping[int, bytes]:
        """By the first number of each chunk, ascending: which of its items live; sound ones."""

    def mark_of_chunk(self, first: int) -> Mark:
        """What tells a chunk from others in its place; the first is empty without vectors."""

    def all_of_chunk(self, first: int) -> MatrixChunk:
        """A chunk that has vectors. Raises StoreCorruptError."""

    def damaged(self, what: str, reason: object) -> StoreCorruptError:
        """The error for a record that cannot be read."""


class Matrices:
    """The matrices of sets, those used last; for many threads.

    Args:
        most: bytes that are kept.
    """

    def __init__(self, most: int) -> None:
        self.kept = KeptMatrices(most)

    def of(self, stored: ChunkSource, name: Hashable, version: Hashable) -> KeptMatrix | None:
        """The matrix of a set as it is now; None if none is kept.

        Args:
            stored: the set.
            name: what tells it from all other sets.
            version: what tells its state from all others.

        Raises:
            StoreCorruptError: what is copied is damaged.
        """
        found = self.kept.get(name, version)
        if found is None:
            found = self._now(stored, name)
            if found is not None:
                self.kept.put(name, version, found)
        return found

    def _now(self, stored: ChunkSource, name: Hashable) -> KeptMatrix | None:
        bitmaps = stored.bitmaps()
        chunks = tuple((first, stored.mark_of_chunk(first)) for first in bitmaps)
        last = self.kept.last(name)
        if last is not None and last.chunks == chunks:
            if last.bitmaps == bitmaps:
                return last
            matrix = last.matrix
        elif self._is_worth(name, chunks):
            matrix = VectorMatrix([stored.all_of_chunk(first) for first in bitmaps])
        else:
            return None
        try:
            live = matrix.mask(live_flags(bitmaps))
        except ValueError as error:
            raise stored.damaged("bitmaps", error) from error
        return KeptMatrix(chunks, bitmaps, matrix, live)

    def _is_worth(self, name: Hashable, chunks: Sequence[tuple[int, Mark]]) -> bool:
        """Whether to make a matrix: of a set that is small, all in chunks, and searched often."""
        heads = [head for _, (head, _) in chunks]
        try:
            counts = [counts_in(head) for head in heads]
        except struct.error:  # one has no vectors, or is cut short, which the search will see
            return False
        if not counts:
            return False
        dims, rows = counts[0][0], sum(count for _, count in counts)
        size = rows * (OF_A_NUMBER * dims + OF_A_ROW)
        return (
            all(each == dims for each, _ in counts)  # else two models have made them
            and 0 < rows <= MOST_ROWS
            and size <= self.kept.most // _NOT_LARGE
            and self.kept.is_worth(name, chunks, size)
        )

    def clear(self) -> None:
        """Keep nothing of what was kept so far."""
        self.kept.clear()
