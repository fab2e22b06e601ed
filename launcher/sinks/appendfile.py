"""A file that only grows, and that an interrupted job can cut back to a known length.

The job's checkpoint records the length that it covers. What is behind that length after a crash is
cut off on resume, and those outputs are written again from the outbox. So the file needs no markers
inside and no renaming at the end, and a reader may follow it while it grows.

Not every path is a file: a terminal, a pipe or ``/dev/null`` cannot be cut back. For such an output
`length` is None, and what was written between the last checkpoint and a crash is written again on
resume.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import stat
from pathlib import Path

from ...agent.errors import InputError, RunError, StoreFullError, StoreUnwritableError, UsageError
from ...store.crashpoints import reach

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class OutputClosedError(RunError):
    """The reader of a pipe has closed it (as `head` does): the command ends without a message."""


class AppendFile:
    """An open output; the name ``-`` is standard output.

    Args:
        path: the file to write, or ``-``.
        length: the file's length in the checkpoint; what follows is cut off. None for a new job,
            which creates the file or uses an empty one.
        overwrite: whether a new job may empty a file that is not.
        sync: whether `flush` waits until the bytes are on the disk.

    Raises:
        UsageError: a new job would overwrite a file, or another job is writing it.
        InputError: the file is missing, or shorter than `length`: it was changed.
        StoreUnwritableError: the file cannot be opened for writing.
    """

    def __init__(
        self, path: str, *, length: int | None, overwrite: bool = False, sync: bool = False
    ) -> None:
        self.name = "standard output" if path == "-" else path
        self._sync = sync
        self._owned = path != "-"
        self._fd = _open(path, create=not length) if self._owned else 1
        try:
            self._regular = self._owned and stat.S_ISREG(os.fstat(self._fd).st_mode)
            self._length = self._begin(length, overwrite=overwrite) if self._regular else 0
        except BaseException:
            self.close()
            raise

    @property
    def length(self) -> int | None:
        """Bytes written so far, in all runs of the job; None if it cannot be cut back."""
        return self._length if self._regular else None

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

    def _write_some(self, view: memoryview) -> int:
        try:
            return os.write(self._fd, view)
        except BlockingIOError:  # another process has made the pipe non-blocking
            ready = select.poll()
            ready.register(self._fd, select.POLLOUT)
            ready.poll()
            return 0

    def _begin(self, length: int | None, *, overwrite: bool) -> int:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"Another job is writing {self.name}.", hint="Name another output, or wait for it."
            ) from None
        except OSError:
            pass  # a file system without locks
        size = os.fstat(self._fd).st_size
        if length is None:
            if size and not overwrite:
                raise UsageError(
                    f"The output {self.name} exists and is not empty.",
                    hint="Name another output, remove it, or allow it with --overwrite. To carry "
                    "an interrupted job on, name that job's state directory.",
                )
            length = 0
        elif size < length:
            raise InputError(
                f"The output {self.name} is {size} bytes long, but this job had written {length}: "
                "it was changed or replaced meanwhile.",
                hint="Put the old file back, or begin anew with an empty state directory.",
            )
        if size > length:
            reach("sink.truncate.before")
            os.ftruncate(self._fd, length)
            reach("sink.truncate.after")
        os.lseek(self._fd, length, os.SEEK_SET)
        if self._sync:
            _sync_directory(Path(self.name).parent)
        return length

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
