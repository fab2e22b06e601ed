"""Reads what workers have printed, while they print it; see `worker/process/output.py`."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from .worker_log import earlier_log

if TYPE_CHECKING:
    from collections.abc import Iterator

_KEY: Final = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|.*?"""
_LABEL: Final = re.compile(rf"\[worker (\d+)(?:, input (-?\d+)(?:, key ({_KEY}))?)?\] ")
_CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of the log; `text` is the whole line, without its end."""

    text: str
    worker: int | None = None
    offset: int | None = None
    key: str | None = None
    """As Python writes it: `'k3'`."""

    @classmethod
    def parse(cls, text: str) -> LogLine:
        """Return a line as the file has it."""
        label = _LABEL.match(text)
        if label is None:
            return cls(text)
        worker, offset, key = label.groups()
        return cls(text, int(worker), None if offset is None else int(offset), key)


class LogReader:
    """Reads a pool's log, and goes on where it has stopped, also after the log was cut."""

    def __init__(self, path: Path, *, from_end: bool = False) -> None:
        """`from_end`: only what is written from now on."""
        self._path = path
        self._rest = b""
        self._position = 0
        if from_end:
            try:
                self._position = path.stat().st_size
            except OSError:
                self._position = 0
        elif earlier_log(path).exists():
            self._rest = earlier_log(path).read_bytes()

    def lines(self) -> Iterator[LogLine]:
        """Yield the lines that are complete, and have not been read."""
        for data in self._chunks():
            *complete, self._rest = (self._rest + data).split(b"\n")
            for line in complete:
                yield LogLine.parse(line.decode(errors="backslashreplace"))

    def last_line(self) -> LogLine | None:
        """Return what follows the last complete line."""
        rest, self._rest = self._rest, b""
        return LogLine.parse(rest.decode(errors="backslashreplace")) if rest else None

    def _chunks(self) -> Iterator[bytes]:
        try:
            file = self._path.open("rb")
        except OSError:
            return
        with file:
            if os.fstat(file.fileno()).st_size < self._position:
                yield self._cut()
            file.seek(self._position)
            while data := file.read(_CHUNK):
                self._position += len(data)
                yield data
            if not self._position:
                yield b""

    def _cut(self) -> bytes:
        """Return what was written before the log was cut, and was not read."""
        position, self._position = self._position, 0
        try:
            with earlier_log(self._path).open("rb") as file:
                return _after(file, position)
        except OSError:
            return b""


def _after(file: BinaryIO, position: int) -> bytes:
    file.seek(position)
    return file.read()


def keep_log(path: Path) -> Path | None:
    """Copy a log that is about to be deleted; return where it is, or None if it is empty."""
    parts = [part for part in (earlier_log(path), path) if part.exists() and part.stat().st_size]
    if not parts:
        return None
    descriptor, name = tempfile.mkstemp(prefix="tamias-", suffix=".log")
    with os.fdopen(descriptor, "wb") as copy:
        for part in parts:
            with part.open("rb") as file:
                shutil.copyfileobj(file, copy)
    return Path(name)
