"""Standard descriptors and streams that are closed: kept from harm.

The system gives a new file the lowest free number. If a program is started with its output closed
(`command >&-`), the next file that it opens becomes its standard output, and all that it prints
goes into that file: an output, or a database.
"""

from __future__ import annotations

import fcntl
import os
import sys

_INPUT, _OUTPUT, _ERRORS = 0, 1, 2


def open_standard_descriptors() -> None:
    """Open the standard descriptors that are closed, so that no other file gets their numbers.

    Each is opened the wrong way round: using it fails as it would if it were closed.
    """
    for descriptor in (_INPUT, _OUTPUT, _ERRORS):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_WRONLY if descriptor == _INPUT else os.O_RDONLY)


def open_standard_streams() -> None:
    """The same for the streams, which are None in a program that was started without them.

    What is written to a closed stdout fails when it is flushed; messages to stderr are dropped.
    """
    open_standard_descriptors()
    if sys.stdin is None:
        sys.stdin = open(_INPUT, encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stdout is None:
        sys.stdout = open(_OUTPUT, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115


def can_read_input() -> bool:
    """Whether standard input is open for reading."""
    return _mode(_INPUT) in (os.O_RDONLY, os.O_RDWR)


def can_write_output() -> bool:
    """Whether standard output is open for writing."""
    return _mode(_OUTPUT) in (os.O_WRONLY, os.O_RDWR)


def _mode(descriptor: int) -> int:
    try:
        return fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE
    except OSError:
        return -1
