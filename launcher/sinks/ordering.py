"""Puts the outputs of inputs back into the order of the inputs.

Inputs finish out of order; what comes too early waits here, encoded, until everything before it has
come. How much waits is bounded from outside: the pool stops reading while `size` is too large, and
what is already under way bounds the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...store.records.outbox import Outputs


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

    def take(self) -> tuple[range, bytes, int]:
        """Take out what can go now: the offsets, their outputs one after another, how many."""
        waiting = self._waiting
        parts: list[bytes] = []
        total = 0
        first = offset = self.next
        while (kept := waiting.pop(offset, None)) is not None:
            data, count = kept
            self.size -= len(data) + _OVERHEAD
            parts.append(data)
            total += count
            offset += 1
        self.next = offset
        return range(first, offset), b"".join(parts), total


def by_input(outputs: Outputs) -> Iterator[tuple[int, bytes, int]]:
    """Yield each input's offset, its outputs one after another, and their number."""
    blob = bytes(outputs.blob)
    lengths = outputs.lengths
    start = position = 0
    for offset, count in zip(outputs.offsets, outputs.counts, strict=True):
        if count == 1:
            end = start + lengths[position]
        else:
            end = start + sum(lengths[position : position + count])
        yield offset, blob[start:end], count
        start = end
        position += count
