"""Makes the directory for temporary state, which is deleted when its job ends.

Dead letters and the log of the workers are deleted with it, so the job reports them before: it logs
a warning for each dead letter and, if the pool has failed, the end of the log.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Final

MEMORY: Final = Path("/dev/shm")  # noqa: S108 (where Linux has files in memory; mkdtemp follows)
MIN_FREE_BYTES: Final = 1 << 30
"""Free bytes that `MEMORY` must have to be used: containers often have a few megabytes there."""


def make_scratch(durability: str) -> Path:
    """Make a new, empty directory; in memory with durability `none`, if there is room."""
    in_memory = durability == "none" and _is_usable(MEMORY)
    return Path(tempfile.mkdtemp(prefix="tamias-", dir=MEMORY if in_memory else None))


def _is_usable(folder: Path) -> bool:
    try:
        free = os.statvfs(folder)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK) and free.f_bavail * free.f_frsize >= MIN_FREE_BYTES
