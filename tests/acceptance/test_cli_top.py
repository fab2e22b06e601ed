"""`tamias top`: at a terminal, and without one."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import TYPE_CHECKING

from support.cli import Folder, wait_for
from support.terminal import Terminal

if TYPE_CHECKING:
    from pathlib import Path

AGENT = """
import asyncio, pathlib
from tamias import Agent, InputEvent, action

class Waits(Agent):
    @action(InputEvent)
    @staticmethod
    async def ask(event, ctx):
        pathlib.Path("begun").touch()
        await asyncio.sleep(300)
"""


def kill_worker(folder: Folder, slot: int) -> None:
    found = json.loads(folder.tamias("top", "state", "--json", code=0).stdout)
    os.kill(found["workers"][slot]["pid"], signal.SIGKILL)


def test_keys_look_at_a_worker_and_replace_it(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.write("agents.py", AGENT)
    folder.inputs([1])
    job = ("-i", "in.jsonl", "-o", "out.jsonl", "--state", "state", "--workers", 2)
    with folder.started("run", "agents.py:Waits", *job, "--set", "suspend-after=1h"):
        wait_for((folder.path / "begun").exists)
        command = [sys.executable, "-m", "tamias", "top", "state", "--interval", "0.2"]
        with Terminal(command, folder.path, "xterm") as terminal:
            terminal.wait_for("worker")
            terminal.wait_for("? help")
            terminal.press("?")
            terminal.wait_for("select a worker")
            terminal.press("q")
            terminal.wait_for("? help")
            terminal.press("t")
            terminal.wait_for("Thread MainThread")
            terminal.press("\x1b")
            terminal.wait_for("? help")
            terminal.press("\x1b[B")
            terminal.press("\r")
            terminal.wait_for("worker 1, process")
            kill_worker(folder, 1)
            terminal.wait_for("1 restart")  # the page goes on with each status
            terminal.press("t")  # keys for the worker work here, too
            terminal.wait_for("Thread MainThread")
            terminal.press("q")
            terminal.wait_for("? help")
            terminal.press("xn")
            terminal.wait_for("nothing was replaced")
            terminal.press("q")
            assert terminal.ended() == 0
        found = json.loads(folder.tamias("top", "state", "--json", code=0).stdout)
    assert found["running"]
    assert [worker["slot"] for worker in found["workers"]] == [0, 1]
    assert all(worker["cpu"] is not None and worker["rss"] > 1e6 for worker in found["workers"])
    at_rest = folder.tamias("top", "state", code=0).stdout
    assert "not running" in at_rest


def test_what_cannot_be_is_said(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    assert "is not a state directory" in folder.tamias("top", "nothing", code=2).stderr
    assert "Known: worker, cpu" in folder.tamias("top", ".", "--sort", "x", code=2).stderr
    assert "--interval 0" in folder.tamias("top", ".", "--interval", "0", code=2).stderr
