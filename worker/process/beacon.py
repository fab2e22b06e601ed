"""A few words of memory shared by launcher and worker, readable after the worker's death.

A worker that is killed in the middle of an action cannot say which input it was working on, yet
that is what a launcher most wants to know: it is the prime suspect. So before a worker steps into
user code it writes the input's offset into its beacon, a store of eight bytes, and the launcher
reads it when the worker is gone (or hangs).

Only what is being executed is named: plain actions, and the steps of asynchronous ones (see
`task_tracking.py`). Of runs that wait on the event loop none is more suspect than another, and the
beacon is zero. What runs in threads of its own is not named either.
"""

from __future__ import annotations

import mmap
import os
import time
from pathlib import Path
from typing import Final

_BYTES_PER_SLOT: Final = 64

SLOTS: Final = 1024
"""How many slots a pool may have at the same time."""


class Beacons:
    """The beacons of all slots of a pool, in one small file."""

    def __init__(self, path: Path) -> None:
        """Create the file, or open the one that is there; its content is kept.

        It has room for `SLOTS` slots from the outset, because processes that have it mapped cannot
        make it grow under each other.
        """
        size = SLOTS * _BYTES_PER_SLOT
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(self._file, 0, size)  # a full disk must not become a SIGBUS later
            self._map = mmap.mmap(self._file, size)
        except BaseException:
            os.close(self._file)
            raise
        self._view = memoryview(self._map).cast("Q")

    def words(self, slot: int) -> memoryview:
        """The slot's words.

        [offset + 1 or 0, step began (monotonic ns), loop alive (same), 1 for an asynchronous step]
        """
        first = slot * _BYTES_PER_SLOT // 8
        return self._view[first : first + 4]

    def executing(self, slot: int) -> int | None:
        """Offset of the input whose action runs (or ran, if the worker is dead)."""
        word = self.words(slot)[0]
        return word - 1 if word else None

    def executing_for(self, slot: int) -> float:
        """Seconds since the current step began; 0.0 if there is none, or runs are not timed."""
        offset, began, *_ = self.words(slot)
        return (time.monotonic_ns() - began) / 1e9 if offset and began else 0.0

    def asynchronous(self, slot: int) -> bool:
        """Whether the current step is one of an asynchronous action, for which the loop waits."""
        return bool(self.words(slot)[3])

    def pulse(self, slot: int) -> int:
        """A number that changes every second while the loop is alive; 0 when it is unknown.

        It says nothing while a synchronous action runs, which has the right to block the loop, and
        before the loop's first turn.
        """
        offset, _, beat, _ = self.words(slot)
        return 0 if offset else beat

    def clear(self, slot: int) -> None:
        """Forget what a dead worker left."""
        words = self.words(slot)
        words[0] = words[1] = words[2] = words[3] = 0

    def close(self) -> None:
        """Unmap the file."""
        self._view.release()
        self._map.close()
        os.close(self._file)
