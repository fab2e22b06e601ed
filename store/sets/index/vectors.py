"""Arithmetic of vectors. Of the store, only this module imports numpy, when it is first needed.

Vectors are of unit length, so a dot product is the cosine. In the tail of a set they are f16; in
chunks i8 times a scale, with the f16 beside it. A search multiplies the i8 with the query (`scan`),
and in f16 what may be among the best by that.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from ....agent.errors import MissingExtraError
from .halves import as_floats, half_products
from .vector_chunk import VectorRows

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    Buffer = bytes | memoryview | bytearray
    Floats = NDArray[np.float32]
    Halves = NDArray[np.float16]

__all__ = [
    "MOST_DIMENSIONS",
    "cosines",
    "half_query",
    "is_there",
    "numpy",
    "pack_vector",
    "quantized",
    "stored_query",
    "unit_query",
    "unpack_vector",
]

MOST_DIMENSIONS: Final = 16_384
_SAFE: Final = 1e-200
"""A sum of squares between this and its inverse has lost nothing, and none of them was NaN."""


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
    packed: bytes = _unit(np, values).astype(np.float16).tobytes()
    return packed


def unit_query(values: Sequence[float] | NDArray[Any]) -> Floats:
    """A vector to search for: of unit length, in f32; raises what `pack_vector` does."""
    np = numpy()
    query: Floats = _unit(np, values).astype(np.float32)
    return query


def _unit(np: Any, values: Any) -> Any:
    try:
        vector = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ValueError("A vector is a sequence of numbers, as floats have them.") from None
    if vector.ndim != 1 or not 0 < len(vector) <= MOST_DIMENSIONS:
        raise ValueError(
            f"A vector is a sequence of 1 to {MOST_DIMENSIONS:,} numbers, "
            f"and this has the shape {vector.shape}."
        )
    with np.errstate(over="ignore", invalid="ignore"):  # looked at next
        square = float(vector.dot(vector))
    if not _SAFE < square < 1 / _SAFE:
        largest = float(abs(vector).max())  # NaN if one is
        if not math.isfinite(largest):
            raise ValueError("A vector has NaN or an infinite number in it.")
        if largest == 0.0:
            return vector
        vector = vector / largest  # so that no square overflows or vanishes
        square = float(vector.dot(vector))
    return vector / math.sqrt(square)


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


def half_query(data: Buffer) -> Halves:
    """The same for `cosines`."""
    query: Halves = numpy().frombuffer(data, "<f2")
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


def cosines(halves: Buffer, query: Halves) -> Floats:
    """The products of rows of f16, one after the other, with a query from `half_query`."""
    return half_products(numpy(), halves, query)
