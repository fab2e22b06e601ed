"""Looking into a process from outside: what must never be left behind, and who may."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tamias.agent.errors import MissingExtraError, PoolError
from tamias.console.workers import py_spy
from tamias.console.workers.frames import frames_of_action
from tamias.console.workers.processes import (
    continue_process,
    is_worker,
    kernel_threads,
    state_of,
    why_not,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.process

WORKER = "import setproctitle, time; setproctitle.setproctitle('tamias worker 3 (A)'); print(1); "


@pytest.fixture
def worker() -> Iterator[int]:
    """A process that looks like the worker in slot 3; its pid."""
    with subprocess.Popen(
        [sys.executable, "-uc", f"{WORKER}time.sleep(600)"], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process.pid
        finally:
            process.kill()


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """In this block a process is stopped."""
    os.kill(pid, signal.SIGSTOP)
    while state_of(pid) != "T":
        time.sleep(0.005)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def program(folder: Path, text: str) -> str:
    """A program that takes the place of py-spy."""
    path = folder / "py-spy"
    path.write_text(f"#!/bin/bash\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_a_worker_that_was_left_stopped_goes_on(worker: int) -> None:
    with stopped(worker):
        assert continue_process(worker, "T") == ""  # it was so before
        assert state_of(worker) == "T"
        assert "was continued" in continue_process(worker, "S")
        while state_of(worker) == "T":
            time.sleep(0.005)
    assert continue_process(worker, "S") == ""


def test_a_profiler_that_hangs_is_ended_at_its_deadline_and_its_target_goes_on(
    worker: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs = f"trap '' INT; kill -STOP {worker}; echo $$ > {tmp_path}/pid; while :; do :; done"
    monkeypatch.setenv(py_spy.VARIABLE, program(tmp_path, hangs))
    monkeypatch.setattr(py_spy, "LATE_SECONDS", 3.0)
    monkeypatch.setattr(py_spy, "_END_SECONDS", 0.2)
    with pytest.raises(PoolError, match="has not ended within") as raised:
        py_spy.record(worker, 3, seconds=0.1, hz=10, native=True, idle=True)
    assert "was continued" in raised.value.hint
    while state_of(worker) == "T":
        time.sleep(0.005)
    assert state_of(int((tmp_path / "pid").read_text())) == ""


def test_what_py_spy_says_is_the_error(
    worker: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "echo 'Error: Failed to suspend process' >&2; echo '0: Operation' >&2; exit 1"
    monkeypatch.setenv(py_spy.VARIABLE, program(tmp_path, said))
    with pytest.raises(PoolError, match="Failed to suspend process; 0: Operation"):
        py_spy.dump(worker, 3)


def test_another_process_with_the_number_of_a_worker_is_left_alone(worker: int) -> None:
    assert is_worker(worker, 3)
    assert not is_worker(worker, 4)
    with pytest.raises(PoolError, match="has ended"):
        py_spy.dump(worker, 4)
    with pytest.raises(PoolError, match="has ended"):
        py_spy.dump(os.getpid(), 3)


def test_without_py_spy_it_is_said_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(py_spy.VARIABLE, raising=False)
    with pytest.raises(MissingExtraError, match="not installed"):
        py_spy.find_py_spy()


def test_the_kernel_says_what_threads_do_and_who_may_look(worker: int) -> None:
    (thread,) = kernel_threads(worker)
    assert thread["native_id"] == worker
    while thread["state"] != "sleeping":  # it has only just begun
        (thread,) = kernel_threads(worker)
    assert why_not(worker) == ""
    assert why_not(2**22 + 5) == "it has ended"
    assert kernel_threads(2**22 + 5) == []


@pytest.mark.parametrize(
    ("caller", "file", "begins"),
    [
        ("Engine._run_simply", "/env/tamias/worker/engine/engine.py", True),
        ("RunDriver._call", "/env/tamias/worker/engine/run_driver.py", True),
        ("_call", "/env/tamias/worker/tasks/thread_pool.py", True),
        ("_call", "/app/worker/engine.py", False),
        ("Engine.work", "/env/tamias/worker/engine/engine.py", False),
    ],
)
def test_the_frames_of_an_action_begin_after_what_calls_it(
    caller: str, file: str, *, begins: bool
) -> None:
    frames = [
        {"function": "<module>", "file": "<string>"},
        {"function": caller, "file": file},
        {"function": "work", "file": "/app/agent.py"},
        {"function": "get", "file": "/env/tamias/worker/memory/memory.py"},
    ]
    assert frames_of_action(frames) == (frames[2:] if begins else frames)
