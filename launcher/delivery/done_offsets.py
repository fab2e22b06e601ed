"""Which inputs are done: a set of input offsets, small because nearly all of it is one interval.

Every offset below ``low`` is in the set. Above it the inputs finish out of order, a few thousand at
a time under way, so the set is kept in two more parts: offsets added lately, as a plain set, and
older ones as sorted disjoint intervals. Adding is one `set.update` and a walk of ``low``; only when
one input holds ``low`` up for long (a run of minutes, while others go by) are the lately added
folded into the intervals. Their number is that of the gaps, that is of the inputs still under way,
however many offsets lie between: memory follows the gaps and not the input.

A bitmap, or intervals alone, would be simpler; both cost several times as much per offset in
Python, and this is done for every input.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_FOLD_AT = 1 << 16


class DoneOffsets:
    """A set of offsets (integers from 0) that only grows.

    Attributes:
        low: the smallest offset that is not in the set.
        high: an upper bound: no offset from here on is in the set.
    """

    __slots__ = ("_ends", "_fold_at", "_recent", "_starts", "high", "low")

    def __init__(self, low: int = 0) -> None:
        self.low = self.high = low
        self._recent: set[int] = set()
        # Disjoint, not touching, ascending, above `low`: [start, end).
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._fold_at = _FOLD_AT

    def add(self, offsets: Sequence[int]) -> None:
        """Put `offsets`, in any order and new or not, into the set."""
        if not offsets:
            return
        low = self.low
        if min(offsets) < low:
            offsets = [offset for offset in offsets if offset >= low]
            if not offsets:
                return
        recent = self._recent
        recent.update(offsets)
        high = max(offsets) + 1
        if high > self.high:  # noqa: PLR1730 - twice as quick as max
            self.high = high
        while True:
            while low in recent:
                recent.remove(low)
                low += 1
            if not self._starts or self._starts[0] > low:
                break
            # Offsets of the interval may have been added again since it was folded.
            end = self._ends.pop(0)
            if low < end:
                recent.difference_update(
                    range(low, end)
                    if end - low < len(recent)
                    else [offset for offset in recent if offset < end]
                )
                low = end
            del self._starts[0]
        self.low = low
        if len(recent) >= self._fold_at:
            self._fold()

    def filter(self, offsets: Sequence[int]) -> Sequence[int]:
        """Those of `offsets` that are not in the set, in their order; `offsets` itself if all."""
        if not offsets:
            return offsets
        if not self._starts and min(offsets) >= self.low and self._recent.isdisjoint(offsets):
            return offsets
        return [offset for offset in offsets if offset not in self]

    def __contains__(self, offset: int) -> bool:
        if offset < self.low or offset in self._recent:
            return True
        index = bisect_right(self._starts, offset) - 1
        return index >= 0 and offset < self._ends[index]

    def intervals(self) -> list[tuple[int, int]]:
        """What is in the set above `low`: ascending, disjoint, half open."""
        self._fold()
        return list(zip(self._starts, self._ends, strict=True))

    @property
    def above(self) -> int:
        """How many offsets above `low` are in the set."""
        return sum(end - start for start, end in self.intervals())

    def to_json(self) -> dict[str, object]:
        """A JSON object from which `from_json` makes an equal set."""
        self._fold()
        flat = [0] * (2 * len(self._starts))
        flat[::2] = self._starts
        flat[1::2] = self._ends
        return {"low": self.low, "done": flat}

    @classmethod
    def from_json(cls, record: dict[str, object]) -> DoneOffsets:
        """The set that `to_json` recorded."""
        low, flat = record["low"], record["done"]
        if not isinstance(low, int) or not isinstance(flat, list):
            raise TypeError("not a record of a watermark")
        done = cls(low)
        done._starts = flat[::2]
        done._ends = flat[1::2]
        done.high = flat[-1] if flat else low
        return done

    def _fold(self) -> None:
        """Merge what was added lately into the intervals."""
        if not self._recent:
            return
        lately = _runs(sorted(self._recent))
        self._recent.clear()
        old = zip(self._starts, self._ends, strict=True)
        starts: list[int] = []
        ends: list[int] = []
        # Both are nearly sorted sequences of runs, which is what Python's sort is quickest at.
        for start, end in sorted([*old, *lately]):
            if ends and start <= ends[-1]:
                ends[-1] = max(ends[-1], end)
            else:
                starts.append(start)
                ends.append(end)
        self._starts, self._ends = starts, ends
        # Folding costs as much as there are intervals: do it less often when there are many.
        self._fold_at = max(_FOLD_AT, 2 * len(starts))


def _runs(offsets: Iterable[int]) -> list[tuple[int, int]]:
    """Maximal runs of consecutive numbers in ascending, distinct `offsets`."""
    runs: list[tuple[int, int]] = []
    start = end = -1
    for offset in offsets:
        if offset != end:
            if end >= 0:
                runs.append((start, end))
            start = offset
        end = offset + 1
    if end >= 0:
        runs.append((start, end))
    return runs
