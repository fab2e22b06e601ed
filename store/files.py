"""Small files, replaced atomically."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..agent.errors import StoreCorruptError
from .crashpoints import reach
from .faults import system_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

__all__ = ["read_json", "sync_directories", "write_json"]


def write_json(path: Path, content: dict[str, Any], *, sync: bool, indented: bool = True) -> None:
    """Replace the file at `path` atomically: a reader sees the old or the new content.

    Args:
        path: the file; `<path>.new` is written first.
        content: values that JSON knows.
        sync: whether it must survive power loss when this returns.
        indented: whether people are to read it; that takes ten times as long.

    Raises:
        StoreFullError, StoreUnwritableError: the old content is still there.
    """
    new = path.with_name(path.name + ".new")
    try:
        with new.open("w", encoding="utf-8") as file:
            # In one piece: `json.dump` would not use the encoder that is written in C.
            text = json.dumps(content, indent=2 if indented else None, sort_keys=True)
            file.write(text + "\n")
            file.flush()
            if sync:
                os.fsync(file.fileno())
        reach("file.before")
        new.replace(path)
        reach("file.after")
    except OSError as error:
        raise system_error(error, path) from error
    if sync:
        sync_directories(path.parent)


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the content of a file that `write_json` wrote, None if there is none.

    Raises:
        StoreCorruptError: it is not JSON, or not an object.
    """
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise system_error(error, path) from error
    except ValueError as error:
        raise _damaged(path, str(error)) from error
    if not isinstance(content, dict):
        raise _damaged(path, "not an object")
    return content


def rewrite_lines(path: Path, chosen: Callable[[Iterable[bytes]], Iterable[bytes]]) -> None:
    """Write a file anew with those of its lines that `chosen` yields; nobody else may write to it.

    Raises:
        StoreError: it cannot be written; it is as it was.
    """
    fresh = path.with_name(f"forgotten-{path.name}")
    try:
        with path.open("rb") as lines, fresh.open("wb") as kept:
            os.fchmod(kept.fileno(), os.fstat(lines.fileno()).st_mode & 0o777)
            kept.writelines(chosen(lines))
            kept.flush()
            os.fsync(kept.fileno())
        fresh.replace(path)
    except OSError as error:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise system_error(error, path) from error


def _damaged(path: Path, reason: str) -> StoreCorruptError:
    return StoreCorruptError(
        f"{path} is damaged ({reason}).", hint="Restore the state directory from a copy."
    )


def sync_directories(*directories: Path) -> None:
    """Write the entries of directories to disk; without it a power loss can lose a new file."""
    for path in directories:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise system_error(error, path) from error
