"""Estimates how much of a job is done, and how long the rest will take."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...launcher.pool.status import PoolStatus

_SAMPLES = 60


class Estimate:
    """The estimate, updated with each status of a pool.

    Attributes:
        done: from 0 to 1; None where the length of the input is not known.
        seconds_left: None while it is not known.
    """

    def __init__(self) -> None:
        self.done: float | None = None
        self.seconds_left: float | None = None
        self._samples: deque[tuple[float, float]] = deque(maxlen=_SAMPLES)

    def update(self, status: PoolStatus) -> None:
        """Process a status."""
        if status.fraction is None:
            self.done = self.seconds_left = None
            return
        # The source is read ahead: subtract what was read but is not done.
        pending = sum(worker.in_flight + worker.waiting for worker in status.workers)
        read = status.events + pending
        self.done = status.fraction * status.events / read if read else status.fraction
        now = time.monotonic()
        self._samples.append((now, self.done))
        began, first = self._samples[0]
        gained = self.done - first
        if gained > 0 and now - began >= 1:
            self.seconds_left = (1 - self.done) * (now - began) / gained
