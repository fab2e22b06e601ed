"""What killed task managers leave behind is removed, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tamias.bridge.task.cleanup import LOCKS, OLD_SECONDS, PREFIX, sweep

if TYPE_CHECKING:
    from pathlib import Path


def make(parent: Path, name: str, *, old: bool = True) -> Path:
    folder = parent / f"{PREFIX}{name}"
    (folder / "state" / "shards").mkdir(parents=True)
    for lock in LOCKS:
        (folder / lock).touch()
    if old:
        then = time.time() - 2 * OLD_SECONDS
        os.utime(folder, (then, then))
    return folder


def test_a_directory_without_a_held_lock_is_removed(tmp_path: Path) -> None:
    ours, left = make(tmp_path, "ours"), make(tmp_path, "left")
    sweep(ours)
    assert not left.exists()
    assert ours.exists()


def test_a_young_one_may_not_have_its_locks_yet(tmp_path: Path) -> None:
    ours, young = make(tmp_path, "ours"), make(tmp_path, "young", old=False)
    sweep(ours)
    assert young.exists()


def test_other_folders_are_others(tmp_path: Path) -> None:
    ours, other = make(tmp_path, "ours"), tmp_path / "flink-dist-cache"
    other.mkdir()
    os.utime(other, (0, 0))
    sweep(ours)
    assert other.exists()


@pytest.mark.process
@pytest.mark.parametrize("lock", LOCKS)
def test_one_that_a_living_process_holds_stays_until_that_one_is_killed(
    tmp_path: Path, lock: str
) -> None:
    ours, theirs = make(tmp_path, "ours"), make(tmp_path, "theirs")
    hold = (
        "import fcntl, sys, time; file = open(sys.argv[1], 'r+'); fcntl.lockf(file, fcntl.LOCK_EX);"
        "print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(theirs / lock)], stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        sweep(ours)
        assert theirs.exists()
        holder.kill()
    sweep(ours)
    assert not theirs.exists()
