"""Removes directories that killed task managers have left on this machine.

A task has a directory, and locks a file in it for as long as it lives (`LocalState.java`). Its
launcher locks the state directory inside. If both locks are free, the directory is not needed any
more: a restored task, here or elsewhere, begins with a new directory.
"""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from ...store.lease import Lease

if TYPE_CHECKING:
    from pathlib import Path

PREFIX: Final = "tamias-pool-"
"""The prefix of the names of tasks' directories."""
LOCKS: Final = ("task.lock", "state/launcher.lock")
OLD_SECONDS: Final = 60.0
"""A directory that is younger may not have its locks yet."""


def sweep(ours: Path) -> None:
    """Remove the directories beside `ours` whose tasks have ended."""
    for path in ours.parent.glob(f"{PREFIX}*"):
        with suppress(OSError):  # another launcher is removing it
            old = time.time() - path.stat().st_mtime > OLD_SECONDS
            if path != ours and old and not any(Lease.is_held(path / name) for name in LOCKS):
                shutil.rmtree(path, ignore_errors=True)
