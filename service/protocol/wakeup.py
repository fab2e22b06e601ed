"""A file descriptor with which one thread wakes another that polls."""

from __future__ import annotations

import os
from contextlib import suppress


class Wakeup:
    """A file descriptor that is readable from `wake` to `clear`; its poller wakes."""

    def __init__(self) -> None:
        self._descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def fileno(self) -> int:
        """What to poll."""
        return self._descriptor

    def wake(self) -> None:
        """Make it readable."""
        if self._descriptor >= 0:
            os.eventfd_write(self._descriptor, 1)

    def clear(self) -> None:
        """Make it unreadable again."""
        with suppress(BlockingIOError):
            os.eventfd_read(self._descriptor)

    def close(self) -> None:
        """Let go of it; harmless when repeated."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
