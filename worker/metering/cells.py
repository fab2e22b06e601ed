"""Numbers of a worker that its launcher reads when the worker was killed.

A killed worker cannot report what it has counted since its last heartbeat. So each number that is
counted is also written into a small file that both have mapped, under a name: the kernel keeps what
is written there, whatever becomes of the process. A worker that ends by itself reports its totals,
and nobody reads its file.

The file begins with words of eight bytes, of which the first one is the length of the names. These
come after the words: a line of JSON for each name, with its first word and how many it has. A name
is complete before its length is counted. A file has room for many metrics; what finds no room is
reported by heartbeats only.
"""

from __future__ import annotations

import json
import mmap
import os
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

__all__ = ["NUMBER", "PRIVATE", "Cell", "Cells", "Reserve", "SharedCounts", "read_cells"]

Number = int | float
NUMBER: Final = 2
"""The words that a number of any kind takes."""
WORDS: Final = 16_384
_WORD_BYTES: Final = 8
_NAMES_FROM: Final = WORDS * _WORD_BYTES
_FILE_BYTES: Final = 2 * _NAMES_FROM
_LARGEST: Final = 1 << 63
_IS_FLOAT: Final = -_LARGEST
"""In the first word of a number: it is in the second one, as a floating-point number."""


class Cell:
    """The words of one name; without a file they are private."""

    __slots__ = ("floats", "words")

    def __init__(self, memory: memoryview) -> None:
        """`memory` is as long as the words."""
        self.words = memory.cast("q")
        """As signed integers."""
        self.floats = memory.cast("d")
        """The same, as floating-point numbers."""

    def become_private(self) -> None:
        """Leave the file alone from now on, with the numbers of now."""
        memory = memoryview(bytearray(self.words.tobytes()))
        self.words, self.floats = memory.cast("q"), memory.cast("d")

    def write(self, value: Number, at: int = 0) -> None:
        """Write a number of any kind into two words."""
        if value.__class__ is int and -_LARGEST < value < _LARGEST:
            self.words[at] = value
        else:
            self.floats[at + 1] = value
            self.words[at] = _IS_FLOAT

    def read(self, at: int = 0) -> Number:
        """What `write` has written."""
        word: int = self.words[at]
        return word if word != _IS_FLOAT else self.floats[at + 1]


class Cells:
    """The numbers of one worker."""

    def __init__(self, path: Path | None = None) -> None:
        """Create the file of a worker; without one, or without room on the disk, there is none."""
        self._view: memoryview | None = None
        self._cells: list[Cell] = []
        self._next = 1
        self._names = 0
        if path is None:
            return
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(file, 0, _FILE_BYTES)  # a full disk must not become a SIGBUS later
            self._view = memoryview(mmap.mmap(file, _FILE_BYTES))
        except OSError:
            path.unlink()
        finally:
            os.close(file)

    def reserve(self, *name: str, words: int = 1) -> Cell:
        """So many words under a name, which are zero."""
        line = json.dumps([*name, self._next, words]).encode() + b"\n"
        start, end = _NAMES_FROM + self._names, _NAMES_FROM + self._names + len(line)
        if self._view is None or end > _FILE_BYTES or self._next + words > WORDS:
            return Cell(memoryview(bytearray(words * _WORD_BYTES)))
        self._view[start:end] = line
        first = self._next * _WORD_BYTES
        self._next += words
        self._names += len(line)
        cell = Cell(self._view[first : first + words * _WORD_BYTES])
        self._cells.append(cell)
        self._view[:_WORD_BYTES] = self._names.to_bytes(_WORD_BYTES, "little")
        return cell

    def become_private(self) -> None:
        """Leave the file alone from now on: this is a child that the worker's code has forked."""
        self._view = None
        for cell in self._cells:
            cell.become_private()


PRIVATE: Final = Cells()
"""Those of nobody's file."""


class SharedCounts(dict[str, int]):
    """Counts by label, each of which is written into a cell whenever it changes."""

    def __init__(self, cells: Cells, name: str, labels: Iterable[str] = ()) -> None:
        """`name` is that of the measure; the counts of `labels` are zero from the outset."""
        super().__init__()
        self._reserve = partial(cells.reserve, name)
        self._by_label: dict[str, Cell] = {}
        for label in labels:
            self[label] = 0

    def __setitem__(self, label: str, count: int) -> None:
        super().__setitem__(label, count)
        cell = self._by_label.get(label)
        if cell is None:
            cell = self._by_label[label] = self._reserve(label)
        cell.words[0] = count

    def update_from(self, counts: dict[str, int]) -> None:
        """Set these."""
        for label, count in counts.items():
            self[label] = count


class Reserve(Protocol):
    """`Cells.reserve`, with the first part of the names."""

    def __call__(self, *name: str, words: int = 1) -> Cell: ...  # noqa: D102 (the class says it)


def read_cells(path: Path) -> Iterator[tuple[tuple[str, ...], Cell]]:
    """The names and words of a worker that has ended; nothing where there is no whole file."""
    content = b""
    with suppress(FileNotFoundError):
        content = path.read_bytes()
    if len(content) != _FILE_BYTES:
        return
    names = _NAMES_FROM + int.from_bytes(content[:_WORD_BYTES], "little")
    for line in content[_NAMES_FROM:names].splitlines():
        try:
            *name, first, words = json.loads(line)
            memory = memoryview(content)[first * _WORD_BYTES : (first + words) * _WORD_BYTES]
            yield tuple(map(str, name)), Cell(memory)
        except (ValueError, TypeError):
            return  # its own code has written there
