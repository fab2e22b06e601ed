"""Vectors that were read from a database, kept in one piece for the next search.

Single records lie all over a database: to read two thousand of them takes longer than to multiply a
hundred thousand rows of a chunk. The pieces of chunks are found and looked at in about the time
that their products take. So a process keeps what it has read, as long as its version stays.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from .vector_chunk import VectorRows

__all__ = ["Kept", "KeptChunks", "KeptRows", "Rows"]

_OF_A_NUMBER: Final = 8
_OF_A_ROW: Final = 6
"""Bytes of a row of a chunk that are not its vector."""

_T = TypeVar("_T")


class Rows(NamedTuple):
    """Vectors of one length, and the numbers of their items."""

    numbers: Sequence[int]
    halves: bytes


class Kept(Generic[_T]):
    """Values by name, the ones used last; for many threads.

    Args:
        most: bytes that are kept.
        size_of: how many bytes a value has.
    """

    def __init__(self, most: int, size_of: Callable[[_T], int]) -> None:
        self.most = most
        self._size_of = size_of
        self._kept: OrderedDict[Hashable, tuple[Hashable, _T]] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def get(self, name: Hashable, version: Hashable) -> _T | None:
        """The value of a name, None if it is not kept in this version."""
        with self._lock:
            found = self._kept.get(name)
            if found is None or found[0] != version:
                return None
            self._kept.move_to_end(name)
            return found[1]

    def put(self, name: Hashable, version: Hashable, value: _T) -> None:
        """Keep a value in place of the one that the name had."""
        with self._lock:
            before = self._kept.pop(name, None)
            if before is not None:
                self._bytes -= self._size_of(before[1])
            self._kept[name] = version, value
            self._bytes += self._size_of(value)
            while self._bytes > self.most:
                self._bytes -= self._size_of(self._kept.popitem(last=False)[1][1])

    def clear(self) -> None:
        """Keep nothing of what was kept so far."""
        with self._lock:
            self._kept.clear()
            self._bytes = 0


class KeptRows(Kept[Rows]):
    """Rows of f16 that were read one by one."""

    def __init__(self, most: int) -> None:
        super().__init__(most, _size)


class KeptChunks(Kept["VectorRows"]):
    """The rows of i8 of whole chunks.

    To copy a chunk that is not read again costs more than it saves. So a chunk is kept only if it
    was read before, not longer ago than as many bytes as are kept.
    """

    def __init__(self, most: int) -> None:
        super().__init__(most, _size_of_chunk)
        self._asked = Kept[int](most, int)
        """How many bytes each chunk has that was read once, the last `most` bytes of them."""

    def offer(self, name: Hashable, version: Hashable, rows: VectorRows) -> None:
        """Keep a copy of rows that lie in a database, if they were offered not long ago."""
        if self._asked.get(name, version) is None:
            self._asked.put(name, version, _size_of_chunk(rows))
            return
        copied = rows._replace(
            places=memoryview(bytes(rows.places)).cast("H"),
            scales=bytes(rows.scales),
            small=(b"".join(rows.small),),
        )
        self.put(name, version, copied)

    def clear(self) -> None:
        """See `Kept`."""
        super().clear()
        self._asked.clear()


def _size(rows: Rows) -> int:
    return len(rows.halves) + _OF_A_NUMBER * len(rows.numbers)


def _size_of_chunk(rows: VectorRows) -> int:
    return (rows.dims + _OF_A_ROW) * len(rows.places)
