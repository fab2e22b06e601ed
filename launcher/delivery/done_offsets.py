"""The offsets of inputs that are done: a set that is small, because most of it is one interval.

All offsets below ``low`` are in the set. Inputs above it finish out of order, a few thousand at a
time. Their offsets are in two parts: recent ones in a plain set, older ones as sorted disjoint
intervals. Adding is one `set.update` and a loop that raises ``low``. Only if one input keeps
``low`` down for long (a run of minutes), the recent offsets are merged into the intervals. There
are as many intervals as gaps, which are the unfinished inputs: so the size depends on
these, and not on the number of inputs.

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
        """Add `offsets`, in any order; some may be in the set already."""
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
        if high > self.high:  # noqa: PLR1730 (twice as fast as max)
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
        """The part of the set above `low`: intervals, ascending, disjoint, half open."""
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
        """Inverse of `to_json`."""
        low, flat = record["low"], record["done"]
        if not isinstance(low, int) or not isinstance(flat, list):
            raise TypeError("not a record of done offsets")
        done = cls(low)
        done._starts = flat[::2]
        done._ends = flat[1::2]
        done.high = flat[-1] if flat else low
        return done

    def _fold(self) -> None:
        """Merge the recent offsets into the intervals."""
        if not self._recent:
            return
        recent = _runs(sorted(self._recent))
        self._recent.clear()
        old = zip(self._starts, self._ends, strict=True)
        starts: list[int] = []
        ends: list[int] = []
        # Both are sorted, which makes Python's sort fast.
        for start, end in sorted([*old, *recent]):
            if ends and start <= ends[-1]:
                ends[-1] = max(ends[-1], end)
            else:
                starts.append(start)
                ends.append(end)
        self._starts, self._ends = starts, ends
        # The cost grows with the number of intervals, so merge less often when there are many.
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
