"""Decides whether to look again and again for a moment before sleeping.

To be woken costs more than a short wait: the processor has to come back from its own sleep, and
finds little of the program in its caches. So while what is waited for keeps coming within
`LONGEST`, the process stays awake that long.

Where that fails, because the machine has no processor to spare or because what is waited for takes
longer, it is tried again only after twice as many waits that would have been short enough. So what
is wasted stays far below what the waits themselves cost, and nothing is spent where nothing comes.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ShortWaits"]

LONGEST: Final = 0.0002
"""As long as a worker takes for one input of which little is to be done, and its commit."""
LEAST: Final = 8
"""So many short waits in a row come before the first time."""
MOST: Final = 4096


class ShortWaits:
    """Remembers how long the last waits have taken."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        """`clock` returns seconds."""
        self.clock = clock
        self._began = 0.0
        self._stays_awake = False
        self._in_a_row = 0
        self._needed = LEAST

    def begin(self) -> float:
        """Begin a wait; return until when to stay awake, a moment of the clock, 0.0 for not."""
        self._began = now = self.clock()
        self._stays_awake = self._in_a_row >= self._needed
        return now + LONGEST if self._stays_awake else 0.0

    def end(self) -> None:
        """End a wait."""
        if self.clock() - self._began <= LONGEST:
            self._in_a_row += 1
            if self._stays_awake and self._needed > LEAST:
                self._needed -= 1
            return
        self._in_a_row = 0
        if self._stays_awake:
            self._needed = min(2 * self._needed, MOST)
