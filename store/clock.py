"""The clock that timers and waits go by: seconds since the epoch.

It is the clock of the machine, so what is due comes due while nothing runs, too. Tests move it, in
all processes of a job at once: the environment variable `TAMIAS_CLOCK` names a file of 8 bytes, a
float (native byte order) of seconds that are added.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["advance", "now"]

_FLOAT = struct.Struct("=d")


def _moved_clock(path: str) -> tuple[Callable[[], float], Callable[[float], None]]:
    """Return `now` and `advance` for a clock that is moved by this file."""
    file = Path(path)
    if not file.exists():
        file.write_bytes(_FLOAT.pack(0.0))
    with file.open("r+b") as opened:
        shared = mmap.mmap(opened.fileno(), _FLOAT.size)

    def moved_now() -> float:
        return time.time() + float(_FLOAT.unpack_from(shared)[0])

    def move(seconds: float) -> None:
        _FLOAT.pack_into(shared, 0, float(_FLOAT.unpack_from(shared)[0]) + seconds)

    return moved_now, move


def _fixed(seconds: float) -> None:
    raise RuntimeError(f"TAMIAS_CLOCK is not set, so the clock cannot be moved by {seconds} s")


_path = os.environ.get("TAMIAS_CLOCK", "")

now: Callable[[], float]
"""Return the time, in seconds since the epoch."""
advance: Callable[[float], None]
"""Move the clock of all processes by so many seconds; for tests."""

now, advance = _moved_clock(_path) if _path else (time.time, _fixed)
