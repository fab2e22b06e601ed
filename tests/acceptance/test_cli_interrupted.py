"""Jobs that are stopped, killed and carried on with: the output is that of an undisturbed run."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING

import psutil
import pytest

from support.cli import Folder, interrupt, is_dead, pool_of, wait_for

if TYPE_CHECKING:
    from pathlib import Path

RUN = ("run", "agent.py:Counter", "-i", "in.jsonl", "-o", "out.jsonl", "--workers", "2")
GATE = 700


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path)
    # Input GATE waits for a file to appear: until then the job cannot end.
    folder.inputs([*range(GATE), "wait", *range(GATE, 20_000)], keys=20)
    return folder


def _waits(folder: Folder) -> bool:
    return (folder.path / "waiting").exists()


def _check(folder: Folder) -> None:
    """The output is complete, each line once, and in order per key."""
    lines = folder.lines()
    assert sorted(line["offset"] for line in lines) == list(range(20_001))
    for key in range(20):
        offsets = [line["offset"] for line in lines if line["key"] == f"k{key}"]
        counts = [line["output"][1] for line in lines if line["key"] == f"k{key}"]
        assert offsets == sorted(offsets)
        assert counts == list(range(1, len(counts) + 1))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_lets_what_is_under_way_end(
    folder: Folder, number: signal.Signals
) -> None:
    with folder.started(*RUN) as process:
        wait_for(lambda: _waits(folder))
        pool = pool_of(process)
        process.send_signal(number)
        assert process.stderr is not None
        told = ""
        while "stopping after" not in told:
            told = process.stderr.readline()
        assert "interrupt again" in told
        (folder.path / "go").touch()
        assert process.wait() == 130
        told = process.stderr.read()
        assert "tamias resume out.jsonl.tamias" in told
        wait_for(lambda: all(map(is_dead, pool)))
    before = len(folder.lines())
    assert 0 < before < 20_001
    assert f"{20_001 - before:,} inputs" in folder.tamias("resume", "out.jsonl.tamias").stderr
    _check(folder)


def test_the_second_signal_does_not_wait(folder: Folder) -> None:
    with folder.started(*RUN) as process:
        wait_for(lambda: _waits(folder))
        pool = pool_of(process)
        interrupt(process)
        assert process.stderr is not None
        while "stopping after" not in process.stderr.readline():
            pass
        interrupt(process)  # the gate is still shut
        assert process.wait() == 130
        wait_for(lambda: all(map(is_dead, pool)))
    (folder.path / "go").touch()
    folder.tamias(*RUN)  # to repeat the command is as good as resume
    _check(folder)


def test_a_launcher_that_is_killed_leaves_nobody_and_loses_nothing(folder: Folder) -> None:
    with folder.started(*RUN) as process:
        wait_for(lambda: _waits(folder))
        pool = pool_of(process)
        assert len(pool) >= 3  # the zygote and two workers
        process.kill()
        process.wait()
        wait_for(lambda: all(map(is_dead, pool)))
    assert "killed" in folder.tamias("status", "out.jsonl.tamias").stdout
    (folder.path / "go").touch()
    folder.tamias("resume", "out.jsonl.tamias")
    _check(folder)


def test_workers_that_are_killed_are_replaced(folder: Folder) -> None:
    with folder.started(*RUN) as process:
        wait_for(lambda: _waits(folder))
        for _ in range(2):  # a third death would make a suspect of the input that waits
            status = json.loads(folder.tamias("status", "out.jsonl.tamias", "--json").stdout)
            pids = [worker["pid"] for worker in status["workers"] if worker["pid"]]
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            wait_for(lambda pids=pids: _others_are_ready(folder, pids))  # type: ignore[misc]
        (folder.path / "go").touch()
        assert process.wait() == 0
    _check(folder)


def _others_are_ready(folder: Folder, pids: list[int]) -> bool:
    status = json.loads(folder.tamias("status", "out.jsonl.tamias", "--json").stdout)
    ready = [worker["pid"] for worker in status["workers"] if worker["state"] == "ready"]
    return len(ready) == 2 and not set(ready) & set(pids)


def test_the_number_of_workers_may_change(folder: Folder) -> None:
    (folder.path / "go").touch()
    with folder.started(*RUN[:-1], "3") as process:
        wait_for(lambda: _waits(folder))
        process.kill()
        process.wait()
    folder.tamias("resume", "out.jsonl.tamias", "--workers", "1")
    _check(folder)


def test_a_job_on_stdin_goes_on_when_it_is_fed_again(folder: Folder) -> None:
    text = (folder.path / "in.jsonl").read_text()
    (folder.path / "go").touch()
    command = ("run", "agent.py:Counter", "-i", "-", "-o", "out.jsonl")
    # The first feeder breaks off.
    folder.tamias(*command, stdin=text[: len(text) // 2].rpartition("\n")[0] + "\n")
    assert len(folder.lines()) < 20_001
    folder.tamias("resume", "out.jsonl.tamias", stdin=text)
    _check(folder)


def test_an_interrupted_job_on_stdout_keeps_its_state(folder: Folder) -> None:
    with folder.started("run", "agent.py:Counter", "-i", "in.jsonl", "--ordered") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        wait_for(lambda: _waits(folder))
        interrupt(process)
        while "stopping after" not in process.stderr.readline():
            pass
        (folder.path / "go").touch()
        first, told = process.communicate()
        assert process.returncode == 130
    state = told.rpartition("tamias resume ")[2].strip()
    rest = folder.tamias("resume", state).stdout
    lines = [json.loads(line) for line in (first + rest).splitlines()]
    assert [line["offset"] for line in lines] == list(range(20_001))


def test_two_launchers_on_one_state_directory(folder: Folder) -> None:
    with folder.started(*RUN) as process:
        wait_for(lambda: _waits(folder))
        for command in (RUN, ("resume", "out.jsonl.tamias")):
            done = folder.tamias(*command, code=2)
            assert f"in use by process {process.pid}" in done.stderr
        # A retry is done by the pool that runs.
        retried = folder.tamias("dead-letters", "retry", "out.jsonl.tamias", "--all")
        assert "no dead letters" in retried.stderr
        # Another state directory, but the same output.
        done = folder.tamias(*RUN, "--state", "other", code=2)
        assert "Another job is writing" in done.stderr
        assert not (folder.path / "other").exists()
        assert psutil.pid_exists(process.pid)
        (folder.path / "go").touch()
        assert process.wait() == 0
    _check(folder)
