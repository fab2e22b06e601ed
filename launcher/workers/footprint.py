"""The memory of a worker and of the programs that it has started, measured as rarely as possible.

The exact number is expensive: the kernel walks through all pages. So an upper bound is read first,
and the exact number only if the bound is above a limit, and not again until the bound has grown.
"""

from __future__ import annotations

from typing import Final

from . import procfs

EXACT_SECONDS: Final = 1.0
"""The least time between two exact measurements, and between two searches for child processes."""
ALLOCATION_RATE: Final = 4 << 30
"""Bytes per second: the fastest that a process gets new memory."""
LEAST_PAUSE: Final = 0.02
"""The least time between two measurements of a worker that runs."""
LEAST_IDLE_PAUSE: Final = 0.25
"""The same for a worker without inputs."""


class Footprint:
    """The memory of one worker, with its child processes.

    Attributes:
        estimate: its memory as far as is known without an exact measurement.
    """

    __slots__ = ("_bound", "_children", "_listed_at", "_measured", "_measured_at", "estimate")

    def __init__(self) -> None:
        self.estimate = 0
        self._bound = 0
        """The upper bound at the last exact measurement."""
        self._measured = 0
        self._measured_at = float("-inf")
        self._children: list[int] = []
        self._listed_at = float("-inf")

    def measure(self, pid: int, now: float, lowest: int, highest: int, *, children: bool) -> int:
        """Return the memory; 0 if it is below all limits, or was measured just before.

        Args:
            pid: the worker's process.
            now: monotonic seconds.
            lowest: the lowest limit.
            highest: the highest limit, beyond which nothing is postponed.
            children: whether child processes count.
        """
        if children and now - self._listed_at >= EXACT_SECONDS:
            self._children, self._listed_at = procfs.descendants(pid), now
        family = [pid, *self._children]
        bound = sum(map(procfs.memory_at_most, family))
        grown = self._measured + max(0, bound - self._bound)
        self.estimate = min(bound, grown) if self._measured else bound
        if bound <= lowest:
            return 0
        if now - self._measured_at < EXACT_SECONDS and grown <= highest:
            return 0
        return self._measure(family, bound, now)

    def measure_exactly(self, pid: int, now: float) -> int:
        """Return the memory, measured now."""
        family = [pid, *self._children]
        return self._measure(family, sum(map(procfs.memory_at_most, family)), now)

    def _measure(self, family: list[int], bound: int, now: float) -> int:
        self._bound, self._measured_at = bound, now
        self.estimate = self._measured = sum(map(procfs.memory, family))
        return self._measured

    def pause(self, limit: int, *, busy: bool) -> float:
        """Return the seconds in which not even a fast allocator gets from here to the limit.

        `busy`: code is known to run. Otherwise only a thread could, and costs matter more.
        """
        least = LEAST_PAUSE if busy else LEAST_IDLE_PAUSE
        return max(least, (limit - self.estimate) / ALLOCATION_RATE)
