"""Places where tests kill the process, to show that no death loses or repeats an effect.

Code calls `reach("commit.before")` before and after each write whose half-way state could matter.
Outside of tests `reach` is an empty function. Environment variables, read once at import, arm it:

- `TAMIAS_CRASH=name:count:flagfile`: the process that reaches `name` for the `count`-th time
  (counted per process) and then can unlink `flagfile` kills itself with SIGKILL. Only one process
  can unlink it, so of all processes with the same environment exactly one dies, exactly once.
- `TAMIAS_CRASH_LOG=file`: each reach appends its name and a newline to `file`. In a first
  run a test learns which points exist and how often each is reached.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["reach"]


def _unarmed(_name: str) -> None:
    """Do nothing: no crash point is armed in this process."""


def _armed(crash: str, log: str) -> Callable[[str], None]:
    """Return the `reach` that the two settings ask for; either may be empty."""
    target, count, flag = "", 0, ""
    if crash:
        target, number, flag = crash.split(":", 2)
        count = int(number)
    left = count

    def reach(name: str) -> None:
        nonlocal left
        if log:
            _record(log, name)
        if name == target:
            left -= 1
            if left == 0 and _claim(flag):
                os.kill(os.getpid(), signal.SIGKILL)

    return reach


def _record(log: str, name: str) -> None:
    """Append one line; O_APPEND makes a short write of several processes atomic."""
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, name.encode() + b"\n")
    finally:
        os.close(descriptor)


def _claim(flag: str) -> bool:
    try:
        os.unlink(flag)  # noqa: PTH108 (this must be one system call)
    except FileNotFoundError:
        return False
    return True


_crash = os.environ.get("TAMIAS_CRASH", "")
_log = os.environ.get("TAMIAS_CRASH_LOG", "")

reach: Callable[[str], None] = _armed(_crash, _log) if _crash or _log else _unarmed
"""Declare that the named point has been reached; dies here if a test armed this point."""
