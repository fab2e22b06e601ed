"""Finds what user code has changed in its own process, when the worker cannot go on.

An action may lower a limit of its process or close its files. What fails then (a commit, a message)
looks like a full disk or a broken machine; it is neither, and another worker would not meet it.
"""

from __future__ import annotations

import resource
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_LIMITS = {
    name: getattr(resource, name)
    for name in dir(resource)
    if name.startswith("RLIMIT_") and isinstance(getattr(resource, name), int)
}


class OwnChanges:
    """The limits of a process as they were when this was made."""

    def __init__(self) -> None:
        self._limits = _limits()

    def describe(self, files: Iterable[Path]) -> str:
        """Return what has changed for the worse; empty if nothing has.

        Args:
            files: files that this process must have open.
        """
        now = _limits()
        for name, before in self._limits.items():
            after = now.get(name, before)
            if after not in (before, resource.RLIM_INFINITY):
                return f"its {name} was changed to {after}"
        found = _open_files()
        needed = {str(file.resolve()) for file in files if file.exists()}
        if found and needed - found:
            return "its files were closed"
        return ""


def _open_files() -> set[str]:
    found = set()
    with suppress(OSError):
        for entry in Path("/proc/self/fd").iterdir():
            with suppress(OSError):
                found.add(str(entry.readlink()))
    return found


def _limits() -> dict[str, int]:
    """Return the soft limits of this process."""
    limits = {}
    for name, number in _LIMITS.items():
        with suppress(OSError, ValueError):
            limits[name] = resource.getrlimit(number)[0]
    return limits
