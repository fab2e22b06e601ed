"""Temporary state: where it is made, and what has to be told before it goes.

State that nobody has named ends with the job, and with it the dead letters and what the workers
printed. Whoever ran the job has only been told where to look, so what there is to see is taken out
first: a warning for each dead letter, the end of the log for a failure of the pool.
"""

from __future__ import annotations

import logging
import os
import tempfile
from heapq import nsmallest
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..store.keys import decode_key
from ..store.reader import StoreReader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..store.deadletters import DeadLetter

MEMORY: Final = Path("/dev/shm")  # noqa: S108 (where Linux has files in memory; mkdtemp follows)
ROOM: Final = 1 << 30
"""Free bytes without which `MEMORY` is left alone: containers often have a few megabytes there."""
LETTERS_TOLD: Final = 5
LINES_TOLD: Final = 20
_LOG_END: Final = 1 << 16

_LOG: Final = logging.getLogger("tamias")


def make_scratch(durability: str) -> Path:
    """A new, empty directory; in memory where nothing needs to survive and there is room."""
    in_memory = durability == "none" and _has_room(MEMORY)
    return Path(tempfile.mkdtemp(prefix="tamias-", dir=MEMORY if in_memory else None))


def _has_room(folder: Path) -> bool:
    try:
        free = os.statvfs(folder)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK) and free.f_bavail * free.f_frsize >= ROOM


def warn_of_letters(state: Path, count: int) -> None:
    """Log a warning for each of the first dead letters of a state directory, and for the rest.

    Args:
        state: the directory.
        count: how many there are.
    """
    with StoreReader(state) as reader:
        told = nsmallest(LETTERS_TOLD, _letters(reader), key=lambda letter: letter.offset)
    for letter in told:
        _LOG.warning(
            "input %d (key %s) was set aside: %s: %s",
            letter.offset,
            repr(decode_key(letter.key)) if letter.key else "unknown",
            letter.cause,
            letter.error,
        )
    if count > len(told):
        _LOG.warning("%d further inputs were set aside", count - len(told))


def _letters(reader: StoreReader) -> Iterator[DeadLetter]:
    for number in range(reader.view.manifest.shards):
        with reader.shard(number) as snapshot:
            if snapshot is not None:
                yield from snapshot.dead_letters()


def last_words(log: Path) -> str:
    """The end of what the workers printed, for an error's hint."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _LOG_END))
        lines = file.read().decode(errors="backslashreplace").splitlines()
    if not lines:
        return "The workers printed nothing."
    return "\n".join(["The last that the workers printed:", *lines[-LINES_TOLD:]])
