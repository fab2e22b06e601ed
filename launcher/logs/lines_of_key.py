"""The lines of a pool's log that were printed for one key, or name it; counted, or removed."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ...store.faults import system_error
from .worker_log import earlier_log

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["count_lines", "names_key", "remove_lines"]


def names_key(key: Any) -> Callable[[str], bool]:
    """Whether a text names a key as the labels of log lines do: ``key 'ada'``."""
    pattern = re.compile(rf"\bkey {re.escape(repr(key))}(?![\w.'\"])")
    return lambda text: pattern.search(text) is not None


def count_lines(log: Path, key: Any) -> int:
    """How many lines name a key, in the log and in the file with its earlier part."""
    return sum(_filtered(path, key, remove=False) for path in (earlier_log(log), log))


def remove_lines(log: Path, key: Any) -> int:
    """Remove these lines, and return how many they were. No process may write to the log.

    Raises:
        StoreError: a file cannot be written; it is as it was.
    """
    return sum(_filtered(path, key, remove=True) for path in (earlier_log(log), log))


def _filtered(path: Path, key: Any, *, remove: bool) -> int:
    is_named = names_key(key)
    fresh = path.with_name(f"{path.name}.forgotten")
    found = 0
    try:
        if not path.is_file():
            return 0
        with path.open("rb") as log:
            found = sum(is_named(line.decode(errors="backslashreplace")) for line in log)
        if not remove or not found:
            return found
        with path.open("rb") as log, fresh.open("wb") as kept:
            os.fchmod(kept.fileno(), os.fstat(log.fileno()).st_mode & 0o777)
            for line in log:
                if not is_named(line.decode(errors="backslashreplace")):
                    kept.write(line)
            kept.flush()
            os.fsync(kept.fileno())
        fresh.replace(path)
    except OSError as error:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise system_error(error, path) from error
    return found
