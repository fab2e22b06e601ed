"""`tamias debug` beside a job that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.cli import Folder, wait_for
from tamias.store.state.reader import StoreReader

if TYPE_CHECKING:
    from pathlib import Path


def test_dead_letters_of_a_running_job_are_executed_again(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.inputs([7, "raise", "crash", 8, "wait"], keys=1)
    words = ["run", "agent.py:Counter", "-i", "in.jsonl", "-o", "out.jsonl", "-w", "1"]
    words += ["--env", "GREETING=hello"]
    # One after the other, so that the input that waits keeps no other from being committed.
    settings = ("--set", "window=1", "--max-attempts", "1")
    with folder.started(*words, *settings) as job:
        wait_for((tmp_path / "waiting").exists)
        with StoreReader(tmp_path / "out.jsonl.tamias") as reader:
            wait_for(lambda: reader.memory("k0") == {"n": 2, "last": {"value": 8}})
        done = folder.tamias("debug", "out.jsonl.tamias", 1, "--no-pdb", code=1)
        assert "the agent has an environment of its own" in done.stderr
        raised = done.stdout
        assert "memory: as it was before the run" in raised
        assert "n: 1, now 2" in raised
        assert 'raise ValueError("this is trouble")' in raised
        assert "value = 'raise'" in raised
        crashed = folder.tamias("debug", "out.jsonl.tamias", 2, "--no-pdb", code=1)
        assert "the run has ended its process by SIGSEGV" in crashed.stdout
        assert "in count" in crashed.stderr  # the stack
        (tmp_path / "go").touch()
        job.communicate(timeout=30)
        assert job.returncode == 3
    assert [line["output"] for line in folder.lines()] == [[7, 1], [8, 2], [4, 3]]
    assert [letter["cause"] for letter in folder.dead_letters()] == ["exception", "crash"]
