"""Reports failed inputs while a pool runs: each kind at once, and then how many now and then."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

FAILURE_SECONDS: Final = 10.0
"""The time between two reports of one kind of failure."""


class FailureReporter:
    """Decides which kinds of failures are to be reported, from the statuses of a pool."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._reported: dict[str, tuple[int, float]] = {}
        """By kind, the count that was reported, and when."""

    def update(self, failures: dict[str, list[Any]]) -> dict[str, list[Any]]:
        """Process `PoolStatus.failures`; return the kinds to report, with their counts so far."""
        now = self._clock()
        due: dict[str, list[Any]] = {}
        for kind, counted in failures.items():
            number, at = self._reported.get(kind, (0, float("-inf")))
            if counted[0] > number and now >= at + FAILURE_SECONDS:
                self._reported[kind] = (counted[0], now)
                due[kind] = counted
        return due
