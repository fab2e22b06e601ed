"""The offsets of inputs that are done: a set that is small, because most of it is one interval.

All offsets below ``low`` are in the set. Inputs above it finish out of order, some thousands at a
time. Their offsets are in two parts: recent ones in a plain set, older ones as sorted disjoint
intervals. Adding is one `set.update`; ``low`` is raised when it is asked for, in large steps. Only
if one input keeps ``low`` down for long (a run of minutes), the recent offsets are merged into the
intervals. There are as many intervals as gaps, which are the unfinished inputs: so the size depends
on these, and not on the number of inputs.

A bitmap, or intervals alone, would be simpler; both cost more per offset in Python, and this is
done for every input.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_FOLD_AT = 1 << 18  # more than the inputs in flight of a large pool
_STEP = 256
"""By so many offsets at once ``low`` is raised, if all of them are there."""


class DoneOffsets:
    """A set of offsets (integers from 0) that only grows.

    Attributes:
        high: an upper bound: no offset from here on is in the set.
    """

    __slots__ = ("_ends", "_fold_at", "_low", "_recent", "_starts", "high")

    def __init__(self, low: int = 0) -> None:
        self._low = self.high = low
        """No offset below it is missing; those from it on may be there, too, until it is raised."""
        self._recent: set[int] = set()
        # Disjoint, not touching, ascending, above `_low`: [start, end).
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._fold_at = _FOLD_AT

    @property
    def low(self) -> int:
        """The smallest offset that is not in the set."""
        self._raise_low()
        return self._low

    def add(self, offsets: Sequence[int]) -> None:
        """Add `offsets`, in any order; some may be in the set already."""
        if not offsets:
            return
        if min(offsets) < self._low:
            offsets = [offset for offset in offsets if offset >= self._low]
            if not offsets:
                return
        recent = self._recent
        recent.update(offsets)
        high = max(offsets) + 1
        if high > self.high:  # noqa: PLR1730 (twice as fast as max)
            self.high = high
        if len(recent) >= self._fold_at:
            self._raise_low()
            if len(recent) >= self._fold_at:
                self._fold()

    def filter(self, offsets: Sequence[int]) -> Sequence[int]:
        """Those of `offsets` that are not in the set, in their order; `offsets` itself if all."""
        if not offsets:
            return offsets
        above = self._ends[-1] if self._ends else self._low
        if min(offsets) >= above and self._recent.isdisjoint(offsets):
            return offsets
        return [offset for offset in offsets if offset not in self]

    def __contains__(self, offset: int) -> bool:
        if offset < self._low or offset in self._recent:
            return True
        index = bisect_right(self._starts, offset) - 1
        return index >= 0 and offset < self._ends[index]

    def intervals(self) -> list[tuple[int, int]]:
        """The part of the set above `low`: intervals, ascending, disjoint, half open."""
        self._raise_low()
        return self._merged()

    @property
    def above(self) -> int:
        """How many offsets above `low` are in the set."""
        return sum(end - start for start, end in self.intervals())

    def to_json(self) -> dict[str, object]:
        """A JSON object from which `from_json` makes an equal set."""
        return {"low": self.low, "done": list(chain.from_iterable(self.intervals()))}

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

    def _raise_low(self) -> None:
        low, recent = self._low, self._recent
        while True:
            while recent.issuperset(step := range(low, low + _STEP)):
                recent.difference_update(step)
                low += _STEP
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
        self._low = low

    def _merged(self) -> list[tuple[int, int]]:
        """The intervals, and the runs of recent offsets, as intervals that do not touch."""
        recent = _runs(sorted(self._recent))
        if not self._starts:
            return recent
        merged: list[tuple[int, int]] = []
        first = last = -1
        # Both are sorted, which makes Python's sort fast.
        for start, end in sorted([*zip(self._starts, self._ends, strict=True), *recent]):
            if start > last:
                if last >= 0:
                    merged.append((first, last))
                first = start
            last = max(last, end)
        merged.append((first, last))
        return merged

    def _fold(self) -> None:
        """Merge the recent offsets into the intervals."""
        merged = self._merged()
        self._recent.clear()
        self._starts = [start for start, _ in merged]
        self._ends = [end for _, end in merged]
        # The cost grows with the number of intervals, so merge less often when there are many.
        self._fold_at = max(_FOLD_AT, 2 * len(merged))


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
