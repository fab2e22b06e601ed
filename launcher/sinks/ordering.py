"""Puts the outputs of inputs back into the order of the inputs.

Inputs finish out of order; an output that is too early waits here, encoded, until all before it
have arrived. The pool bounds how much waits: it stops reading inputs while `size` is too large, and
only the inputs already under way can add more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...store.records.outbox import Outputs


# The bytes of an entry without outputs, so that those are counted, too.
_OVERHEAD = 100


class ReorderBuffer:
    """Outputs by input offset, returned from `next` upwards without gaps.

    Attributes:
        next: the lowest offset that has not been returned.
        size: bytes held, roughly.
    """

    __slots__ = ("_waiting", "next", "size")

    def __init__(self, first: int) -> None:
        self.next = first
        self.size = 0
        self._waiting: dict[int, tuple[bytes, int]] = {}

    def put(self, offset: int, data: bytes, count: int) -> None:
        """Add the outputs of one input, `count` in number; ignored if they were added before."""
        if offset >= self.next and offset not in self._waiting:
            self._waiting[offset] = data, count
            self.size += len(data) + _OVERHEAD

    def pop_ready(self) -> tuple[range, bytes, int]:
        """Remove and return what is next in order: the offsets, their joined outputs, how many."""
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
    """Yield each input's offset, its joined outputs, and their number."""
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
