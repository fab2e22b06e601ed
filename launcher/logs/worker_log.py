"""The file with what a pool's workers print: appended to by all of them, cut by the launcher.

It has a limit, because an action may print for ever. If the file is larger than half of that, its
content is copied to a second file, in place of what that had, and the first one is emptied. It is
not renamed: every process of the pool has it open, some of them started by user code.
"""

from __future__ import annotations

import logging
import os
import shutil
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO, Final

if TYPE_CHECKING:
    from pathlib import Path

    from typing_extensions import Self

_LOG: Final = logging.getLogger("tamias.pool")


class WorkerLog:
    """The log file of a pool.

    Attributes:
        file: for the standard output of workers.
    """

    def __init__(self, path: Path, limit: int) -> None:
        """Open the file at `path`, or make it; `limit` is in bytes, 0 for none."""
        self.file: BinaryIO = path.open("ab")
        self._path = path
        self._half = limit // 2 if stat.S_ISREG(path.lstat().st_mode) else 0
        self._failed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def bound(self) -> None:
        """Cut the file if it is too large; costs one system call if it is not."""
        if not self._half or os.fstat(self.file.fileno()).st_size <= self._half:
            return
        earlier = earlier_log(self._path)
        fresh = earlier.with_name(f"{earlier.name}.new")
        try:
            with self._path.open("rb") as source, fresh.open("wb") as copy:
                size = os.fstat(source.fileno()).st_size
                source.seek(size - self._half if size > 2 * self._half else 0)
                shutil.copyfileobj(source, copy, 1 << 20)
                os.truncate(self.file.fileno(), 0)
            fresh.replace(earlier)
        except OSError as error:  # the disk is full
            with suppress(OSError):
                fresh.unlink(missing_ok=True)
            if not self._failed:
                self._failed = True
                _LOG.warning("%s cannot be cut: %s", self._path, error.strerror)


def earlier_log(path: Path) -> Path:
    """Return the file with what was in a log before."""
    return path.with_name(f"{path.name}.1")
