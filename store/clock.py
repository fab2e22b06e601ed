"""The clock that timers and waits go by: seconds since the epoch.

It is the clock of the machine, so what is due comes due while nothing runs, too. Tests move it: in
their own process by `advance`; in all processes of a job at once if the environment variable
`TAMIAS_CLOCK` names a file of 8 bytes, a float (native byte order) of seconds that are added.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

__all__ = ["advance", "listen", "milliseconds", "now", "steady"]

_FLOAT: Final = struct.Struct("=d")


def _open_offset(path: str) -> mmap.mmap | bytearray:
    """Where the seconds are that are added: in a file that other processes share, or in memory."""
    if not path:
        return bytearray(_FLOAT.size)
    file = Path(path)
    if not file.exists():
        file.write_bytes(_FLOAT.pack(0.0))
    with file.open("r+b") as opened:
        return mmap.mmap(opened.fileno(), _FLOAT.size)


_offset: Final = _open_offset(os.environ.get("TAMIAS_CLOCK", ""))
_unpack: Final = _FLOAT.unpack_from
_listeners: Final[list[Callable[[], None]]] = []


def now() -> float:
    """Return the time, in seconds since the epoch."""
    return time.time() + float(_unpack(_offset)[0])


def milliseconds() -> int:
    """Return the time in whole milliseconds since the epoch."""
    return int(now() * 1000)


def steady() -> float:
    """Return seconds that are never set back or forward, the same in all processes of a machine.

    They begin when it starts.
    """
    return time.monotonic() + float(_unpack(_offset)[0])


def advance(seconds: float) -> None:
    """Move the clock, for tests: of this process, or of all that share it."""
    _FLOAT.pack_into(_offset, 0, float(_unpack(_offset)[0]) + seconds)
    for listener in _listeners:
        listener()


def listen(moved: Callable[[], None]) -> Callable[[], None]:
    """Have `moved` called when this process moves the clock; return what ends that."""
    _listeners.append(moved)
    return lambda: _listeners.remove(moved)
