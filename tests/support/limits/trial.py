"""A job with limits beside a server that notes what reaches it, while processes are killed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from bisect import bisect_right
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Self

AGENT = Path(__file__).with_name("agent.py")
ANSWER_SECONDS = 0.1


class Server:
    """Answers a number with itself, and keeps when each came."""

    def __init__(self) -> None:
        self.arrivals: list[float] = []
        self.numbers: list[int] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            number = connection.makefile("rb").readline()
            if not number:  # it was killed before it has asked
                return
            self.arrivals.append(time.monotonic())
            self.numbers.append(int(number))
            time.sleep(ANSWER_SECONDS)
            connection.sendall(number)


@dataclass
class Kills:
    """How often what is killed, 0 for never, and how often at most."""

    worker_seconds: float = 0.0
    launcher_seconds: float = 0.0
    most: int = 1_000_000


@dataclass
class Trial:
    """What a trial is, and what has come of it."""

    directory: Path
    workers: int
    limits: dict[str, Any]
    inputs: int
    kills: Kills = field(default_factory=Kills)
    budget: bool = False
    seconds: float | None = None
    """When it is ended; None: when all inputs are done."""
    deaths: dict[str, int] = field(default_factory=lambda: {"worker": 0, "launcher": 0})
    arrivals: list[float] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)

    @property
    def state(self) -> Path:
        """The state directory."""
        return self.directory / "state"

    def outputs(self) -> list[Any]:
        """What the job has written."""
        lines = (self.directory / "out.jsonl").read_text().splitlines()
        return [json.loads(line)["output"] for line in lines]

    def run(self) -> Self:
        """Run it to its end."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / "in.jsonl").open("w") as lines:
            for number in range(self.inputs):
                lines.write(json.dumps({"key": f"k{number % 97}", "value": number}) + "\n")
        with Server() as server:
            self._run(server)
        self.arrivals, self.numbers = sorted(server.arrivals), server.numbers
        return self

    def _start(self, server: Server) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "LIMITS_SERVER": str(server.port)}
        if self.budget:
            environment["LIMITS_BUDGET"] = "1"
        command = [sys.executable, "-m", "tamias", "run", f"{AGENT}:AskingAgent"]
        command += ["--input", str(self.directory / "in.jsonl")]
        command += ["--output", str(self.directory / "out.jsonl"), "--state", str(self.state)]
        command += ["--workers", str(self.workers), "--config", str(self._config())]
        with (self.directory / "stderr").open("ab") as errors:
            return subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
            )

    def _config(self) -> Path:
        config = self.directory / "config.yaml"
        config.write_text(json.dumps({"limits": self.limits, "at-end": "wait"}))
        return config

    def _run(self, server: Server) -> None:
        chance = Random(1)
        began = time.monotonic()
        launcher = self._start(server)
        next_worker = began + (self.kills.worker_seconds or float("inf"))
        next_launcher = began + (self.kills.launcher_seconds or float("inf"))
        while True:
            now = time.monotonic()
            code = launcher.poll()
            if code is not None and code != -signal.SIGKILL:
                if code != 0:
                    raise AssertionError((self.directory / "stderr").read_text()[-2000:])
                return
            if self.seconds is not None and now > began + self.seconds:
                launcher.kill()
                launcher.wait()
                return
            if now > next_worker and self.deaths["worker"] < self.kills.most:
                next_worker = now + self.kills.worker_seconds
                self._kill_worker(chance)
            if now > next_launcher and self.deaths["launcher"] < self.kills.most:
                next_launcher = now + self.kills.launcher_seconds
                launcher.kill()
                launcher.wait()
                self.deaths["launcher"] += 1
                launcher = self._start(server)
            time.sleep(0.02)

    def _kill_worker(self, chance: Random) -> None:
        with suppress(OSError, ValueError, KeyError, IndexError):
            status = json.loads((self.state / "status.json").read_text())
            pids = [worker["pid"] for worker in status["workers"] if worker["pid"]]
            os.kill(chance.choice(pids), signal.SIGKILL)
            self.deaths["worker"] += 1


def windows(arrivals: list[float], seconds: float = 60.0) -> tuple[int, int]:
    """The fewest and the most arrivals in any window of so many seconds, while there were any."""
    last = arrivals[-1]
    most = max(
        bisect_right(arrivals, start + seconds) - index for index, start in enumerate(arrivals)
    )
    inner = [
        bisect_right(arrivals, start + seconds) - index - 1
        for index, start in enumerate(arrivals)
        if start + seconds <= last
    ]
    return min(inner, default=0), most
