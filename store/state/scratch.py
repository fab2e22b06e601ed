"""Temporary state: where it is made, and what has to be told before it goes.

State that nobody has named ends with the job, and with it the dead letters and what the workers
printed. Whoever ran the job has only been told where to look, so what there is to see is taken out
first: a warning for each dead letter, the end of the log for a failure of the pool.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Final

MEMORY: Final = Path("/dev/shm")  # noqa: S108 (where Linux has files in memory; mkdtemp follows)
ROOM: Final = 1 << 30
"""Free bytes without which `MEMORY` is left alone: containers often have a few megabytes there."""


def make_scratch(durability: str) -> Path:
    """A new, empty directory; in memory where nothing needs to survive and there is room."""
    in_memory = durability == "none" and _has_room(MEMORY)
    return Path(tempfile.mkdtemp(prefix="tamias-", dir=MEMORY if in_memory else None))


def _has_room(folder: Path) -> bool:
    try:
        free = os.statvfs(folder)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK) and free.f_bavail * free.f_frsize >= ROOM
