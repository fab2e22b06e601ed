"""Arithmetic of vectors. Of the store, only this module imports numpy, when it is first needed.

Vectors are of unit length, so a dot product is the cosine. In the tail of a set they are f16; in
chunks i8 times a scale, with the f16 beside it. A search multiplies the i8 with the query, and in
f16 what may be among the best by that.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from ....agent.errors import MissingExtraError
from .halves import as_floats, half_products
from .products import products
from .vector_chunk import VectorRows

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    Buffer = bytes | memoryview | bytearray
    Floats = NDArray[np.float32]

__all__ = [
    "MOST_DIMENSIONS",
    "Scan",
    "cosines",
    "is_there",
    "numpy",
    "pack_vector",
    "quantized",
    "stored_query",
    "unit_query",
    "unpack_vector",
]

MOST_DIMENSIONS: Final = 16_384
_SCORES: Final = 1 << 15
"""Scores that are kept before the best of them are picked; more than a chunk has."""
_CERTAIN: Final = 1.9
"""Steps of rounding: see `Scan`."""
_OF_A_GROUP: Final = 16
"""Scores of which one is looked at when the best are picked."""
_NOTHING: Final = -(2.0**100)
"""Less than any score, also of vectors that are not of unit length."""


def numpy() -> Any:
    """The module numpy.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import numpy as np  # noqa: PLC0415 (an extra)
    except ImportError:
        raise MissingExtraError(
            "Vectors of memory sets need numpy, which is not installed.",
            hint="Install it with: pip install 'tamias[memory]'",
        ) from None
    return np


def is_there() -> bool:
    """Whether numpy can be imported."""
    try:
        numpy()
    except MissingExtraError:
        return False
    return True


def pack_vector(values: Sequence[float] | NDArray[Any]) -> bytes:
    """A vector as it is stored: of unit length, in f16. One without length stays as it is.

    Raises:
        ValueError: it is empty, too long, or has what is no finite number.
        MissingExtraError: numpy is not installed.
    """
    np = numpy()
    packed: bytes = _unit(np, values).astype(np.dtype("<f2")).tobytes()
    return packed


def unit_query(values: Sequence[float] | NDArray[Any]) -> Floats:
    """A vector to search for: of unit length, in f32; raises what `pack_vector` does."""
    np = numpy()
    query: Floats = _unit(np, values).astype(np.float32)
    return query


def _unit(np: Any, values: Any) -> Any:
    try:
        vector = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError("A vector is a sequence of numbers.") from None
    if vector.ndim != 1 or not 0 < len(vector) <= MOST_DIMENSIONS:
        raise ValueError(
            f"A vector is a sequence of 1 to {MOST_DIMENSIONS:,} numbers, "
            f"and this has the shape {vector.shape}."
        )
    largest = float(abs(vector).max())  # NaN if one is
    if not math.isfinite(largest):
        raise ValueError("A vector has NaN or an infinite number in it.")
    if largest == 0.0:
        return vector
    vector = vector / largest  # so that no square overflows or vanishes
    return vector / math.sqrt(float(vector @ vector))


def unpack_vector(data: Buffer) -> list[float]:
    """Inverse of `pack_vector`."""
    np = numpy()
    values: list[float] = np.frombuffer(data, np.dtype("<f2")).astype(np.float32).tolist()
    return values


def stored_query(data: Buffer) -> Floats:
    """A vector as it is stored, to search for."""
    np = numpy()
    query: Floats = np.frombuffer(data, np.dtype("<f2")).astype(np.float32)
    return query


def quantized(halves: Buffer, dims: int, places: Sequence[int], items: int) -> VectorRows:
    """Rows of f16, one after the other, as those of a chunk."""
    np = numpy()
    rows = as_floats(np, halves, dims)
    largest = np.abs(rows).max(axis=1)
    scales = (largest / np.float32(127)).astype(np.float32)
    factors = np.divide(
        np.float32(127), largest, out=np.zeros_like(largest), where=largest > np.float32(1e-30)
    )
    small = np.rint(rows * factors[:, None]).astype(np.int8)
    return VectorRows(dims, items, places, scales.tobytes(), (small.tobytes(),), (bytes(halves),))


def cosines(halves: Buffer, query: Floats) -> Floats:
    """The products of rows of f16, one after the other, with a query from `stored_query`."""
    return half_products(numpy(), halves, query)


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
        self._room: Floats | None = _spare.pop() if _spare else np.empty((2, _SCORES), np.float32)
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
        start = self._filled
        if start + count > _SCORES:
            self._reduce()
            start = 0
        end = start + count
        scores = self._scores[start:end]
        if count < len(rows.places):
            self._multiply_picked(rows, picked, scores)
        else:
            self._products.multiply(rows.small, scores)
            picked = None
        self._scales[start:end] = scales
        if wanted is not None:
            np.copyto(scores, np.float32(_NOTHING), where=~wanted)
            np.copyto(self._scales[start:end], np.float32(1.0), where=~wanted)
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
