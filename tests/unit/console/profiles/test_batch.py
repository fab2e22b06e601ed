"""The profile of a whole job, of what its workers have recorded, also of the dead ones."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tamias.console.profiles.batch import BatchProfile
from tamias.worker.profiling.profile import Frame, Profile
from tamias.worker.profiling.recording import Stretch, StretchFile

if TYPE_CHECKING:
    from pathlib import Path

WORK = (Frame("action work"),)


def add(folder: Path, slot: int, pid: int, began: float, seconds: float) -> None:
    """Record a stretch of a worker."""
    wall = Profile({WORK: seconds})
    stretch = Stretch(began, seconds, slot, pid, 0, 20, wall, wall, Profile())
    StretchFile(folder / f"worker-{slot}.jsonl").append(stretch)


def test_each_stretch_counts_once_and_those_of_earlier_jobs_do_not(tmp_path: Path) -> None:
    now = time.time()
    add(tmp_path, 0, 10, now - 60, 9.0)  # of an earlier life of the job
    with BatchProfile(tmp_path) as batch:
        add(tmp_path, 0, 11, now + 1, 1.0)
        batch.read()
        add(tmp_path, 0, 11, now + 2, 2.0)  # its last one, before it is killed
        add(tmp_path, 0, 12, now + 3, 4.0)  # its successor
        add(tmp_path, 1, 13, now + 1, 8.0)
        batch.read()
        batch.read()
    assert batch.wall.seconds == {WORK: 15.0}
    assert (batch.seconds, batch.count, batch.workers) == (15.0, 80, {0, 1})


def test_a_job_of_which_nothing_is_recorded(tmp_path: Path) -> None:
    with BatchProfile(tmp_path / "nowhere") as batch:
        pass
    assert (batch.count, batch.wall.total) == (0, 0)
