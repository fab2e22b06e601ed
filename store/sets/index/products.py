"""Products of a query with rows of i8: what a search by meaning spends its time with.

There is no fast product of i8 in numpy. The library SimSIMD has one, with the instructions that
processors have for it. It takes queries of i8 as well, so a query is rounded as the rows are: the
products are off by as much again, which `Scan` allows for when it picks what is compared exactly.
Without the library (it has no wheels for some machines), rows are converted to f32, a block at a
time, and multiplied while they are in the cache. The buffers of the blocks are used in turn: to
write into the one that was read last is slow.

Measured on a busy machine, 100,000 vectors of 256 dimensions in pieces of 511, CPU: SimSIMD 4.1 ms;
7.3 ms with a second query for what rounding has cut off; numpy's product of f32 in memory 10.3 ms;
reading the bytes alone 2.8 ms. SimSIMD's parameter `out` is not used: in release 6.5.16 it releases
a reference to None too much, which ends the process after some thousand calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import numpy as np
    from numpy.typing import NDArray

    Buffer = bytes | memoryview | bytearray
    Floats = NDArray[np.float32]
    Rows = Iterable[Buffer | NDArray[np.int8]]
    """Rows of i8, in pieces."""

__all__ = ["FloatProducts", "IntegerProducts", "Products", "library", "products"]

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

    def close(self) -> None:
        """End; what was needed may be used by another query."""


def products(np: Any, query: Floats) -> Products:
    """Return the faster of both that is possible here."""
    dot = library()
    return FloatProducts(np, query) if dot is None else IntegerProducts(np, query, dot)


def library() -> Callable[..., Any] | None:
    """SimSIMD's product of a row with each of many; None if it is not installed."""
    try:
        from simsimd import dot  # noqa: PLC0415 (an extra)
    except ImportError:
        return None
    found: Callable[..., Any] = dot
    return found


class IntegerProducts:
    """Multiplies by `simsimd.dot`."""

    __slots__ = ("_dims", "_dot", "_np", "_query", "step", "unit")

    def __init__(self, np: Any, query: Floats, dot: Callable[..., Any]) -> None:
        self._np = np
        self._dot = dot
        self._dims = len(query)
        self.step = self.unit = float(abs(query).max()) / _I8 or 1.0
        self._query: NDArray[np.int8] = np.rint(query / self.step).astype(np.int8)

    def multiply(self, pieces: Rows, scores: Floats) -> None:
        """See `Products`."""
        np, dot, query, dims = self._np, self._dot, self._query, self._dims
        done = 0
        for piece in pieces:
            rows = np.frombuffer(piece, np.int8).reshape(-1, dims)
            count = len(rows)
            scores[done : done + count] = dot(query, rows, out_dtype="float32")
            done += count

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
