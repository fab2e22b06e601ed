"""The file that an export is written to: it appears under its name when it is complete.

On most file systems the file has no name until then, so nothing is left behind even if this
process is killed. Where such files are unknown, it is a hidden one beside the place.
"""

from __future__ import annotations

import gzip
import os
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from ...agent.errors import UsageError
from ..text import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

STANDARD_OUTPUT: Final = "-"
_MODE: Final = 0o666


def check_destination(path: Path, state: Path, *, overwrite: bool) -> None:
    """Check that a file may be written.

    Raises:
        UsageError: it exists, is a directory, or is a part of the state.
    """
    target = path.resolve()
    if target.is_dir():
        raise UsageError(f"{shown(path)} is a directory.", hint="Name a file (--output).")
    if state.resolve() in target.parents:
        raise UsageError(
            f"{shown(path)} is inside the state directory.", hint="Name a file elsewhere."
        )
    if not overwrite and _is_there(target):
        raise _exists(path)


@contextmanager
def written(path: Path | None, *, overwrite: bool) -> Iterator[BinaryIO]:
    """Give the file to write to; None is standard output.

    What is no ordinary file, a pipe for example, is written to directly.

    Raises:
        UsageError: it cannot be written, or has appeared meanwhile.
    """
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    try:
        target = path.resolve()
        if target.exists() and not target.is_file():
            with target.open("wb") as file:
                yield file
            return
        with _replaced(target, overwrite=overwrite) as file:
            if target.suffix.lower() == ".gz":
                with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
                    yield cast("BinaryIO", packed)
            else:
                yield file
    except FileExistsError:
        raise _exists(path) from None
    except OSError as error:
        raise UsageError(
            f"{shown(path)} cannot be written: {error.strerror or error}.",
            hint="Name another file (--output), or repair the place.",
        ) from error


@contextmanager
def _replaced(target: Path, *, overwrite: bool) -> Iterator[BinaryIO]:
    beside = target.with_name(f".{target.name[:200]}.{os.getpid()}.part")
    with _opened(target.parent, beside) as file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            if not beside.exists():
                if not overwrite:
                    _name(file, target)  # fails if there is such a file by now
                    return
                _name(file, beside)
            elif not overwrite and target.exists():
                raise FileExistsError(target)
            beside.replace(target)
        finally:
            with suppress(FileNotFoundError):
                beside.unlink()


def _opened(folder: Path, beside: Path) -> BinaryIO:
    """Open a new file without a name in a folder; where that is impossible, the file `beside`."""
    flags = os.O_WRONLY | os.O_CLOEXEC
    try:
        descriptor = os.open(folder, flags | os.O_TMPFILE, _MODE)
    except OSError:
        descriptor = os.open(beside, flags | os.O_CREAT | os.O_EXCL, _MODE)
    return cast("BinaryIO", os.fdopen(descriptor, "wb"))


def _name(file: BinaryIO, path: Path) -> None:
    """Give a name to a file that has none."""
    number = file.fileno()
    # With a `src_dir_fd` Python follows the link in /proc, as it must here; else it does not.
    os.link(f"/proc/self/fd/{number}", path, src_dir_fd=number)


def _is_there(target: Path) -> bool:
    return target.is_file() or target.is_symlink()


def _exists(path: Path) -> UsageError:
    return UsageError(
        f"{shown(path)} exists.", hint="Name another file, or replace it with --overwrite."
    )
