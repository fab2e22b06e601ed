"""How the command says things: consoles, numbers, durations, paths as a person would type them."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from rich.console import Console

_WIDE = 400
"""Columns where there is no terminal: nothing is to be cut off."""


def error_console() -> Console:
    """Stderr: progress and messages. Long lines are the terminal's to wrap."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def output_console() -> Console:
    """Stdout: what was asked for."""
    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = _WIDE
    return console


def put(line: str) -> None:
    """Write a line for a script to stdout."""
    sys.stdout.write(line + "\n")


def count(number: int, one: str, many: str = "") -> str:
    """`1 input`, `1,234 inputs`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def duration(seconds: float) -> str:
    """`0.4 s`, `12 s`, `3:05 min`, `2:03:05 h`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}:{rest:02} min"
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02} h"


def size(number: float) -> str:
    """`512 B`, `1.5 MiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} TiB"


def rate(per_second: float) -> str:
    """`12,345/s`, `0.7/s`."""
    return f"{per_second:,.0f}/s" if per_second >= 10 else f"{per_second:.1f}/s"


def shown(path: str | Path) -> str:
    """A path as short as it can be from here."""
    absolute = str(path)
    relative = os.path.relpath(absolute)
    return relative if not relative.startswith("..") else absolute


def typed(path: str | Path) -> str:
    """The same as a word for the shell."""
    return shlex.quote(shown(path))
