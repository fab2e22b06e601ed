"""A program at a pseudo-terminal: what it prints is read, and lines are typed."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from typing_extensions import Self

PATIENCE = 60.0


class Terminal:
    """A program whose standard streams are a terminal.

    Attributes:
        shown: all that it has printed.
    """

    def __init__(self, command: Sequence[str], folder: Path, kind: str = "dumb") -> None:
        """`kind` is the terminal's (TERM)."""
        self.shown = ""
        self._place = 0
        self._end, other = pty.openpty()
        # In a session of its own, so that Ctrl-C is a signal, and one that no shell ignores,
        # as it does for what it starts in the background.
        self._process = subprocess.Popen(
            ["setsid", "--ctty", "--wait", "env", "--default-signal=INT", *command],
            cwd=folder,
            stdin=other,
            stdout=other,
            stderr=other,
            env={**os.environ, "TERM": kind, "COLUMNS": "200"},
        )
        os.close(other)

    def wait_for(self, text: str) -> str:
        """Return what is printed up to a text, which comes after what was waited for before."""
        until = time.monotonic() + PATIENCE
        while (found := self.shown.find(text, self._place)) < 0:
            if time.monotonic() > until or not self._read(until - time.monotonic()):
                raise AssertionError(f"no {text!r} in:\n{self.shown}")
        before, self._place = self._place, found + len(text)
        return self.shown[before : self._place]

    def type(self, text: str) -> None:
        """Type a line."""
        os.write(self._end, text.encode() + b"\n")

    def press(self, keys: str) -> None:
        """Press keys."""
        os.write(self._end, keys.encode())

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        os.write(self._end, b"\x03")

    def interrupt_until(self, text: str) -> None:
        """Press Ctrl-C until a text is printed.

        Python does not notice a signal that arrives between a prompt and the wait for a line.
        """
        until = time.monotonic() + PATIENCE
        while self.shown.find(text, self._place) < 0 and time.monotonic() < until:
            self.interrupt()
            self._read(1.0)
        self.wait_for(text)

    def ended(self) -> int:
        """Read to the end, and return the exit code."""
        until = time.monotonic() + PATIENCE
        while self._read(until - time.monotonic()):
            pass
        return self._process.wait(PATIENCE)

    def _read(self, seconds: float) -> bool:
        ready, _, _ = select.select([self._end], [], [], max(0.0, seconds))
        if not ready:
            return False
        try:
            data = os.read(self._end, 65536)
        except OSError:  # the other end is closed
            return False
        self.shown += data.decode(errors="replace").replace("\r\n", "\n")
        return bool(data)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(PATIENCE)
        os.close(self._end)
