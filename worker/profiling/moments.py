"""The moments at which a profiler samples: a random one in each of equally long cells of time.

Moments at equal distances would see a load that repeats itself always at the same place. And a
sampler that waits for the interpreter's lock must not begin anew to count when it gets it: it would
look at what follows C code that holds the lock less often than it should. So the moments are drawn
beforehand, and each counts for the length of its cell. A late sample counts for all moments that
have passed since the last one: whatever was executed then kept the sampler from looking.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Moments"]


class Moments:
    """One moment in each cell.

    Args:
        period: the length of a cell, in seconds.
        now: when the first one begins, in monotonic seconds.
        random: returns a number from 0 to 1.
    """

    __slots__ = ("_cell", "_moment", "_random", "late", "period", "since")

    def __init__(
        self, period: float, now: float, random: Callable[[], float] | None = None
    ) -> None:
        self.period = period
        self._random = Random().random if random is None else random  # noqa: S311 (not a secret)
        self.late = 0.0
        """How late the last sample was."""
        self.since = 0.0
        """The time from the last moment for which that sample counts until it was taken."""
        self._cell = now
        self._moment = now + self._random() * period

    def until_next(self, now: float) -> float:
        """Seconds until the next moment; negative if it has passed."""
        return self._moment - now

    def passed(self, now: float) -> float:
        """For how many seconds a sample counts that is taken now; 0.0 if it is too early."""
        if now < self._moment:
            return 0.0
        self.late = now - self._moment
        last, cells = self._moment, 1
        self._cell += self.period
        whole = int((now - self._cell) / self.period)  # of these, the moment has passed
        if whole > 0:
            cells += whole
            self._cell += whole * self.period
            last = self._cell - self._random() * self.period
        self._moment = self._cell + self._random() * self.period
        while self._moment <= now:
            cells += 1
            last = self._moment
            self._cell += self.period
            self._moment = self._cell + self._random() * self.period
        self.since = now - last
        return cells * self.period
