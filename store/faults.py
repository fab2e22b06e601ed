"""Converts errors of the operating system and of LMDB to errors with a hint what to do."""

from __future__ import annotations

import errno
import os
import tempfile
from typing import TYPE_CHECKING

import lmdb

from ..agent.errors import (
    StoreCorruptError,
    StoreError,
    StoreFormatError,
    StoreFullError,
    StoreUnwritableError,
)

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["free_bytes", "lmdb_error", "system_error"]

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
TOO_MANY = frozenset({errno.EMFILE, errno.ENFILE})
"""Errors of a process, or a system, that has too many files open."""
MORE_FILES = "Raise the limit on open files (ulimit -n), and carry on."
_READ_ONLY = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
_NEARLY_FULL = 1 << 16
"""A failed write with fewer bytes free is reported as a full disk: LMDB reports a write that a full
disk cuts short as an input/output error."""

_LEAST_FREE = 1 << 20
"""With fewer bytes free a disk counts as full."""

_DAMAGED = (lmdb.CorruptedError, lmdb.PageNotFoundError, lmdb.InvalidError)


def free_bytes(path: Path) -> int:
    """Return the bytes that an ordinary user may still write on the file system of `path`."""
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize


_PROBE = bytes(1 << 16)


def is_writable(folder: Path) -> bool:
    """Return whether a file of some size can be written in a folder."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(_PROBE)
            file.flush()
    except OSError:
        return False
    return free_bytes(folder) >= _LEAST_FREE


def full(path: Path) -> StoreFullError:
    """Return the error for a file system without room at `path`."""
    if _has_no_inodes(path):
        return StoreFullError(
            f"No inodes are left on the disk of {path}: it can hold no more files. Nothing was "
            "written and nothing is lost.",
            hint="Remove files there, then resume.",
        )
    return StoreFullError(
        f"No space is left on the disk of {path}; nothing was written and nothing is lost.",
        hint="Make room, then resume.",
    )


def _has_no_inodes(path: Path) -> bool:
    for folder in (path, *path.parents):
        try:
            status = os.statvfs(folder)
        except OSError:
            continue
        return status.f_files > 0 and status.f_favail == 0
    return False


def unwritable(path: Path, reason: str) -> StoreUnwritableError:
    """Return the error for a `path` that may not be written."""
    return StoreUnwritableError(
        f"{path} cannot be written: {reason}.",
        hint="Give this user the right to write there, or choose another state directory.",
    )


def system_error(error: OSError, path: Path) -> StoreError:
    """Return the error to raise for an `OSError` at `path`."""
    reason = error.strerror or str(error)
    if error.errno in _FULL:
        return full(path)
    if error.errno in _READ_ONLY:
        return unwritable(path, reason)
    hint = MORE_FILES if error.errno in TOO_MANY else "Check the path and the disk."
    return StoreError(f"{path} cannot be used: {reason}.", hint=hint)


def lmdb_error(error: lmdb.Error, path: Path) -> StoreError:
    """Return the error to raise for an error of LMDB in the environment at `path`."""
    text = str(error)
    if isinstance(error, lmdb.MapFullError):
        return StoreFullError(
            f"The memory map of {path} is full; nothing was written and nothing is lost.",
            hint="Lift the limit on this process's address space (ulimit -v), then resume.",
        )
    if isinstance(error, _DAMAGED):
        return StoreCorruptError(
            f"{path} is damaged ({text}).",
            hint="Restore the state directory from a copy.",
        )
    if isinstance(error, lmdb.VersionMismatchError):
        return StoreFormatError(
            f"{path} was written by another version of LMDB ({text}).",
            hint="Use the Python environment that wrote it.",
        )
    if isinstance(error, lmdb.ReadonlyError) or os.strerror(errno.EROFS) in text:
        return unwritable(path, text)
    if isinstance(error, lmdb.ReadersFullError):
        return StoreError(
            f"Too many processes are reading {path}.", hint="End some of them, then try again."
        )
    if isinstance(error, lmdb.DiskError) or _is_full(path):
        return full(path)
    too_many = os.strerror(errno.EMFILE) in text
    hint = MORE_FILES if too_many else "Check the disk, then resume."
    return StoreError(f"{path} failed: {text}.", hint=hint)


def _is_full(path: Path) -> bool:
    try:
        return free_bytes(path) < _NEARLY_FULL
    except OSError:
        return False
