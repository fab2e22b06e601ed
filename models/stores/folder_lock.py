"""`FolderLock`: makes a process the only one that uses a folder of a library that forgets to."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from ...agent.errors import UsageError

__all__ = ["FolderLock"]

_NAME = ".tamias.lock"
_POLL = 0.05


class FolderLock:
    """A lock on a folder, which ends with the process at the latest."""

    __slots__ = ("_descriptor",)

    def __init__(self, folder: Path, what: str, hint: str, patience: float = 2) -> None:
        """Lock `folder`, which is made if it is not there.

        Another holder is given a moment to end: a worker that is being replaced may still have it.

        Args:
            folder: what to lock.
            what: what it is, as a message names it.
            hint: what to do when another process has it.
            patience: so many seconds.

        Raises:
            UsageError: another process holds the lock.
            OSError: the folder cannot be made or written.
        """
        folder.mkdir(parents=True, exist_ok=True)
        # Not inherited by children that are executed.
        descriptor = os.open(folder / _NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._lock(descriptor, patience)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace") or "?"
            os.close(descriptor)
            msg = f"{what} {folder} is used by another process (pid {holder})."
            raise UsageError(msg, hint=hint) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        self._descriptor = descriptor

    @staticmethod
    def _lock(descriptor: int, patience: float) -> None:
        deadline = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(_POLL)
            else:
                return

    def release(self) -> None:
        """Let another process have the folder. Releasing again does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
