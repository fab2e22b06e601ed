"""What a crash costs: from the fault to the next committed output, for who is hit and who is not.

    .venv/bin/python scripts/benchmarks/faults.py [--times 10] [--rate 2000]

A pool of two workers gets a steady stream of inputs. Then things happen to the first worker, or to
more, and these are measured, in milliseconds, as medians over so many times:

- *hit*: from the fault until the pool has the first output that a successor has committed;
- *others*: until it has the next output of a worker that was not hit;
- *again*: how many inputs were sent a second time.

A fault is the moment of the signal; for a hang or a memory bomb it is the moment when the action
begins with that, so the time that it takes to find out is included. For the launcher it is the
moment of its SIGKILL; the command is repeated at once, and includes the start of Python.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from woken_source import WokenSource

from tamias.launcher.delivery.checkpointed import CheckpointedDelivery
from tamias.launcher.jobs.agent_spec import AgentSpec
from tamias.launcher.jobs.job import Job
from tamias.launcher.sinks.collect import CollectSink
from tamias.store.encoding.keys import encode_key
from tamias.store.encoding.values import dumps, loads_all

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tamias.launcher.delivery.source import Record
    from tamias.launcher.pool.status import PoolStatus
    from tamias.store.records.outbox import Outputs

HERE = Path(__file__).parent
AGENT = f"{HERE / 'poison_agent.py'}:Poison"
KEYS = 100
TICK = 0.01
REST = 1.0
"""Seconds between two faults."""


class Steady(WokenSource):
    """So many inputs per second, until it is closed; in between one that was asked for."""

    def __init__(self, rate: int) -> None:
        super().__init__()
        self._rate = rate
        self._keys = [encode_key(f"k{number}") for number in range(KEYS)]
        self._plain = dumps("plain")
        self._due = 0
        self._wanted: list[str] = []
        self._open = True
        threading.Thread(target=self._tick, daemon=True).start()

    def _tick(self) -> None:
        while self._open:
            time.sleep(TICK)
            self.wake()
        self.wake()

    def ask(self, kind: str) -> None:
        """Have one input of this kind come next."""
        self._wanted.append(kind)

    def end(self) -> None:
        """That is all."""
        self._open = False

    def read(self, limit: int) -> list[Record]:
        """As `Source.read`."""
        self._due += self.wakes() * int(self._rate * TICK)
        if not self._due:
            return []
        if not self._open:
            self.exhausted = True
            return []
        count = min(limit, self._due)
        self._due -= count
        records: list[Record] = []
        for offset in range(self._offset, self._offset + count):
            payload = dumps(self._wanted.pop()) if self._wanted else self._plain
            records.append((self._keys[offset % KEYS], payload, None))
        self._offset += count
        return records


class Arrivals(CollectSink):
    """Notes which worker's outputs arrive when."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[float, int]] = []

    def write(self, outputs: Outputs, fresh: Sequence[int]) -> Sequence[int]:
        """As `Sink.write`."""
        if outputs.lengths:
            now = time.monotonic()
            values = loads_all(bytes(outputs.blob), outputs.lengths)
            pids = {pid for value in values for _, pid, _ in value.values()}
            self.seen += [(now, pid) for pid in pids]
        return fresh


class Pool:
    """A pool under measure."""

    def __init__(self, folder: str, rate: int) -> None:
        self.folder = Path(folder)
        self.source = Steady(rate)
        self.sink = Arrivals()
        self.status: PoolStatus | None = None
        self.results: dict[str, list[tuple[float, float, int]]] = {}

    def run(self, times: int) -> None:
        """Have everything happen so many times."""
        settings = {"workers": 2, "run-timeout": "1s", "memory-limit": "300MiB"}
        job = Job(AgentSpec("faults", target=AGENT, config=settings), on_status=self._look)
        attacker = threading.Thread(target=self._attack, args=(times,))
        with job.open_state(self.folder / "state", {}) as state:
            attacker.start()
            job.run(state, self.source, CheckpointedDelivery(self.sink, state.progress))
        attacker.join()

    def _look(self, status: PoolStatus) -> None:
        self.status = status

    def _workers(self) -> list[psutil.Process]:
        children = psutil.Process().children(recursive=True)
        return [
            process
            for process in children
            if process.cmdline()[:1] and process.cmdline()[0].startswith("tamias worker")
        ]

    def _attack(self, times: int) -> None:
        try:
            for _ in range(times):
                for name in ("SIGKILL", "SIGSEGV", "zygote", "hang", "memory"):
                    self._rest()
                    self.results.setdefault(name, []).append(self._measure(name))
        finally:
            self.source.end()

    def _rest(self) -> None:
        """Until both workers have been at work for a while."""
        time.sleep(REST)
        while len({pid for at, pid in self.sink.seen if at > time.monotonic() - 0.2}) < 2:
            time.sleep(0.01)
        self.sink.seen.clear()

    def _measure(self, name: str) -> tuple[float, float, int]:
        before = {process.pid for process in self._workers()}
        retries = self._retries()
        if name in ("hang", "memory"):
            mark = self.folder / f"mark-{time.monotonic_ns()}"
            self.source.ask(f"once-{'spin' if name == 'hang' else 'bomb'}:{mark}")
            while not mark.exists() or not mark.read_text():
                time.sleep(0.001)
            began = float(mark.read_text())
        else:
            worker = self._workers()[0]
            victim = worker.ppid() if name == "zygote" else worker.pid
            number = signal.SIGSEGV if name == "SIGSEGV" else signal.SIGKILL
            began = time.monotonic()
            os.kill(victim, number)
        while not (new := [at for at, pid in list(self.sink.seen) if pid not in before]):
            time.sleep(0.001)
        others = [at for at, pid in list(self.sink.seen) if at > began and self._lives(pid, before)]
        time.sleep(0.6)  # until the next status
        hit = (new[0] - began) * 1e3
        return hit, (min(others) - began) * 1e3 if others else hit, self._retries() - retries

    def _lives(self, pid: int, before: set[int]) -> bool:
        return pid in before and psutil.pid_exists(pid)

    def _retries(self) -> int:
        return self.status.retries if self.status is not None else 0


def launcher_deaths(folder: str, times: int) -> list[tuple[float, float, int]]:
    """The same for a command that is killed and repeated."""
    source, output = Path(folder) / "in.jsonl", Path(folder) / "out.jsonl"
    with source.open("w") as lines:
        for offset in range(2_000_000):
            lines.write(json.dumps({"key": f"k{offset % KEYS}", "value": "plain"}) + "\n")
    tamias = str(Path(sys.executable).with_name("tamias"))
    files = ("-i", str(source), "-o", str(output))
    command = [tamias, "run", AGENT, *files, "--quiet", "-w", "2"]
    results = []
    process = subprocess.Popen(command)
    for _ in range(times):
        enough = (output.stat().st_size if output.exists() else 0) + (1 << 20)
        while not output.exists() or output.stat().st_size < enough:
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
        began = time.monotonic()
        process.wait()
        process = subprocess.Popen(command)
        cut = output.stat().st_size
        while output.stat().st_size <= cut:  # it is cut back to the checkpoint first
            cut = min(cut, output.stat().st_size)
            time.sleep(0.001)
        hit = (time.monotonic() - began) * 1e3
        results.append((hit, hit, 0))
    process.kill()
    process.wait()
    return results


def main() -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--rate", type=int, default=2000)
    arguments = parser.parse_args()
    results: dict[str, list[Any]] = {}
    with tempfile.TemporaryDirectory(prefix="tamias-faults-") as folder:
        pool = Pool(folder, arguments.rate)
        pool.run(arguments.times)
        results.update(pool.results)
    with tempfile.TemporaryDirectory(prefix="tamias-faults-") as folder:
        results["launcher"] = launcher_deaths(folder, arguments.times)
    print(f"{'fault':10}{'hit, ms':>12}{'others, ms':>12}{'again':>8}")
    for name, found in results.items():
        hit, others, again = (statistics.median(column) for column in zip(*found, strict=True))
        print(f"{name:10}{hit:>12,.0f}{others:>12,.0f}{again:>8,.0f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
