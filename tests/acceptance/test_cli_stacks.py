"""`tamias stacks`: of workers that answer, are stuck in C code, or are stopped."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from support.cli import Folder, wait_for

AGENT = """
import asyncio, ctypes, os, pathlib, time
from tamias import Agent, InputEvent, action

async def answer_of_a_service():
    await asyncio.sleep(300)

class Waits(Agent):
    @action(InputEvent)
    @staticmethod
    async def ask(event, ctx):
        pathlib.Path("begun").touch()
        await asyncio.gather(answer_of_a_service())

class Stuck(Agent):
    @action(InputEvent)
    @staticmethod
    def work(event, ctx):
        pathlib.Path("begun").touch()
        ctypes.PyDLL(None).sleep(300)  # with the interpreter's lock
"""


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A folder with agents, and one input."""
    folder = Folder(tmp_path)
    folder.write("agents.py", AGENT)
    folder.inputs([1])
    return folder


def job(folder: Folder, agent: str) -> tuple[object, ...]:
    """The command that runs an agent with one worker."""
    paths = ("-i", "in.jsonl", "-o", "out.jsonl", "--state", "state", "--workers", 1)
    return ("run", f"agents.py:{agent}", *paths, "--set", "suspend-after=1h")


def begun(folder: Folder) -> int:
    """Wait until the action has begun; the worker's pid."""
    wait_for((folder.path / "begun").exists)
    pids: list[int] = []

    def is_known() -> bool:
        found = folder.tamias("status", "state", "--json")
        pids[:] = [each["pid"] for each in json.loads(found.stdout)["workers"] if each["pid"]]
        return bool(pids)

    wait_for(is_known)
    return pids[0]


def stacks(folder: Folder, **settings: str) -> Any:
    """The stacks of the only worker."""
    found = folder.tamias("stacks", "state", "--json", code=0, stdin=None, **settings)
    (worker,) = json.loads(found.stdout)
    return worker


def functions(each: dict[str, Any]) -> list[str]:
    """The names of the functions in a thread's or task's frames."""
    return [frame["function"].rpartition(".")[2] for frame in each["frames"]]


def test_tasks_with_their_chains_inputs_actions_and_keys(folder: Folder) -> None:
    with folder.started(*job(folder, "Waits")):
        pid = begun(folder)
        found = stacks(folder)
        text = folder.tamias("stacks", "state", "--worker", 0).stdout
        os.kill(pid, signal.SIGSTOP)
        try:
            stopped = stacks(folder)
        finally:
            os.kill(pid, signal.SIGCONT)
    assert (found["source"], found["pid"]) == ("worker", pid)
    of_run = [task for task in found["tasks"] if task["offset"] == 0]
    assert {(task["action"], task["key"]) for task in of_run} == {("ask", "'k0'")}
    chains = [functions(task) for task in of_run]
    assert any(chain[:2] == ["answer_of_a_service", "sleep"] for chain in chains)
    assert any("ask" in chain for chain in chains)
    assert "input 0, key 'k0', action ask" in text
    assert "_perform" not in text
    assert stopped["state"].startswith("stopped")
    assert "_serve" in functions(stopped["threads"][0])  # by py-spy


def test_a_worker_that_is_stuck_in_c_code_is_seen_from_outside_or_by_a_signal(
    folder: Folder, tmp_path: Path
) -> None:
    with folder.started(*job(folder, "Stuck")):
        pid = begun(folder)
        by_py_spy = stacks(folder)
        broken = tmp_path / "py-spy"
        profiled = folder.tamias("profile", "state", "--seconds", 1)
        state = (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0]
        broken.write_text("#!/bin/sh\necho 'Error: no' >&2; exit 1\n")
        broken.chmod(0o755)
        by_signal = stacks(folder, TAMIAS_PY_SPY=str(broken))
    assert by_signal["source"] == "signal"
    assert any(functions(thread)[-1:] == ["work"] for thread in by_signal["threads"])
    assert "py-spy could not look into worker 0" in " ".join(by_signal["notes"])
    assert by_py_spy["source"] == "py-spy"
    assert functions(by_py_spy["threads"][0])[-1] == "work"
    assert "holds the interpreter's lock" in " ".join(by_py_spy["notes"])
    assert "looked at from outside, by py-spy" in profiled.stderr
    assert "work (agents.py:" in profiled.stdout
    assert state not in {"t", "T"}
