"""A sliding window: how much was granted in the last minute, and when more may be.

*Exact.* A server counts what reaches it. A permit is used within a second (`USE_WITHIN`), or
returned; some time more may pass on the way. So what reaches a server within any 60 s was granted
within 60 s and these two, and that window is what is counted here.

*Even.* If a minute's whole share were granted at once, none would be left for the rest of the
minute. So grants keep an even pace. A small part of the share may be used at once, so that pauses
in the work, or of the launcher, are made up for.

Tokens are estimated at the most that a call may use, and corrected when it has ended. The window
counts the estimate meanwhile; the pace counts what calls have used lately, since it would be far
too slow otherwise.
"""

from __future__ import annotations

from collections import deque
from typing import Final

__all__ = ["MINUTE", "SlidingWindow"]

MINUTE: Final = 60.0
_ON_THE_WAY: Final = 1.0 + 0.2
"""Seconds from a grant until the server has the request, at most."""
_BURST: Final = 0.04
"""The share that may be granted at once."""
_LATE: Final = 0.5
"""By so much of the time between two grants one may be late without a loss."""


class SlidingWindow:
    """What was granted of one share; pure. All times are seconds on one clock."""

    __slots__ = ("_burst", "_entries", "_paced_to", "_sum", "limit", "seconds")

    def __init__(self, limit: int, seconds: float = MINUTE) -> None:
        """`limit` is what may reach the server within `seconds`."""
        self.seconds = seconds + _ON_THE_WAY
        self._entries: deque[list[float]] = deque()
        self._sum = 0.0
        self._paced_to = float("-inf")
        """Until when the share is used at an even pace."""
        self.limit = 0
        self.change(limit)

    def change(self, limit: int) -> None:
        """Set another limit; what was granted counts, and an even pace begins anew."""
        if limit == self.limit:
            return
        self._paced_to = float("-inf")
        self.limit = limit
        self._burst = max(1.0, limit * _BURST)

    @property
    def used(self) -> float:
        """What was granted in the window."""
        return self._sum

    def free_at(self, amount: float, now: float, expected: float | None = None) -> float:
        """When so much may be granted: now, or later. More than the limit counts as the limit.

        `expected` is what is probably used of it; None: all.
        """
        self._drop_old(now)
        amount = min(amount, self.limit)
        paced = amount if expected is None else min(amount, expected)
        allowed_lead = max(paced * _LATE, self._burst - paced) * self._per_unit
        earliest = max(now, self._paced_to - allowed_lead)
        excess = self._sum + amount - self.limit
        for time, granted, _ in self._entries:
            if excess <= 0:
                break
            excess -= granted
            earliest = max(earliest, time + self.seconds)
        return earliest

    def add(self, amount: float, now: float, expected: float | None = None) -> list[float]:
        """Count a grant; returns its entry, which can be corrected."""
        amount = min(amount, self.limit)
        paced = amount if expected is None else min(amount, expected)
        entry = [now, amount, paced]
        self._entries.append(entry)
        self._sum += amount
        self._paced_to = max(self._paced_to, now) + paced * self._per_unit
        return entry

    def correct(self, entry: list[float], amount: float, now: float) -> None:
        """Correct a grant: so much was used."""
        self._drop_old(now)
        change = amount - entry[1]
        self._paced_to += (amount - entry[2]) * self._per_unit
        entry[1] = entry[2] = amount
        if entry[0] + self.seconds > now:
            self._sum += change

    @property
    def _per_unit(self) -> float:
        return self.seconds / self.limit

    def _drop_old(self, now: float) -> None:
        entries = self._entries
        while entries and entries[0][0] + self.seconds <= now:
            self._sum -= entries.popleft()[1]
