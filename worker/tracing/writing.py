"""The event log of one slot: two files, the newer of which is added to.

When the newer one has half of what there may be, it takes the place of the older one. The records
of a run are written at once. Their place in the file tells which belong together: a worker that
dies may leave the last of them cut, and then the next writer begins a new line.
"""

from __future__ import annotations

import hashlib
import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["EventLogFile", "older", "placed_in"]

_FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
_MARK: Final = 8
"""Digits that tell the files of state directories apart."""


def older(path: Path) -> Path:
    """The file with what was written before that in `path`."""
    return path.with_name(f"{path.stem}.1{path.suffix}")


def placed_in(folder: Path, own: Path) -> Path:
    """The file in another folder that stands for one of a state directory.

    The state directory has links to it, so that whoever reads or erases its event log finds it.
    """
    place = f"{socket.gethostname()} {own.parent.resolve()}"
    mark = hashlib.sha256(place.encode()).hexdigest()[:_MARK]
    path = folder.expanduser().absolute() / f"{own.stem.replace('-', f'-{mark}-', 1)}{own.suffix}"
    with suppress(OSError):  # nothing depends on the log
        own.parent.mkdir(mode=0o700, exist_ok=True)
        for link, target in ((own, path), (older(own), older(path))):
            if not link.is_symlink() or link.readlink() != target:
                link.unlink(missing_ok=True)
                link.symlink_to(target)
    return path


class EventLogFile:
    """The event log of a slot, open for writing from the first record on."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path = path
        self._most = max_bytes // 2
        self._descriptor = -1
        self._size = 0
        self._is_cut = True
        """Whether the file may end within a line."""

    def write(self, data: bytes) -> None:
        """Add the records of a run. Raises OSError: all of them, or a part, are not there."""
        self._open()
        if self._size and self._size + len(data) > self._most:
            self._path.replace(older(self._path))
            self.close()
            self._open()
        if self._is_cut and self._size:
            data = b"\n" + data
        self._is_cut = True
        while data:
            written = os.write(self._descriptor, data)
            self._size += written
            data = data[written:]
        self._is_cut = False

    def _open(self) -> None:
        """Open the file, also if another one has taken its place."""
        if self._descriptor >= 0:
            with suppress(OSError):
                found, own = self._path.stat(), os.fstat(self._descriptor)
                if (found.st_ino, found.st_dev) == (own.st_ino, own.st_dev):
                    return
            self.close()
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._descriptor = os.open(self._path, _FLAGS, 0o600)
        self._size = os.fstat(self._descriptor).st_size
        self._is_cut = True

    def close(self) -> None:
        """Close it."""
        if self._descriptor >= 0:
            with suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = -1
