"""Values that were read from a database, kept for the next search as long as their version stays.

Single records lie all over a database: to read two thousand of them takes longer than to multiply a
hundred thousand rows of a chunk. To decode what a search of a small set needs takes several times
as long as the search. So a process keeps what it has read (`tails`, `matrices`).
"""

from __future__ import annotations

import os
from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar
from weakref import WeakSet

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

__all__ = ["Kept"]

_T = TypeVar("_T")


class Kept(Generic[_T]):
    """Values by name, the ones used last; for many threads.

    Args:
        most: bytes that are kept.
        size_of: how many bytes a value has.
    """

    def __init__(self, most: int, size_of: Callable[[_T], int]) -> None:
        self.most = most
        self._size_of = size_of
        self._kept: OrderedDict[Hashable, tuple[Hashable, _T, int]] = OrderedDict()
        """With the size that each value had when it was put."""
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

    def last(self, name: Hashable) -> _T | None:
        """The value of a name, in whatever version."""
        with self._lock:
            found = self._kept.get(name)
            return None if found is None else found[1]

    def put(self, name: Hashable, version: Hashable, value: _T) -> None:
        """Keep a value in place of the one that the name had."""
        with self._lock:
            self._put(name, version, value)

    def grown(self, name: Hashable, value: _T) -> None:
        """Count a value anew that has grown, if it is still kept."""
        with self._lock:
            found = self._kept.get(name)
            if found is not None and found[1] is value:
                self._put(name, found[0], value)

    def _put(self, name: Hashable, version: Hashable, value: _T) -> None:
        before = self._kept.pop(name, None)
        if before is not None:
            self._bytes -= before[2]
        size = self._size_of(value)
        self._kept[name] = version, value, size
        self._bytes += size
        while self._bytes > self.most:
            self._bytes -= self._kept.popitem(last=False)[1][2]

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
