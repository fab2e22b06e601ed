"""Recorded runs, read from the files of a state directory; those of one key, removed from them."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from ...agent.errors import StoreCorruptError
from ...store.faults import system_error
from ...store.files import rewrite_lines
from ...store.records.run_record import RunRecord

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["count_runs", "recorded_runs", "remove_runs"]

_PATTERN = "runs-*.jsonl*"


def recorded_runs(folder: Path, offset: int | None = None) -> Iterator[RunRecord]:
    """Yield the recorded runs, of all inputs or of one; lines that were cut short are left out."""
    begin = b"" if offset is None else b'{"offset":%d,' % offset
    for path in sorted(folder.glob(_PATTERN)):
        try:
            with path.open("rb") as lines:
                for line in lines:
                    if line.startswith(begin):
                        with suppress(StoreCorruptError):
                            yield RunRecord.decode(line)
        except FileNotFoundError:  # replaced by its successor meanwhile
            continue
        except OSError as error:
            raise system_error(error, path) from error


def count_runs(folder: Path, key: bytes) -> int:
    """How many recorded runs are of an encoded key."""
    return sum(_filtered(path, key, remove=False) for path in folder.glob(_PATTERN))


def remove_runs(folder: Path, key: bytes) -> int:
    """Remove the recorded runs of an encoded key, and return how many they were.

    No process may write to the files.

    Raises:
        StoreError: a file cannot be written; it is as it was.
    """
    return sum(_filtered(path, key, remove=True) for path in list(folder.glob(_PATTERN)))


def _filtered(path: Path, key: bytes, *, remove: bool) -> int:
    mark = b'"key":"%b",' % key.hex().encode()
    try:
        with path.open("rb") as lines:
            found = sum(mark in line for line in lines)
    except OSError as error:
        raise system_error(error, path) from error
    if remove and found:
        rewrite_lines(path, lambda lines: (line for line in lines if mark not in line))
    return found
