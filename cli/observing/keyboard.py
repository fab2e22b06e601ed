"""Reads single keys from a terminal."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["keyboard"]

_NAMES: Final = {
    b"\x1b[A": "up",
    b"\x1bOA": "up",
    b"\x1b[B": "down",
    b"\x1bOB": "down",
    b"\x1b[5~": "page up",
    b"\x1b[6~": "page down",
    b"\x1b": "escape",
    b"\r": "enter",
    b"\n": "enter",
    b"\x03": "q",
}


@contextmanager
def keyboard() -> Iterator[Callable[[float], str]]:
    """Give a function that waits so many seconds for a key, and returns it; "" for none.

    Keys are not shown, and Ctrl-C is a key as well ("q"). Afterwards the terminal is as before.
    """
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    tty.setcbreak(terminal)
    mode = termios.tcgetattr(terminal)
    mode[3] &= ~termios.ISIG
    termios.tcsetattr(terminal, termios.TCSANOW, mode)

    def read(seconds: float) -> str:
        if not select.select([terminal], [], [], seconds)[0]:
            return ""
        data = os.read(terminal, 1)
        if data == b"\x1b":
            while select.select([terminal], [], [], 0.02)[0] and len(data) < len(b"\x1b[15~"):
                data += os.read(terminal, 1)
                if data in _NAMES and data != b"\x1b":
                    break
        return _NAMES.get(data) or (data.decode("ascii", "ignore") if data else "q")

    try:
        yield read
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
