"""Rows of f16 that were read one by one, kept in one piece for the next search.

Single records lie all over a database: to read two thousand of them takes longer than to multiply a
hundred thousand rows of a chunk. So a process keeps them, as long as their version stays.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

__all__ = ["KeptRows", "Rows"]

_OF_A_NUMBER: Final = 8


class Rows(NamedTuple):
    """Vectors of one length, and the numbers of their items."""

    numbers: Sequence[int]
    halves: bytes


class KeptRows:
    """Rows by name, the ones used last; for many threads.

    Args:
        most: bytes that are kept.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[Hashable, tuple[Hashable, Rows]] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def get(self, name: Hashable, version: Hashable) -> Rows | None:
        """The rows of a name, None if they are not kept in this version."""
        with self._lock:
            found = self._kept.get(name)
            if found is None or found[0] != version:
                return None
            self._kept.move_to_end(name)
            return found[1]

    def put(self, name: Hashable, version: Hashable, rows: Rows) -> None:
        """Keep rows in place of those that the name had."""
        with self._lock:
            before = self._kept.pop(name, None)
            if before is not None:
                self._bytes -= _size(before[1])
            self._kept[name] = version, rows
            self._bytes += _size(rows)
            while self._bytes > self._most:
                self._bytes -= _size(self._kept.popitem(last=False)[1][1])


def _size(rows: Rows) -> int:
    return len(rows.halves) + _OF_A_NUMBER * len(rows.numbers)
