"""What the server for tests has been asked, as it has recorded it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SERVER = str(Path(__file__).with_name("server.py"))
"""The program."""


class Log:
    """What the server for tests has been asked."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def lines(self) -> list[str]:
        text = self.path.read_text() if self.path.exists() else ""
        return [line for line in text.splitlines() if not line.startswith("start ")]

    @property
    def starts(self) -> list[int]:
        text = self.path.read_text() if self.path.exists() else ""
        return [int(line[6:]) for line in text.splitlines() if line.startswith("start ")]


def lives(process: int) -> bool:
    """Whether a process has not ended."""
    return _status(process)[0] not in ("", "Z", "X")


def parent_of(process: int) -> int:
    """The process that has started it."""
    return int(_status(process)[1])


def _status(process: int) -> list[str]:
    try:
        text = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return ["", "0"]
    return text.rpartition(")")[2].split()[:2]


def eventually(holds: Callable[[], bool]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)
