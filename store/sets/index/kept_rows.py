"""Vectors that were read from a database, kept in one piece for the next search.

Single records lie all over a database: to read two thousand of them takes longer than to multiply a
hundred thousand rows of a chunk. To copy the chunks of a small set makes its searches quicker
(`matrix`). So a process keeps what it has read, as long as its version stays.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeVar
from weakref import WeakSet

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

    from .matrix import VectorMatrix

__all__ = ["Kept", "KeptMatrices", "KeptMatrix", "KeptRows", "Rows"]

_OF_A_NUMBER: Final = 8
_ENOUGH_SEARCHES: Final = 12
"""A copy of chunks is made at this search of them: it costs about as much as so many save."""

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
        _all.add(self)

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

    def begin_anew(self) -> None:
        """Keep nothing, in a child that was forked while another thread was in the middle of it."""
        self._lock = Lock()
        self.clear()


_all: Final[WeakSet[Kept[Any]]] = WeakSet()


def _forked() -> None:
    for kept in list(_all):
        kept.begin_anew()


os.register_at_fork(after_in_child=_forked)


class KeptRows(Kept[Rows]):
    """Rows of f16 that were read one by one."""

    def __init__(self, most: int) -> None:
        super().__init__(most, _size)


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

    def last(self, name: Hashable) -> KeptMatrix | None:
        """What is kept of a set, in whatever version."""
        with self._lock:
            found = self._kept.get(name)
            return None if found is None else found[1]

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


def _size(rows: Rows) -> int:
    return len(rows.halves) + _OF_A_NUMBER * len(rows.numbers)


def _size_of_matrix(kept: KeptMatrix) -> int:
    return kept.matrix.size


def _size_of_asked(asked: _Asked) -> int:
    return asked.size
