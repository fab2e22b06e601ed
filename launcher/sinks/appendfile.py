"""A file that only grows, and that an interrupted job can cut back to a known length.

The job's checkpoint records the length that it covers. What is behind that length after a crash is
cut off on resume, and those outputs are written again from the outbox. So the file needs no markers
inside and no renaming at the end, and a reader may follow it while it grows.

Not every path is a file: a terminal, a pipe or ``/dev/null`` cannot be cut back. For such an output
`length` is None, and what was written between the last checkpoint and a crash is written again on
resume.

A file that was edited or replaced meanwhile must be neither cut nor appended to. So the
checkpoint has a digest of the end of what it covers, and what lies behind that is only cut off if
the job may have written it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import stat
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from ...agent.errors import InputError, RunError, StoreFullError, StoreUnwritableError, UsageError
from ...store.crashpoints import reach

if TYPE_CHECKING:
    from collections.abc import Callable

_COVERED = 1 << 16
"""Bytes that the digest is of."""
_LONGEST_TAIL = 1 << 24
"""Bytes behind the checkpoint that are looked at before they are cut off."""
_PUT_BACK = "Put the old file back, or begin anew with an empty state directory."
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class OutputClosedError(RunError):
    """The reader of a pipe has closed it (as `head` does): the command ends without a message."""


class AppendFile:
    """An open output; the name ``-`` is standard output.

    Args:
        path: the file to write, or ``-``.
        length: the file's length in the checkpoint; what follows is cut off. None for a new job,
            which creates the file or uses an empty one.
        digest: of the end of that part, as it was then; None if that is not known.
        is_own: whether bytes that follow may have been written by this job, before it was killed.
        overwrite: whether a new job may empty a file that is not.
        sync: whether `flush` waits until the bytes are on the disk.

    Raises:
        UsageError: a new job would overwrite a file, or another job is writing it.
        InputError: the file is missing, shorter than `length`, or not as this job has left it.
        StoreUnwritableError: the file cannot be opened for writing.
    """

    def __init__(
        self,
        path: str,
        *,
        length: int | None,
        digest: str | None = None,
        is_own: Callable[[bytes], bool] = lambda _: True,
        overwrite: bool = False,
        sync: bool = False,
    ) -> None:
        self.name = "standard output" if path == "-" else path
        self._sync = sync
        self._owned = path != "-"
        self._fd = _open(path, create=not length) if self._owned else 1
        self._reading: int | None = None
        try:
            self._regular = self._owned and stat.S_ISREG(os.fstat(self._fd).st_mode)
            self._length = 0
            if self._regular:
                with contextlib.suppress(OSError):  # it may be written, and not read
                    self._reading = os.open(f"/proc/self/fd/{self._fd}", os.O_RDONLY | os.O_CLOEXEC)
                self._lock()
                if length is None:
                    self._begin(overwrite=overwrite)
                else:
                    self._go_on(length, digest, is_own)
        except BaseException:
            self.close()
            raise

    @property
    def length(self) -> int | None:
        """Bytes written so far, in all runs of the job; None if it cannot be cut back."""
        return self._length if self._regular else None

    def digest(self) -> str | None:
        """Of the end of what was written; None if the file cannot be read."""
        if self._reading is None:
            return None
        start = max(0, self._length - _COVERED)
        data = os.pread(self._reading, self._length - start, start)
        return blake2b(data, digest_size=16).hexdigest()

    def write(self, data: bytes | memoryview) -> None:
        """Append all of `data`, or nothing.

        Raises:
            StoreFullError: the disk is full; a half-written part is cut off again.
            OutputClosedError: no process reads the pipe any more.
            StoreUnwritableError: any other failure of the device.
        """
        reach("sink.write.before")
        view = memoryview(data)
        try:
            while view:
                view = view[self._write_some(view) :]
        except OSError as error:
            if self._regular:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._fd, self._length)
                    os.lseek(self._fd, self._length, os.SEEK_SET)
            raise self._explained(error) from error
        self._length += len(data)
        reach("sink.write.after")

    def flush(self) -> None:
        """Return when what was written is as safe as the durability demands."""
        if self._sync and self._regular:
            try:
                os.fsync(self._fd)
            except OSError as error:
                raise self._explained(error) from error

    def close(self) -> None:
        """Close the file; may be called again."""
        if self._owned:
            self._owned = False
            os.close(self._fd)
            if self._reading is not None:
                os.close(self._reading)

    def _write_some(self, view: memoryview) -> int:
        try:
            return os.write(self._fd, view)
        except BlockingIOError:  # another process has made the pipe non-blocking
            ready = select.poll()
            ready.register(self._fd, select.POLLOUT)
            ready.poll()
            return 0

    def _lock(self) -> None:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"Another job is writing {self.name}.", hint="Name another output, or wait for it."
            ) from None
        except OSError:
            pass  # a file system without locks

    def _begin(self, *, overwrite: bool) -> None:
        """Begin an empty file."""
        if os.fstat(self._fd).st_size and not overwrite:
            raise UsageError(
                f"The output {self.name} exists and is not empty.",
                hint="Name another output, remove it, or allow it with --overwrite. To carry "
                "an interrupted job on, name that job's state directory.",
            )
        self._cut()

    def _go_on(self, length: int, digest: str | None, is_own: Callable[[bytes], bool]) -> None:
        """Cut the file back to what the checkpoint covers, if it is this job's."""
        size = os.fstat(self._fd).st_size
        if size < length:
            raise InputError(
                f"The output {self.name} is {size} bytes long, but this job had written {length}: "
                "it was changed or replaced meanwhile.",
                hint=_PUT_BACK,
            )
        self._length = length
        if digest is not None and self.digest() not in (digest, None):
            raise InputError(
                f"The output {self.name} is not as this job has left it: its last lines, up to "
                f"byte {length}, were changed, or the file was replaced.",
                hint=_PUT_BACK,
            )
        if self._reading is not None and not is_own(os.pread(self._reading, _LONGEST_TAIL, length)):
            raise InputError(
                f"The output {self.name} has lines after byte {length} that this job has not "
                "written.",
                hint=_PUT_BACK,
            )
        self._cut()

    def _cut(self) -> None:
        if os.fstat(self._fd).st_size > self._length:
            reach("sink.truncate.before")
            os.ftruncate(self._fd, self._length)
            reach("sink.truncate.after")
        os.lseek(self._fd, self._length, os.SEEK_SET)
        if self._sync:
            _sync_directory(Path(self.name).parent)

    def _explained(self, error: OSError) -> Exception:
        if error.errno in _FULL:
            return StoreFullError(
                f"No room to write {self.name}: {error.strerror}.",
                hint="Nothing is lost: make room and repeat the command to carry on.",
            )
        if error.errno == errno.EPIPE:
            return OutputClosedError(
                f"The reader of {self.name} went away.", hint="Repeat the command to carry on."
            )
        return StoreUnwritableError(
            f"Cannot write {self.name}: {error.strerror}.",
            hint="Nothing is lost: repair that and repeat the command to carry on.",
        )


def _sync_directory(path: Path) -> None:
    """Sync the directory, so that a new file's name survives a power loss."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _open(path: str, *, create: bool) -> int:
    flags = os.O_WRONLY | os.O_CLOEXEC | (os.O_CREAT if create else 0)
    try:
        return os.open(path, flags, 0o666)
    except FileNotFoundError:
        if create:
            raise UsageError(
                f"The directory {Path(path).parent} of the output does not exist.",
                hint="Create it, or name another output.",
            ) from None
        raise InputError(
            f"The output {path} of this job is gone.",
            hint="Put it back, or begin anew with an empty state directory.",
        ) from None
    except IsADirectoryError:
        raise UsageError(f"The output {path} is a directory.", hint="Name a file.") from None
    except OSError as error:
        raise StoreUnwritableError(
            f"Cannot open the output {path} for writing: {error.strerror}.",
            hint="Check its permissions and its file system, or name another output.",
        ) from error
