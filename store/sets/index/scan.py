"""A search over the i8 of chunks, or of matrices made of them, which keeps the best."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .products import products
from .vectors import numpy

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .matrix import VectorMatrix
    from .vector_chunk import VectorRows

    Buffer = bytes | memoryview | bytearray
    Flags = NDArray[np.bool_]
    Floats = NDArray[np.float32]

__all__ = ["MOST_ROWS", "Scan"]

MOST_ROWS: Final = 1 << 15
"""Scores that are kept before the best of them are picked; more than a chunk has."""
_CERTAIN: Final = 1.9
"""Steps of rounding: see `Scan`."""
_OF_A_GROUP: Final = 16
"""Scores of which one is looked at when the best are picked."""
_NOTHING: Final = -(2.0**100)
"""Less than any score, also of vectors that are not of unit length."""


class Scan:
    """A search over the i8 of many chunks, which keeps the best.

    Args:
        query: of unit length.
        keep: how many to keep.

    Both the rows and the query may have been rounded. How far that puts a product off has a bound:
    it is a sum of as many errors as there are dimensions, each spread evenly over a step, so it
    exceeds `_CERTAIN` steps (of both, as the sides of a right angle) less than once in a thousand
    million times, by the bound of Chernoff.
    """

    __slots__ = (
        "_best",
        "_chunks",
        "_filled",
        "_keep",
        "_least",
        "_np",
        "_products",
        "_room",
        "_scales",
        "_scores",
        "_starts",
    )

    def __init__(self, query: Floats, keep: int) -> None:
        self._np = np = numpy()
        self._products = products(np, query)
        self._keep = keep
        self._room: Floats | None = _spare.pop() if _spare else np.empty((2, MOST_ROWS), np.float32)
        self._scores: Floats = self._room[0]
        self._scales: Floats = self._room[1]
        """One for each score."""
        self._filled = 0
        self._starts: list[int] = []
        """Where the scores of chunks begin, of those that are not reduced yet."""
        self._chunks: list[tuple[Any, Any]] = []
        """The names of all chunks, and the rows that have scores if not all have."""
        self._least = _NOTHING
        """What is not more has no chance."""
        floats, numbers = np.empty(0, np.float32), np.empty(0, np.int64)
        self._best: list[Any] = [floats, floats, numbers, numbers]
        """Scores, scales, indices of chunks and rows of the best."""

    def add(self, name: Any, rows: VectorRows, flags: Buffer | None = None) -> None:
        """Search a chunk.

        Args:
            name: how `best` calls it.
            rows: its vectors.
            flags: for each of its items, a byte: 0 if it must not be found; None if all may.
        """
        np = self._np
        count = len(rows.places)
        scales = np.frombuffer(rows.scales, "<f4")
        picked = wanted = None
        if flags is not None:
            wanted = np.frombuffer(flags, np.bool_)
            if count != rows.items:
                wanted = wanted[np.asarray(rows.places)]
            picked = np.flatnonzero(wanted)
            if not len(picked):
                return
            if len(picked) * 2 < count:
                scales, count = scales[picked], len(picked)
                wanted = None
        scores = self._room_for(count)
        if count < len(rows.places):
            self._multiply_picked(rows, picked, scores)
        else:
            self._products.multiply(rows.small, scores)
            picked = None
        self._fill(name, scales, picked, wanted)

    def add_matrix(self, name: Any, matrix: VectorMatrix, wanted: Flags | None = None) -> None:
        """Search a matrix, which has not more rows than `MOST_ROWS`.

        Args:
            name: how `best` calls it.
            matrix: its rows.
            wanted: for each of them, whether it may be found; None if all may.
        """
        self._products.multiply_packed(matrix.packed, self._room_for(len(matrix)))
        self._fill(name, matrix.scales, None, wanted)

    def _room_for(self, count: int) -> Floats:
        """Where the next scores go."""
        if self._filled + count > MOST_ROWS:
            self._reduce()
        return self._scores[self._filled : self._filled + count]

    def _fill(self, name: Any, scales: Any, picked: Any, wanted: Any) -> None:
        """Say what the scores are of that have just been written."""
        start, end = self._filled, self._filled + len(scales)
        self._scales[start:end] = scales
        if wanted is not None:
            self._np.copyto(self._scores[start:end], self._np.float32(_NOTHING), where=~wanted)
            self._np.copyto(self._scales[start:end], self._np.float32(1.0), where=~wanted)
        self._starts.append(start)
        self._chunks.append((name, picked))
        self._filled = end

    def _multiply_picked(self, rows: VectorRows, picked: Any, scores: Floats) -> None:
        """Multiply some rows, by their ascending numbers."""
        np, first, found = self._np, 0, []
        for piece in rows.small:
            block = np.frombuffer(piece, np.int8).reshape(-1, rows.dims)
            start, end = np.searchsorted(picked, (first, first + len(block)))
            if start < end:
                found.append(block[picked[start:end] - first])
            first += len(block)
        self._products.multiply(found, scores)

    def best(self, sure: int | None = None) -> list[tuple[float, Any, int]]:
        """The best, in descending order: score, name of the chunk, row. Ends the search.

        Args:
            sure: leave out what is not among so many of the best, whatever rounding has changed.
        """
        self._reduce()
        np, unit, step = self._np, self._products.unit, self._products.step
        self._products.close()
        self._leave_room()
        scores, scales, chunks, rows = self._best
        scores = scores * np.float32(unit)
        if sure is not None and sure < len(scores):
            off = np.hypot(scales, np.float32(step)) * np.float32(_CERTAIN)
            at = len(scores) - sure
            ordered = scores - off
            ordered.partition(at)
            likely = (scores + off >= ordered[at]).nonzero()[0]
            scores, chunks, rows = scores[likely], chunks[likely], rows[likely]
        order = (-scores).argsort(kind="stable")
        found = []
        for score, chunk, row in zip(
            scores[order].tolist(), chunks[order].tolist(), rows[order].tolist(), strict=True
        ):
            name, picked = self._chunks[chunk]
            found.append((score, name, row if picked is None else int(picked[row])))
        return found

    def _leave_room(self) -> None:
        room, self._room = self._room, None
        if room is not None and len(_spare) < _MOST_SPARE:
            _spare.append(room)

    def _reduce(self) -> None:
        """Keep the best of all that has been scored."""
        np, keep, filled = self._np, self._keep, self._filled
        if not filled:
            return
        scores, scales = self._scores[:filled], self._scales[:filled]
        np.multiply(scores, scales, out=scores)
        least = _nearly_least(np, scores, keep)
        likely = scores >= least if least > self._least else scores > self._least
        at = likely.nonzero()[0]
        if len(at) > keep:
            at = at[_first_best(np, scores[at], keep)]
        starts = np.array(self._starts, np.int64)
        spans = starts.searchsorted(at, side="right") - 1
        rows = at - starts[spans]
        together = [scores[at], scales[at], spans + len(self._chunks) - len(starts), rows]
        if len(self._best[0]):
            together = [np.concatenate(pair) for pair in zip(self._best, together, strict=True)]
        if len(together[0]) > keep:
            kept = _first_best(np, together[0], keep)
            together = [each[kept] for each in together]
        if len(together[0]) == keep:
            self._least = together[0].min()
        self._best = together
        self._filled = 0
        self._starts.clear()


_spare: list[Any] = []
"""Where scans have kept their scores, for the next one; as many as there are at a time."""
_MOST_SPARE: Final = 2


def _nearly_least(np: Any, scores: Floats, keep: int) -> float:
    """A score that so many have or exceed, and not many more; `_NOTHING` for few scores.

    Each of the groups that the scores are dealt to has one that is its best. Of as many groups the
    best are looked at, which is quicker than to order the scores.
    """
    groups = len(scores) // _OF_A_GROUP
    if groups <= keep:
        return _NOTHING
    dealt = scores[: groups * _OF_A_GROUP].reshape(_OF_A_GROUP, groups)
    best = np.fmax(np.fmax.reduce(dealt, axis=0), np.float32(_NOTHING))  # NaN: damaged
    best.partition(groups - keep)
    return float(best[groups - keep])


def _first_best(np: Any, scores: Floats, keep: int) -> Any:
    """Where the best are, ascending; of equal ones, the first."""
    at = len(scores) - keep
    ordered = scores.copy()
    ordered.partition(at)
    least = ordered[at]
    better = (scores > least).nonzero()[0]
    equal = (scores == least).nonzero()[0][: keep - len(better)]
    found = np.concatenate((better, equal))
    found.sort()
    return found
