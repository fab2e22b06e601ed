"""Puts the outputs of inputs back into the order of the inputs.

Inputs finish out of order; what comes too early waits here, encoded, until everything before it has
come. How much waits is bounded from outside: the pool stops reading while `size` is too large, and
what is already under way bounds the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# What an input without outputs costs to keep, so that those too are counted.
_OVERHEAD = 100


class ReorderBuffer:
    """Outputs by input offset, handed out from `next` upwards without gaps.

    Attributes:
        next: the offset that is waited for; all below have been handed out.
        size: bytes held, roughly.
    """

    __slots__ = ("_waiting", "next", "size")

    def __init__(self, first: int) -> None:
        self.next = first
        self.size = 0
        self._waiting: dict[int, tuple[bytes, int]] = {}

    def put(self, offset: int, data: bytes, count: int) -> None:
        """Keep the outputs of one input, `count` in number; ignored if they were put before."""
        if offset >= self.next and offset not in self._waiting:
            self._waiting[offset] = data, count
            self.size += len(data) + _OVERHEAD

    def ready(self) -> tuple[range, bytes, int]:
        """Offsets that can go out now, their outputs and how many; they stay until `release`."""
        waiting = self._waiting
        parts: list[bytes] = []
        total = 0
        offset = self.next
        while (kept := waiting.get(offset)) is not None:
            parts.append(kept[0])
            total += kept[1]
            offset += 1
        return range(self.next, offset), b"".join(parts), total

    def release(self, offsets: Iterable[int]) -> None:
        """Forget what `ready` returned: it has gone out."""
        for offset in offsets:
            data, _ = self._waiting.pop(offset)
            self.size -= len(data) + _OVERHEAD
            self.next = offset + 1
