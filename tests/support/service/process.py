"""A real service, in a process of its own, and real clients, some of which are to be killed."""

from __future__ import annotations

import json
import signal
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.cli import Folder, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

AGENT = '''
"""Counts the inputs of each key, and tells the value with the count. Some inputs are trouble."""

import os
import signal
import time
from pathlib import Path

from tamias import Agent, InputEvent, OutputEvent, action

HERE = Path(__file__).parent


class Counter(Agent):
    @action(InputEvent)
    @staticmethod
    def count(event, ctx):
        value = event.input
        if value == "raise":
            raise ValueError("this is trouble")
        if value == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        if value == "wait":
            while not (HERE / "go").exists():
                time.sleep(0.005)
        n = (ctx.short_term_memory.get("n") or 0) + 1
        ctx.short_term_memory.set("n", n)
        if value == "twice":
            ctx.send_event(OutputEvent(output="first"))
        if value != "silent":
            ctx.send_event(OutputEvent(output=[value, n]))
'''


class Service:
    """A service that runs.

    Attributes:
        folder: where its agent is, and its state directory `state`.
        process: the launcher.
    """

    def __init__(self, folder: Folder, process: subprocess.Popen[str]) -> None:
        self.folder = folder
        self.process = process
        self.state = folder.path / "state"

    def told(self) -> dict[str, Any]:
        """What it says of itself in the state directory."""
        content: dict[str, Any] = json.loads((self.state / "service.json").read_text())
        return content

    def kill(self) -> None:
        """Kill the launcher; its workers go with it."""
        self.process.kill()
        self.process.wait()

    def end(self) -> str:
        """Ask it to end, and wait until it has; returns what it printed."""
        self.process.send_signal(signal.SIGTERM)
        _, errors = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, errors
        return errors


@contextmanager
def serving(
    path: Path,
    *arguments: object,
    agent: str = AGENT,
    target: str = "agent.py:Counter",
    **settings: str,
) -> Iterator[Service]:
    """Serve the agent above, or another, from a folder, and wait until it is ready."""
    folder = Folder(path)
    folder.write("agent.py", agent)
    with folder.started(
        "serve",
        target,
        "--state",
        "state",
        "--workers",
        2,
        "--json",
        *arguments,
        **settings,
    ) as process:
        assert process.stdout is not None
        ready = process.stdout.readline()
        if not ready:
            raise AssertionError(process.communicate()[1])
        assert json.loads(ready)["event"] == "ready"
        yield Service(folder, process)
        if process.poll() is None:
            process.kill()
            process.wait()


__all__ = ["AGENT", "Service", "serving", "wait_for"]
