"""The `tamias` command as people run it: the real one, in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from typer.testing import CliRunner

from tamias.cli.app import application

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TAMIAS = Path(sys.executable).with_name("tamias")
PATIENCE = 120.0

AGENT = '''
"""Counts the inputs of each key. Some inputs are trouble, until a file says that it is repaired."""

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
        memory = ctx.short_term_memory
        memory.set("n", (memory.get("n") or 0) + 1)
        memory.set("last.value", value if not isinstance(value, str) else value[:20])
        if not (HERE / "repaired").exists():
            if value == "raise":
                raise ValueError("this is trouble")
            if value == "crash":
                os.kill(os.getpid(), signal.SIGSEGV)
            if value == "object":
                ctx.send_event(OutputEvent(output=object()))
        if value == "wait":
            (HERE / "waiting").touch()
            while not (HERE / "go").exists():
                time.sleep(0.005)
        output = len(value) if isinstance(value, str) else value
        ctx.send_event(OutputEvent(output=[output, memory.get("n")]))


class Other(Agent):
    @action(InputEvent)
    @staticmethod
    def pass_on(event, ctx):
        ctx.send_event(OutputEvent(output=event.input))


not_an_agent = 3
'''


READING = (
    ["inspect"],
    ["export"],
    ["new"],
    ["status"],
    ["waiting"],
    ["keys"],
    ["limits"],
    ["metrics"],
    ["trace"],
    ["memory"],
    ["dead-letters", "list"],
    ["dead-letters", "show"],
)
"""Commands that start no process and need no terminal."""


class Folder:
    """A working directory with the agent above in `agent.py`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.write("agent.py", AGENT)

    def write(self, name: str, text: str) -> Path:
        """Write a file."""
        path = self.path / name
        path.write_text(text, encoding="utf-8")
        return path

    def inputs(self, values: list[Any], keys: int = 5, name: str = "in.jsonl") -> Path:
        """Write values as inputs, whose keys take turns: `k0`, `k1`, ..."""
        lines = [
            json.dumps({"key": f"k{number % keys}", "value": value})
            for number, value in enumerate(values)
        ]
        return self.write(name, "".join(f"{line}\n" for line in lines))

    def tamias(
        self, *arguments: object, stdin: str | None = None, code: int | None = 0, **settings: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the command to its end, which must be with exit code `code` if that is no None.

        Commands that only read (`READING`) run in this process, all others in one of their own.
        """
        words = list(map(str, arguments))
        if words[:1] in READING or words[:2] in READING:
            done = self._in_this_process(words, settings)
        else:
            done = subprocess.run(
                [TAMIAS, *words],
                cwd=self.path,
                env={**os.environ, **settings},
                input=stdin,
                stdin=subprocess.DEVNULL if stdin is None else None,
                capture_output=True,
                text=True,
                check=False,
                timeout=PATIENCE,
            )
        assert code is None or done.returncode == code, (done.returncode, done.stderr, done.stdout)
        assert "launcher/cli" not in done.stderr, done.stderr  # no traceback of our own
        return done

    def _in_this_process(
        self, words: list[str], settings: dict[str, str]
    ) -> subprocess.CompletedProcess[str]:
        before = Path.cwd()
        os.chdir(self.path)
        try:
            done = CliRunner().invoke(
                application(words[0]), words, env=settings, prog_name="tamias"
            )
        finally:
            os.chdir(before)
        return subprocess.CompletedProcess(words, done.exit_code, done.stdout, done.stderr)

    @contextmanager
    def started(self, *arguments: object, **settings: str) -> Iterator[subprocess.Popen[str]]:
        """Run the command beside the test; it is killed at the end if it still lives."""
        with subprocess.Popen(
            [TAMIAS, *map(str, arguments)],
            cwd=self.path,
            env={**os.environ, **settings},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def lines(self, name: str = "out.jsonl") -> list[dict[str, Any]]:
        """The lines of an output."""
        with (self.path / name).open(encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def dead_letters(self, state: str = "out.jsonl.tamias") -> list[dict[str, Any]]:
        """What the list of dead letters says."""
        listed = self.tamias("dead-letters", "list", state, "--json").stdout
        return [json.loads(line) for line in listed.splitlines()]

    def memory(self, key: object, state: str = "out.jsonl.tamias") -> dict[str, Any]:
        """The short-term memory of a key."""
        shown = self.tamias("inspect", state, "--key", key, "--json").stdout
        memory: dict[str, Any] = json.loads(shown)["short_term"]
        return memory

    def everything(self) -> set[str]:
        """The names of all that is in the folder, but what Python leaves."""
        return {path.name for path in self.path.iterdir()} - {"__pycache__"}


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def pool_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """All processes that a command has started, also indirectly."""
    return psutil.Process(process.pid).children(recursive=True)


def is_dead(process: psutil.Process) -> bool:
    """Whether a process is gone, or waits for someone to collect it."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def interrupt(process: subprocess.Popen[str], times: int = 1) -> None:
    """What Ctrl-C does."""
    for _ in range(times):
        process.send_signal(signal.SIGINT)
