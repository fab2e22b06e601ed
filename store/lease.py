"""The lease: a lock that the kernel releases when its holder dies.

It is a POSIX record lock, the only one of the three kernel locks that belongs to the process:

- `flock` and open-file-description locks belong to the open file, which forked children share. A
  child that outlives the holder would keep the shard locked, without a writer.
- A lock file with a pid in it survives its writer, and pids are reused.

Record locks have two traps, which this module closes:

- They do not exclude threads of one process. So the process keeps a table of its leases.
- Closing *any* descriptor of the file drops them. So the file is never opened while the table says
  that this process holds it, and only this module opens such files. If other code in the holder
  opens and closes it nevertheless, the fencing epoch still excludes a second writer.

The file holds the pid of the last holder, for error messages. It is never removed, because another
process could have locked it just before.

A holder that cannot be killed (it sleeps in the kernel, or is in a frozen control group), and may
go on later, needs more. Its lease is *broken*: a new file replaces the one that it has locked, so
the lease is free, whatever happens to the old lock. From then on two processes may believe that
they hold it. So only a lease with a second protection may be broken, as a shard has one in its
fencing epoch, and only by the launcher that holds the lease of the whole directory.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import threading
import time
from typing import TYPE_CHECKING

from ..agent.errors import LeaseHeldError
from .faults import system_error

if TYPE_CHECKING:
    from pathlib import Path

    from typing_extensions import Self

__all__ = ["Lease"]

_FIRST_PAUSE = 0.0005
_LONGEST_PAUSE = 0.01
"""Seconds between attempts; short, because the successor of a dead worker waits for this."""


class Lease:
    """An exclusive lock, held from `acquire` to `close` or the holder's death.

    Attributes:
        path: the lock file.
    """

    __slots__ = ("_descriptor", "_identity", "path")

    def __init__(self, path: Path, descriptor: int, identity: tuple[int, int]) -> None:
        self.path = path
        self._descriptor = descriptor
        self._identity = identity

    @classmethod
    def acquire(cls, path: Path, wait: float = 0.0) -> Self:
        """Take the lease of the lock file at `path`, which is created if need be.

        Args:
            path: the lock file; its directory must exist.
            wait: seconds to wait for a living holder to release it.

        Raises:
            LeaseHeldError: a process, named by its pid, still holds it.
            StoreUnwritableError: the file cannot be opened for writing.
            StoreFullError: there is no room for the file.
        """
        deadline = time.monotonic() + wait
        pause = _FIRST_PAUSE
        while True:
            with _guard:
                lease = cls._attempt(path)
            if lease is not None:
                return lease
            if time.monotonic() >= deadline:
                pid = cls.last_holder(path)
                raise LeaseHeldError(
                    f"{path} is held by {f'process {pid}' if pid else 'another process'}.",
                    hint="Wait until that process is done with it, or end it.",
                )
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    @classmethod
    def _attempt(cls, path: Path) -> Self | None:
        if _identity(path) in _held:
            return None
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise system_error(error, path) from error
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if error.errno in (errno.EACCES, errno.EAGAIN):
                return None
            raise system_error(error, path) from error
        status = os.fstat(descriptor)
        identity = status.st_dev, status.st_ino
        if identity in _held or _identity(path) != identity:
            # The file was replaced after it was opened.
            os.close(descriptor)
            return None
        with contextlib.suppress(OSError):
            # On a full disk the lock still works; only the pid is missing in messages.
            os.ftruncate(descriptor, os.pwrite(descriptor, b"%d\n" % os.getpid(), 0))
        lease = cls(path, descriptor, identity)
        _held[identity] = lease
        return lease

    @staticmethod
    def break_(path: Path) -> None:
        """Free the lease of `path` although its holder is alive; see the module's text.

        Raises:
            StoreUnwritableError: the directory does not let the file be replaced.
            StoreFullError: there is no room for another file.
        """
        # It has a unique name, and is empty, so it has no last holder.
        replacement = path.with_name(f"{path.name}.{os.getpid()}")
        try:
            with _guard:
                os.close(os.open(replacement, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644))
                with contextlib.suppress(OSError):  # only root can keep another user as the owner
                    status = path.stat()
                    os.chown(replacement, status.st_uid, status.st_gid)
                replacement.replace(path)
        except OSError as error:
            raise system_error(error, path) from error

    @staticmethod
    def last_holder(path: Path) -> int | None:
        """Return the pid that took the lease of `path` last, if known; it may be long dead."""
        with _guard:
            if _identity(path) in _held:
                return os.getpid()
            try:
                return int(path.read_bytes() or b"0") or None
            except (OSError, ValueError):
                return None

    @staticmethod
    def is_held(path: Path) -> bool:
        """Return whether a living process, this one included, holds the lease of `path`.

        Needs only permission to read. The answer may be out of date when it is returned.
        """
        with _guard:
            if _identity(path) in _held:
                return True
            try:
                descriptor = os.open(path, os.O_RDONLY)
            except OSError:
                return False
            try:
                fcntl.lockf(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return True
            finally:
                os.close(descriptor)
            return False

    @property
    def held(self) -> bool:
        """Whether this process holds the lease; False after `close` and in forked children."""
        return _held.get(self._identity) is self

    def close(self) -> None:
        """Release the lease; does nothing if it is not held."""
        with _guard:
            if _held.get(self._identity) is self:
                del _held[self._identity]
                os.close(self._descriptor)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


_guard = threading.Lock()
_held: dict[tuple[int, int], Lease] = {}


def _forget_after_fork() -> None:
    """Empty a forked child's table: record locks are not inherited."""
    global _guard  # noqa: PLW0603 (a thread of the parent may hold it)
    _guard = threading.Lock()
    for lease in _held.values():
        os.close(lease._descriptor)  # noqa: SLF001 (releases no lock: this process has none)
    _held.clear()


os.register_at_fork(after_in_child=_forget_after_fork)
