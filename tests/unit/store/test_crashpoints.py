from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from support.processes import run

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.process


REACH = """
import sys
from tamias.store.crashpoints import reach
for name in sys.argv[1:]:
    reach(name)
    print(name, flush=True)
"""

COMMIT = """
import sys
from pathlib import Path
from tamias.store.shard.batch import Batch
from tamias.store.shard.shard import Shard
shard = Shard.acquire(Path(sys.argv[1]), 0)
for _ in range(2):
    batch = Batch()
    batch.put_field(b"\\x01a", "n", b"1")
    shard.commit(batch)
"""


def test_nothing_happens_unarmed() -> None:
    process = run(REACH, "a", "b")
    assert process.returncode == 0
    assert process.stdout.split() == ["a", "b"]


def test_the_process_dies_at_the_named_point_and_count(tmp_path: Path) -> None:
    flag = tmp_path / "flag:with:colons"
    flag.touch()
    process = run(REACH, "a", "b", "a", "b", "a", TAMIAS_CRASH=f"a:2:{flag}")
    assert process.returncode == -signal.SIGKILL
    assert process.stdout.split() == ["a", "b"]
    assert not flag.exists()


def test_one_shot_over_all_processes(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    flag.touch()
    codes = [run(REACH, "a", TAMIAS_CRASH=f"a:1:{flag}").returncode for _ in range(3)]
    assert codes == [-signal.SIGKILL, 0, 0]


def test_the_log_tells_which_points_there_are(tmp_path: Path) -> None:
    log = tmp_path / "log"
    for _ in range(2):
        assert run(COMMIT, tmp_path / "shard", TAMIAS_CRASH_LOG=str(log)).returncode == 0
    commit = ["commit.before", "commit.inside", "commit.after"]
    assert (
        log.read_text().split()
        == (["acquire.before", "acquire.inside", "acquire.after"] + 2 * commit) * 2
    )


def test_log_and_crash_go_together(tmp_path: Path) -> None:
    flag, log = tmp_path / "flag", tmp_path / "log"
    flag.touch()
    process = run(REACH, "a", "b", TAMIAS_CRASH=f"b:1:{flag}", TAMIAS_CRASH_LOG=str(log))
    assert process.returncode == -signal.SIGKILL
    assert log.read_text().split() == ["a", "b"]
