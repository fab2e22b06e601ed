"""Removing what killed task managers have left on this machine's disk.

A task has a directory, and locks a file in it for as long as it lives (`LocalState.java`). Its
launcher locks the state directory inside. Where both are free there is nobody who will come back:
a task that is restored, here or elsewhere, begins with a new directory.
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
"""What the names of tasks' directories begin with."""
LOCKS: Final = ("task.lock", "state/launcher.lock")
OLD_SECONDS: Final = 60.0
"""A directory that is younger may not have its locks yet."""


def sweep(ours: Path) -> None:
    """Remove the directories beside `ours` whose tasks have ended."""
    for path in ours.parent.glob(f"{PREFIX}*"):
        with suppress(OSError):  # somebody else is removing it
            old = time.time() - path.stat().st_mtime > OLD_SECONDS
            if path != ours and old and not any(Lease.is_held(path / name) for name in LOCKS):
                shutil.rmtree(path, ignore_errors=True)
