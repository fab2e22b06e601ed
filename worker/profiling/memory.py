"""What a worker allocates, as memray's tracker sees it; on request only, since it costs much."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["MemoryTracking"]


class MemoryTracking:
    """Tracks all allocations of this process between `start` and `stop`, into a file.

    The file is written at the end; it has sums by stack, so its size does not depend on how much is
    allocated. Both must be called by the same thread. One process can have one such tracking.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._tracker: Any = None
        self.began = 0.0

    def start(self, *, native: bool = False) -> None:
        """Begin.

        Raises:
            ImportError: memray is not installed in this environment.
            Exception: memray cannot track here, as when it does already.
        """
        import memray  # noqa: PLC0415 (an extra, and heavy)

        self.path.unlink(missing_ok=True)
        tracker = memray.Tracker(
            destination=memray.FileDestination(self.path, overwrite=True),
            file_format=memray.FileFormat.AGGREGATED_ALLOCATIONS,
            native_traces=native,
        )
        tracker.__enter__()
        self._tracker = tracker
        self.began = time.time()

    def stop(self) -> None:
        """End; the file is complete then. Raises OSError."""
        self._tracker.__exit__(None, None, None)
