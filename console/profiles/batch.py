"""The profile of a whole job: what its workers record is read while it runs, before it is dropped.

Workers keep about an hour. A thread reads what is new every few minutes and adds it up; what dead
workers have recorded counts, too.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ...worker.profiling.profile import Profile
from ...worker.profiling.recording import stretches_in

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["BatchProfile"]

_EVERY_SECONDS: Final = 300.0


class BatchProfile:
    """Adds up what workers record in a directory of profiles, in this block.

    Attributes:
        wall, cpu: the profiles, complete at the end of the block.
        seconds: of all workers together.
        count: the number of samples.
        workers: the slots that have recorded something.
    """

    def __init__(self, profiles: Path) -> None:
        self.wall = Profile()
        self.cpu = Profile()
        self.seconds = 0.0
        self.count = 0
        self.workers: set[int] = set()
        self._profiles = profiles
        self._began = time.time()
        self._read: dict[tuple[int, int], float] = {}
        """By slot and pid, when the last stretch began that was added."""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._go_on, name="tamias-batch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self.read()

    def _go_on(self) -> None:
        while not self._ended.wait(_EVERY_SECONDS):
            self.read()

    def read(self) -> None:
        """Add what is new."""
        for path in sorted(self._profiles.glob("worker-*.jsonl")):
            for stretch in stretches_in(path):
                worker = stretch.slot, stretch.pid
                if stretch.began <= max(self._read.get(worker, 0.0), self._began):
                    continue
                self._read[worker] = stretch.began
                self.wall.merge(stretch.wall)
                self.cpu.merge(stretch.cpu)
                self.seconds += stretch.seconds
                self.count += stretch.count
                self.workers.add(stretch.slot)
