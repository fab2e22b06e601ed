"""A service manager that ends a job sends its signal to every process of it, not to the first."""

from __future__ import annotations

import re
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil

from support.cli import Folder, pool_of, wait_for

if TYPE_CHECKING:
    from pathlib import Path


def test_a_temporary_state_can_be_gone_on_with(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    folder.inputs([*range(20), "wait", *range(20)])
    run = ["run", "agent.py:Counter", "-i", "in.jsonl", "-w", 1, "--set", "batch-size=1"]
    with folder.started(*run, TMPDIR=str(scratch)) as job:
        wait_for((tmp_path / "waiting").exists)
        for process in [psutil.Process(job.pid), *pool_of(job)]:
            with suppress(psutil.NoSuchProcess):  # the launcher may have ended it by now
                process.send_signal(signal.SIGTERM)
        before, said = job.communicate(timeout=60)
        assert job.returncode == 130, said
    folder.write("go", "")
    state = re.findall(r"tamias resume (\S+)", said)[0]
    after = folder.tamias("resume", state).stdout
    assert len((before + after).splitlines()) == 41
