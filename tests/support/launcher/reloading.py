"""A job that runs under a load while its code is changed and reloaded."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import psutil

from support.cli import PATIENCE, TAMIAS
from tamias.agent.errors import StoreFormatError
from tamias.launcher.control.client import NoAnswerError, send_request
from tamias.store.state.manifest import Manifest
from tamias.store.state.reader import StoreReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CODE = """
import asyncio, os, signal, time
from pathlib import Path
from tamias import Agent, InputEvent, OutputEvent, action

def wait():
    Path("waiting").touch()
    time.sleep(1000)

class Counter(Agent):
    @action(InputEvent)
    @staticmethod
    def count(event, ctx):
        n = (ctx.short_term_memory.get("n") or 0) + 1
        ctx.short_term_memory.set("n", n)
        {line}
        ctx.send_event(OutputEvent(output=[event.input, n, {version}]))
"""

KEYS = 20
QUICK = {"workers": 2, "shards": 4, "reload-probation": "100ms", "reload-canary": "0s"}


def code(version: object, line: str = "pass") -> str:
    """The agent; `line` is in its action, and `version`, a Python expression, in its outputs."""
    return CODE.format(version=version, line=line)


class Reloadable:
    """A running job; see `reloadable`."""

    def __init__(self, folder: Path, text: str, options: dict[str, Any]) -> None:
        self.agent = folder / "agent.py"
        self.state = folder / "state"
        self.output = folder / "out.jsonl"
        self.agent.write_text(text)
        self.fed = 0
        self.errors = ""
        """What it has printed, once it has ended."""
        settings = [f"--set={name}={value}" for name, value in {**QUICK, **options}.items()]
        self.process = subprocess.Popen(
            [TAMIAS, "run", f"{self.agent}:Counter", "--input=-", f"--output={self.output}",
             f"--state={self.state}", *settings],
            stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder,
        )  # fmt: skip
        self._stop = threading.Event()
        self._feeder = threading.Thread(target=self._feed)
        self._feeder.start()

    def _feed(self) -> None:
        assert self.process.stdin is not None
        with suppress(BrokenPipeError), self.process.stdin as stdin:
            while not self._stop.wait(0.002):
                stdin.write(json.dumps({"key": f"k{self.fed % KEYS}", "value": self.fed}) + "\n")
                stdin.flush()
                self.fed += 1

    def ask(self, question: str, **arguments: Any) -> dict[str, Any]:
        """What the pool answers."""
        return send_request(self.state, question, arguments, wait=60)

    def status(self) -> dict[str, Any]:
        """How it stands."""
        return send_request(self.state, "status", wait=60)

    def until(self, reached: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait for a status that has reached something."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and self.process.poll() is None:
            with suppress(NoAnswerError, StoreFormatError):  # it may just be starting
                status = self.status()
                if reached(status):
                    return status
            time.sleep(0.02)
        self.process.kill()
        assert self.process.stderr is not None
        raise AssertionError(f"it has not come to that: {self.process.stderr.read()}")

    def until_events(self, more: int) -> dict[str, Any]:
        """Wait until so many more inputs are done; the status then."""
        first = self.until(lambda _: True)["events"]
        return self.until(lambda status: status["events"] >= first + more)

    def until_stage(self, stage: str) -> dict[str, Any]:
        """Wait until a reload has come so far."""
        return self.until(lambda status: (status["reload"] or {}).get("stage") == stage)

    def reload(self, text: str | None = None, **arguments: Any) -> dict[str, Any]:
        """Change the code and have it reloaded."""
        if text is not None:
            self.agent.write_text(text)
        return self.ask("reload", **arguments)

    def pids(self) -> list[int]:
        """Pids of all processes below the launcher, when none is still starting."""
        self.until(lambda status: all(each["state"] == "ready" for each in status["workers"]))
        return sorted(process.pid for process in descendants(self.process.pid))

    def finish(self) -> list[list[Any]]:
        """Feed no more, and return all outputs in the order of their inputs."""
        self._stop.set()
        self._feeder.join()
        assert self.process.stderr is not None
        with self.process.stderr as stderr:
            self.errors = stderr.read()
        assert self.process.wait(PATIENCE) in (0, 3), self.errors
        lines = [json.loads(line) for line in self.output.read_text().splitlines()]
        # Of a key they must be in order as they stand.
        by_key: dict[str, list[int]] = {}
        for line in lines:
            by_key.setdefault(line["key"], []).append(line["offset"])
        assert all(offsets == sorted(set(offsets)) for offsets in by_key.values())
        return [line["output"] for line in sorted(lines, key=lambda line: line["offset"])]

    def close(self) -> None:
        """End it, however it stands."""
        self._stop.set()
        self.process.kill()
        self._feeder.join()
        self.process.wait()
        assert self.process.stderr is not None
        self.process.stderr.close()

    @property
    def manifest(self) -> Manifest:
        """As it is on disk."""
        manifest = Manifest.read(self.state)
        assert manifest is not None
        return manifest

    def letters(self) -> list[Any]:
        """The dead letters."""
        with StoreReader(self.state) as reader:
            return [
                letter
                for number in range(reader.view.manifest.shards)
                for letter in _letters_of(reader, number)
            ]


def _letters_of(reader: StoreReader, number: int) -> list[Any]:
    with reader.shard(number) as snapshot:
        return list(snapshot.dead_letters()) if snapshot is not None else []


@contextmanager
def reloadable(folder: Path, text: str | None = None, **options: Any) -> Iterator[Reloadable]:
    """A job that counts the inputs of each key, and is fed until `finish`."""
    names = {name.replace("_", "-"): value for name, value in options.items()}
    job = Reloadable(folder, code(1) if text is None else text, names)
    try:
        yield job
    finally:
        job.close()


def undisturbed(outputs: list[list[Any]], *, missing: int = 0) -> bool:
    """Whether each input has its output, once, with the count that its place in its key gives."""
    if not missing:
        expected = [[i, i // KEYS + 1] for i in range(len(outputs))]
        return [output[:2] for output in outputs] == expected
    values = [output[0] for output in outputs]
    return values == sorted(set(values))


def versions(outputs: list[list[Any]]) -> list[Any]:
    """The versions that have made the outputs, in the order of their first appearance."""
    return list(dict.fromkeys(output[2] for output in outputs))


def descendants(pid: int) -> list[psutil.Process]:
    """The living processes below one."""
    try:
        found = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return [process for process in found if _lives(process)]


def _lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
