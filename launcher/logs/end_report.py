"""Reports dead letters and workers' output, before a job's temporary state is deleted."""

from __future__ import annotations

import logging
import re
from heapq import nsmallest
from typing import TYPE_CHECKING, Any, Final

from ...store.encoding.keys import decode_key
from ...store.state.layout import StateLayout
from ...store.state.reader import StoreReader
from .log_reader import keep_log

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ...agent.errors import TamiasError
    from ...store.records.dead_letters import DeadLetter


LETTERS_LOGGED: Final = 5
LINES_LOGGED: Final = 20
_LOG_END: Final = 1 << 16
_STEPS: Final = re.compile(r'^ *File "(.+)", line (\d+), in (.+)$', re.MULTILINE)

_LOG: Final = logging.getLogger("tamias")


def warn_of_dead_letters(state: Path, count: int) -> None:
    """Log a warning for each of the first dead letters of a state directory, and for the rest.

    Args:
        state: the directory.
        count: how many there are.
    """
    with StoreReader(state) as reader:
        logged = nsmallest(LETTERS_LOGGED, _letters(reader), key=lambda letter: letter.offset)
    for letter in logged:
        _LOG.warning(
            "input %d (key %s) was set aside: %s: %s%s",
            letter.offset,
            repr(decode_key(letter.key)) if letter.key else "unknown",
            letter.cause,
            letter.error,
            _place(letter.traceback),
        )
    if count > len(logged):
        _LOG.warning("%d further inputs were set aside", count - len(logged))


def warn_of_ignored(failures: dict[str, list[Any]]) -> None:
    """Log a warning for each kind of failure that was ignored; `failures` are the report's."""
    for kind, (number, offset, error) in list(failures.items())[:LETTERS_LOGGED]:
        place = kind.partition(" (")[2].rpartition(")")[0]
        at = f" ({place})" if place else ""
        first = "" if offset is None else f", first input {offset}"
        _LOG.warning("%d failed and ignored%s: %s%s", number, first, error, at)


def _place(traceback: str) -> str:
    """Return the file and line of the last step of a traceback, to follow the error."""
    steps = _STEPS.findall(traceback)
    return " ({}:{} in {})".format(*steps[-1]) if steps else ""


def _letters(reader: StoreReader) -> Iterator[DeadLetter]:
    for number in range(reader.view.manifest.shards):
        with reader.shard(number) as snapshot:
            if snapshot is not None:
                yield from snapshot.dead_letters()


def keep_output(state: Path, error: TamiasError) -> None:
    """Keep what workers have printed, of a state directory that is deleted; tell where in a hint.

    Args:
        state: the directory.
        error: the one that ends the job.
    """
    kept = keep_log(StateLayout(state).pool_log)
    if kept is not None:
        gap = "\n" if "\n" in error.hint else " "
        error.hint = f"{error.hint}{gap}What the workers printed is in {kept}.".strip()


def last_words(log: Path) -> str:
    """Return the end of what the workers have printed, for an error's hint."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _LOG_END))
        lines = file.read().decode(errors="backslashreplace").splitlines()
    if not lines:
        return "The workers printed nothing."
    return "\n".join(["The last that the workers printed:", *lines[-LINES_LOGGED:]])
