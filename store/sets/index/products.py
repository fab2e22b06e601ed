"""Products of a query with rows of i8: what a search by meaning spends its time with.

There is no fast product of i8 in numpy. The library NumKong has one, with the instructions that
processors have for it. It takes queries of i8 as well, so a query is rounded as the rows are: the
products are off by as much again, which `Scan` allows for when it picks what is compared exactly.
Without the library (it has no wheels for some machines), rows are converted to f32, a block at a
time, and multiplied while they are in the cache. The buffers of the blocks are used in turn: to
write into the one that was read last is slow.

Rows that are searched again and again can be *packed*: NumKong lays them out as its kernels read
them, in about the time of one product, and makes one then in less than half of it.

Measured, 10,000 vectors of 256 dimensions in memory: NumKong 0.17 ms, packed 0.08 ms, numpy's
product of f32 0.35 to 0.65 ms. 100,000 of them, which are in no cache: 2.4 ms, 3.5 ms, 8.5 ms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

    Buffer = bytes | memoryview | bytearray
    Floats = NDArray[np.float32]
    Rows = Iterable[Buffer | NDArray[np.int8]]
    """Rows of i8, in pieces."""

__all__ = [
    "FloatProducts",
    "IntegerProducts",
    "Packed",
    "Products",
    "library",
    "pack",
    "products",
]

_BLOCK: Final = 1024
"""Rows that are converted at once, at most."""
_BUFFERS: Final = 1 << 20
"""Numbers for which the buffers of blocks have room, together; at least two blocks."""
_MOST_SPARE: Final = 2
_I8: Final = 127


class Products(Protocol):
    """Multiplies rows with one query.

    Attributes:
        unit: what the products are to be multiplied with.
        step: how far numbers of the query are apart that are not told apart; 0 for exact ones.
    """

    unit: float
    step: float

    def multiply(self, pieces: Rows, scores: Floats) -> None:
        """Write the product of each row, one after the other, into `scores`."""

    def multiply_packed(self, packed: Packed, scores: Floats) -> None:
        """Write the product of each row of what `pack` has made into `scores`."""

    def close(self) -> None:
        """End; what was needed may be used by another query."""


def products(np: Any, query: Floats) -> Products:
    """Return the faster of both that is possible here."""
    found = library()
    return FloatProducts(np, query) if found is None else IntegerProducts(np, query, found)


def library() -> Any:
    """The module numkong; None if it is not installed."""
    try:
        import numkong  # noqa: PLC0415 (an extra)
    except ImportError:
        return None
    return numkong


class Packed(NamedTuple):
    """Rows of i8 that many queries are multiplied with.

    Attributes:
        rows: a matrix of numpy; None if the library has packed it.
        inside: what the library has made.
    """

    rows: Any
    inside: Any


def pack(np: Any, rows: Buffer, dims: int) -> Packed:
    """Rows of i8, one after the other, for `Products.multiply_packed`."""
    matrix = np.frombuffer(rows, np.int8).reshape(-1, dims)
    found = library()
    if found is None:
        return Packed(matrix, None)
    return Packed(None, found.dots_pack(matrix, dtype="int8"))


class IntegerProducts:
    """Multiplies by `numkong`."""

    __slots__ = ("_dims", "_library", "_np", "_query", "step", "unit")

    def __init__(self, np: Any, query: Floats, library: Any) -> None:
        self._np = np
        self._library = library
        self._dims = len(query)
        self.step = self.unit = float(abs(query).max()) / _I8 or 1.0
        self._query: NDArray[np.int8] = np.rint(query / self.step).astype(np.int8)

    def multiply(self, pieces: Rows, scores: Floats) -> None:
        """See `Products`."""
        np, dot, query, dims = self._np, self._library.dot, self._query, self._dims
        done = 0
        for piece in pieces:
            rows = np.frombuffer(piece, np.int8).reshape(-1, dims)
            count = len(rows)
            scores[done : done + count] = dot(query, rows)
            done += count

    def multiply_packed(self, packed: Packed, scores: Floats) -> None:
        """See `Products`."""
        if packed.inside is None:  # by a process that had no library then
            self.multiply((packed.rows,), scores)
        else:
            scores[:] = self._library.dots_packed(self._query[None], packed.inside)

    def close(self) -> None:
        """See `Products`."""


class FloatProducts:
    """Multiplies by numpy alone."""

    __slots__ = ("_buffers", "_next", "_np", "_query", "_room", "step", "unit")

    def __init__(self, np: Any, query: Floats) -> None:
        self._np = np
        self._query = query
        self.unit, self.step = 1.0, 0.0
        room: Floats = _take_room(np)
        self._room: Floats | None = room
        rows = min(_BLOCK, _BUFFERS // (2 * len(query)))
        count = _BUFFERS // (rows * len(query))
        self._buffers: Floats = room[: count * rows * len(query)].reshape(count, rows, len(query))
        """The first two axes are the buffers and their rows."""
        self._next = 0

    def multiply(self, pieces: Rows, scores: Floats) -> None:
        """See `Products`: convert a block of rows after the other, each into the next buffer."""
        np, query, buffers = self._np, self._query, self._buffers
        most, turn, done = buffers.shape[1], self._next, 0
        for piece in pieces:
            matrix = np.frombuffer(piece, np.int8).reshape(-1, len(query))
            for first in range(0, len(matrix), most):
                block = matrix[first : first + most]
                count = len(block)
                buffer = buffers[turn, :count]
                turn = (turn + 1) % len(buffers)
                np.copyto(buffer, block, casting="unsafe")
                np.dot(buffer, query, out=scores[done : done + count])
                done += count
        self._next = turn

    def multiply_packed(self, packed: Packed, scores: Floats) -> None:
        """See `Products`."""
        self.multiply((packed.rows,), scores)

    def close(self) -> None:
        """See `Products`."""
        room, self._room = self._room, None
        if room is not None and len(_spare) < _MOST_SPARE:
            _spare.append(room)


_spare: list[Any] = []
"""Buffers that a query has used, for the next one; as many as there are searches at a time."""


def _take_room(np: Any) -> Floats:
    try:
        room: Floats = _spare.pop()
    except IndexError:
        room = np.empty(_BUFFERS, np.float32)
    return room
