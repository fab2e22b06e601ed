"""Arithmetic of vectors. Of the store, only this module imports numpy, when it is first needed.

Vectors are of unit length, so a dot product is the cosine. In the tail of a set they are f16; in
chunks i8 times a scale, with the f16 beside it. A search multiplies the i8 with the query, keeps a
few dozen of the best, and multiplies these in f16.

numpy converts f16 slowly. Shifted into place, the bits of an f16 are those of an f32 that is
smaller by a factor of 2^112, which the query makes up for: a sixth of the time.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from ....agent.errors import MissingExtraError
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
_SCORES: Final = 1 << 16
"""Scores that are kept before the best of them are picked."""
_F16_TO_F32: Final = 13
_F32_FACTOR: Final = 2.0**112
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
    if not np.isfinite(vector).all():
        raise ValueError("A vector has NaN or an infinite number in it.")
    largest = float(np.abs(vector).max())
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
    rows = _times_2_to_minus_112(np, halves, dims) * np.float32(_F32_FACTOR)
    largest = np.abs(rows).max(axis=1)
    scales = (largest / np.float32(127)).astype(np.float32)
    factors = np.divide(
        np.float32(127), largest, out=np.zeros_like(largest), where=largest > np.float32(1e-30)
    )
    small = np.rint(rows * factors[:, None]).astype(np.int8)
    return VectorRows(dims, items, places, scales.tobytes(), (small.tobytes(),), (bytes(halves),))


def cosines(halves: Buffer, query: Floats) -> list[float]:
    """The products of rows of f16, one after the other, with a query."""
    np = numpy()
    rows = _times_2_to_minus_112(np, halves, len(query))
    found: list[float] = (rows @ (query * np.float32(_F32_FACTOR))).tolist()
    return found


def _times_2_to_minus_112(np: Any, halves: Buffer, dims: int) -> Floats:
    bits = np.frombuffer(halves, np.dtype("<i2")).astype(np.int32)
    np.left_shift(bits, _F16_TO_F32, out=bits)
    # The sign has been extended over the three highest bits of the exponent.
    np.bitwise_and(bits, np.uint32(0x8FFFE000).view(np.int32), out=bits)
    rows: Floats = bits.view(np.float32).reshape(-1, dims)
    return rows


class Scan:
    """A search over the i8 of many chunks, which keeps the best.

    Args:
        query: of unit length.
        keep: how many to keep.
    """

    __slots__ = (
        "_best",
        "_filled",
        "_keep",
        "_np",
        "_products",
        "_scores",
        "_spans",
    )

    def __init__(self, query: Floats, keep: int) -> None:
        self._np = np = numpy()
        self._products = products(np, query)
        self._keep = keep
        self._scores: Floats = np.empty(_SCORES, np.float32)
        self._filled = 0
        self._spans: list[tuple[int, Any, Any]] = []
        """Where the scores of a chunk begin, its name, and rows if not all have scores."""
        self._best: list[tuple[float, Any, int]] = []

    def add(self, name: Any, rows: VectorRows, flags: Buffer | None = None) -> None:
        """Search a chunk.

        Args:
            name: how `best` calls it.
            rows: its vectors.
            flags: for each of its items, a byte: 0 if it must not be found; None if all may.
        """
        np = self._np
        count = len(rows.places)
        scales = np.frombuffer(rows.scales, np.dtype("<f4"))
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
        if self._filled + count > len(self._scores):
            self._reduce()
        start = self._filled
        scores = self._scores[start : start + count]
        if count < len(rows.places):
            self._multiply_picked(rows, picked, scores)
        else:
            self._products.multiply(rows.small, scores)
        np.multiply(scores, scales, out=scores)
        if wanted is not None:
            np.copyto(scores, np.float32(_NOTHING), where=~wanted)
            picked = None
        self._spans.append((start, name, picked))
        self._filled += count

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

    def best(self) -> list[tuple[float, Any, int]]:
        """The best, in descending order: score, name of the chunk, row. Ends the search."""
        self._reduce()
        self._products.close()
        return self._best

    def _reduce(self) -> None:
        """Keep the best of all that has been scored."""
        np, keep = self._np, self._keep
        scores = self._scores[: self._filled]
        if len(scores) > keep:
            found = np.argpartition(scores, len(scores) - keep)[-keep:]
        else:
            found = np.arange(len(scores))
        starts = np.array([start for start, _, _ in self._spans], np.int64)
        spans = np.searchsorted(starts, found, side="right") - 1
        best = self._best
        for index, span in zip(found.tolist(), spans.tolist(), strict=True):
            score = float(scores[index])
            if score > _NOTHING:
                start, name, picked = self._spans[span]
                row = index - start
                best.append((score, name, row if picked is None else int(picked[row])))
        best.sort(key=_score, reverse=True)
        del best[keep:]
        self._filled = 0
        self._spans = []


def _score(found: tuple[float, Any, int]) -> float:
    return found[0]
