"""A file descriptor with which one thread wakes another that polls."""

from __future__ import annotations

import os
from contextlib import suppress


class Wakeup:
    """A file descriptor that is readable from `wake` to `clear`, for a thread that polls it.

    `wake` may be called in any thread and in a signal handler.
    """

    def __init__(self) -> None:
        self._descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def fileno(self) -> int:
        """Return the descriptor to poll; -1 after `close`."""
        return self._descriptor

    def wake(self) -> None:
        """Make it readable; does nothing after `close`."""
        if self._descriptor >= 0:
            os.eventfd_write(self._descriptor, 1)

    def clear(self) -> int:
        """Make it unreadable again; return how often `wake` was called since the last `clear`."""
        with suppress(BlockingIOError):
            return os.eventfd_read(self._descriptor)
        return 0

    def close(self) -> None:
        """Close the descriptor; may be called again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
