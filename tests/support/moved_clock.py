"""A clock that a test moves, for code in its own process."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tamias.store import clock

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


class MovedClock:
    """The clock of timers and waits, ahead of the machine's by what a test has added."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._ahead = 0.0
        monkeypatch.setattr(clock, "now", lambda: time.time() + self._ahead)

    def advance(self, seconds: float) -> None:
        """Move it."""
        self._ahead += seconds


class SharedClock:
    """The same for this process and the processes that it starts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
        monkeypatch.setattr(clock, "_offset", clock._open_offset(str(file)))
        monkeypatch.setenv("TAMIAS_CLOCK", str(file))
        self.advance = clock.advance
