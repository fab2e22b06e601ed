"""A real standalone Flink cluster: processes that can be killed, and its REST API.

The distribution in the PyFlink wheel is used, with a configuration of its own: a job manager, any
number of task managers with two slots each, checkpoints every second, detection of deaths and
restarts quick enough for tests.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

SUPPORT = Path(__file__).resolve().parent
SLOTS = 2
_OF_A_TASK_THAT_HAS_ENDED = "Task local checkpoint failure"


def flink_home() -> Path:
    """The distribution."""
    import pyflink

    return Path(pyflink.__path__[0])


def free_port() -> int:
    """A TCP port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Cluster:
    """A cluster and the jobs in it.

    Attributes:
        home: everything it writes: configuration, logs, checkpoints.
        task_managers: the living ones.
        disks: where each of them has its temporary files, by process id.
    """

    def __init__(self, home: Path, stack: ExitStack) -> None:
        self.home = home
        self._stack = stack
        self.port = free_port()
        self.task_managers: list[subprocess.Popen[bytes]] = []
        self.disks: dict[int, Path] = {}
        self._started = 0
        for name in ("conf", "log", "checkpoints", "savepoints", "tmp"):
            (home / name).mkdir(parents=True)
        self._write_config()
        self._start("jobmanager.sh", "jobmanager")
        self.wait_for(lambda: self.ask("/overview") is not None, 180)

    def _write_config(self) -> None:
        source = flink_home() / "conf"
        config = yaml.safe_load((source / "config.yaml").read_text())
        rpc = free_port()
        flat = {
            "rest.port": self.port,
            "rest.address": "localhost",
            "rest.bind-port": str(self.port),
            "jobmanager.rpc.address": "localhost",
            "jobmanager.rpc.port": rpc,
            "jobmanager.memory.process.size": "768m",
            "taskmanager.memory.process.size": "1024m",
            "taskmanager.memory.managed.size": "64m",
            "taskmanager.memory.network.max": "64m",
            "taskmanager.memory.jvm-metaspace.size": "192m",
            "taskmanager.numberOfTaskSlots": SLOTS,
            "io.tmp.dirs": str(self.home / "tmp"),
            "execution.checkpointing.interval": "1s",
            "execution.checkpointing.dir": f"file://{self.home}/checkpoints",
            "execution.checkpointing.savepoint-dir": f"file://{self.home}/savepoints",
            "restart-strategy.type": "fixed-delay",
            "restart-strategy.fixed-delay.attempts": 100,
            "restart-strategy.fixed-delay.delay": "200 ms",
            "heartbeat.interval": "500",
            "heartbeat.timeout": "15000",
            "heartbeat.rpc-failure-threshold": 1,
            "python.executable": sys.executable,
            "python.client.executable": sys.executable,
        }
        for key in ("jobmanager", "taskmanager", "rest", "parallelism", "io"):
            config.pop(key, None)
        config.update(flat)
        (self.home / "conf" / "config.yaml").write_text(yaml.safe_dump(config))
        for path in source.glob("log4j*.properties"):
            (self.home / "conf" / path.name).write_text(path.read_text())

    @property
    def environ(self) -> dict[str, str]:
        """For whatever belongs to the cluster."""
        return {
            **os.environ,
            "FLINK_CONF_DIR": str(self.home / "conf"),
            "FLINK_LOG_DIR": str(self.home / "log"),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }

    def _start(self, script: str, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        log = (self.home / "log" / f"{name}.out").open("wb")
        process = subprocess.Popen(
            [str(flink_home() / "bin" / script), "start-foreground", *arguments],
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        log.close()
        self._stack.callback(_end, process)
        return process

    def start_task_manager(self) -> subprocess.Popen[bytes]:
        """One more task manager; returns when its slots are there."""
        self._started += 1
        before = self._registered()
        name = f"taskmanager-{self._started}"
        disk = self.home / "tmp" / name
        disk.mkdir()
        process = self._start("taskmanager.sh", name, "-D", f"io.tmp.dirs={disk}")
        self.task_managers.append(process)
        self.disks[process.pid] = disk
        self.wait_for(lambda: self._registered() - before, 180)
        return process

    def _registered(self) -> set[str]:
        """The task managers that the job manager knows, by their names; maybe dead ones, too."""
        known = (self.ask("/taskmanagers") or {}).get("taskmanagers", [])
        return {task_manager["id"] for task_manager in known}

    def kill_task_manager(self, index: int = 0) -> None:
        """SIGKILL; when its pools have ended, its disk is lost, too."""
        process = self.task_managers[index]
        pools = [*self.launchers(index), *self.workers(index)]
        del self.task_managers[index]
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        _, alive = psutil.wait_procs(pools, timeout=60)
        assert alive == [], "a killed task manager has left processes"
        shutil.rmtree(self.disks.pop(process.pid))

    # -- jobs ---------------------------------------------------------------------------------

    def submit(
        self,
        program: Path,
        *arguments: object,
        savepoint: str | None = None,
        parallelism: int = 1,
    ) -> str:
        """Start a job, detached; returns its id."""
        command = [str(flink_home() / "bin" / "flink"), "run", "-d", "-p", str(parallelism)]
        if savepoint is not None:
            command += ["-s", savepoint]
        command += ["-py", str(program), *map(str, arguments)]
        done = subprocess.run(
            command,
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
        found = re.search(r"JobID ([0-9a-f]{32})", done.stdout)
        assert found, f"not submitted: {done.stdout}\n{done.stderr}"
        return found[1]

    def ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """What the REST API says; None if nothing."""
        request = urllib.request.Request(
            f"http://localhost:{self.port}{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.load(answer)
        except OSError:
            return None

    def status(self, job: str) -> str:
        """RUNNING, FINISHED, FAILED, RESTARTING, ..."""
        return str((self.ask(f"/jobs/{job}") or {}).get("state", "UNKNOWN"))

    def wait_for_end(self, job: str, seconds: float = 240) -> None:
        """Wait until the job is finished; anything else is a failure."""

        def over() -> bool:
            status = self.status(job)
            if status in ("FAILED", "CANCELED"):
                causes = (self.ask(f"/jobs/{job}/exceptions") or {}).get("root-exception")
                raise AssertionError(f"the job has {status}: {causes}")
            return status == "FINISHED"

        self.wait_for(over, seconds)

    def checkpoints(self, job: str) -> dict[str, int]:
        """How many there were, by outcome."""
        counts: dict[str, int] = (self.ask(f"/jobs/{job}/checkpoints") or {}).get("counts", {})
        return counts

    def failures(self, job: str) -> int:
        """How often the job has failed, or part of it, and was restarted."""
        told = self.ask(f"/jobs/{job}/exceptions") or {}
        return len(told.get("exceptionHistory", {}).get("entries", []))

    def wait_for_checkpoint(self, job: str, more: int = 1) -> None:
        """Wait until so many more checkpoints are complete."""
        target = self.checkpoints(job).get("completed", 0) + more
        self.wait_for(lambda: self.checkpoints(job).get("completed", 0) >= target, 120)

    def stop_with_savepoint(self, job: str) -> str:
        """Returns the savepoint's path.

        Flink refuses it if one of the tasks that it asks has just ended, as sources do; then it is
        to be asked again.
        """
        outcome: dict[str, Any] = {}
        for _ in range(5):
            outcome = self._savepoint(job)
            if _OF_A_TASK_THAT_HAS_ENDED not in str(outcome):
                break
        assert "location" in outcome, outcome
        return str(outcome["location"])

    def _savepoint(self, job: str) -> dict[str, Any]:
        trigger = self.ask(f"/jobs/{job}/stop", {"drain": False})
        outcome: dict[str, Any] = {}

        def done() -> bool:
            answer = self.ask(f"/jobs/{job}/savepoints/{trigger['request-id']}") or {}
            outcome.update(answer.get("operation") or {})
            return bool(answer.get("status", {}).get("id") == "COMPLETED")

        self.wait_for(done, 120)
        return outcome

    def cancel(self, job: str) -> None:
        """End a job."""
        request = urllib.request.Request(
            f"http://localhost:{self.port}/jobs/{job}?mode=cancel", method="PATCH"
        )
        urllib.request.urlopen(request, timeout=10).close()
        self.wait_for(lambda: self.status(job) == "CANCELED", 120)

    @staticmethod
    def wait_for(condition: Any, seconds: float) -> None:
        """Wait for something to be so."""
        until = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < until, f"has not happened in {seconds} s"
            time.sleep(0.1)

    # -- what runs under it -------------------------------------------------------------------

    def launchers(self, index: int | None = None) -> list[psutil.Process]:
        """The pools' launchers of one living task manager, or of all."""
        chosen = self.task_managers if index is None else [self.task_managers[index]]
        return [found for process in chosen for found in pools_of(process.pid)]

    def workers(self, index: int | None = None) -> list[psutil.Process]:
        """The pools' workers, likewise."""
        found = []
        for launcher in self.launchers(index):
            with suppress(psutil.NoSuchProcess):
                for process in launcher.children(recursive=True):
                    with suppress(psutil.NoSuchProcess):
                        if process.name().startswith("tamias worker"):
                            found.append(process)
        return found

    def states(self) -> list[Path]:
        """The pools' state directories."""
        return list((self.home / "tmp").glob("*/tamias-pool-*"))

    def busy(self) -> list[int]:
        """Which of the task managers have pools."""
        return [i for i, process in enumerate(self.task_managers) if pools_of(process.pid)]

    def logs(self) -> str:
        """What everybody has printed."""
        return "".join(path.read_text(errors="replace") for path in (self.home / "log").iterdir())


def pools_of(task_manager: int) -> list[psutil.Process]:
    """The launchers that are children of a task manager."""
    found = []
    for child in psutil.Process(task_manager).children():
        with suppress(psutil.NoSuchProcess):  # a zombie is none, either
            if "tamias.bridge.task.main" in " ".join(child.cmdline()):
                found.append(child)
    return found


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.kill(process.pid, signal.SIGKILL)
    process.wait()


@contextmanager
def cluster(home: Path, task_managers: int = 1) -> Iterator[Cluster]:
    """A cluster for a while; nothing of it is left."""
    with ExitStack() as stack:
        made = Cluster(home, stack)
        for _ in range(task_managers):
            made.start_task_manager()
        yield made
