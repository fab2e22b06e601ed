"""Reload after reload under a steady stream: how long keys wait, and what is left behind.

    .venv/bin/python scripts/benchmarks/reloads.py [--reloads 10] [--rate 2000] [--workers 2]

A job counts the inputs of each key while its code is changed and reloaded again and again. For each
reload it is told: the longest pause of any key, as the pool says it; the longest time from writing
an input into the pool to its run, as the agent says it; and after it the pool's processes, the
launcher's descriptors, and the memory of the launcher and of all processes (USS). In the end all
outputs must be there, once, in the order of their keys. The first line is before any reload.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import psutil

from tamias.agent.errors import TamiasError
from tamias.launcher.control.client import send_request

TAMIAS = Path(sys.executable).with_name("tamias")
KEYS = 1000
TICK = 0.005

AGENT = """
import time
from tamias import Agent, InputEvent, OutputEvent, action

class Counter(Agent):
    @action(InputEvent)
    @staticmethod
    def count(event, ctx):
        began = time.monotonic()
        number = (ctx.short_term_memory.get("n") or 0) + 1
        ctx.short_term_memory.set("n", number)
        ctx.send_event(OutputEvent(output=[number, {version}, event.input, began]))
"""


class Round(NamedTuple):
    """One reload. Times are seconds, memory is bytes."""

    began: float
    ended: float
    pause: float
    processes: int
    descriptors: int
    launcher: int
    all: int


class Stream:
    """Writes inputs at a steady rate, each with the time."""

    def __init__(self, process: subprocess.Popen[bytes], rate: int) -> None:
        self.written = 0
        self._process = process
        self._rate = rate
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write)
        self._thread.start()

    def _write(self) -> None:
        stdin = self._process.stdin
        assert stdin is not None  # noqa: S101 (it is a pipe)
        began = time.monotonic()
        with suppress(BrokenPipeError), stdin:
            while not self._stop.wait(TICK):
                now = time.monotonic()
                due = int((now - began) * self._rate)
                numbers = range(self.written, due)
                lines = [json.dumps({"key": f"k{n % KEYS}", "value": now}) + "\n" for n in numbers]
                stdin.write("".join(lines).encode())
                stdin.flush()
                self.written = max(due, self.written)

    def end(self) -> None:
        """No more inputs."""
        self._stop.set()
        self._thread.join()


def main() -> int:
    """Run it, check it, tell about it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--reloads", type=int, default=10)
    parser.add_argument("--rate", type=int, default=2000, help="inputs per second")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--shards", type=int, default=8)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tamias-reloads-") as folder:
        return measure(Path(folder), arguments)


def measure(folder: Path, arguments: argparse.Namespace) -> int:
    """All of it, in a folder."""
    agent, state, output = folder / "agent.py", folder / "state", folder / "out.jsonl"
    agent.write_text(AGENT.format(version=0))
    options = {
        "workers": arguments.workers,
        "shards": arguments.shards,
        "reload-canary": "0.2s",
        "reload-probation": "0.5s",
    }
    command: list[str | Path] = [
        TAMIAS,
        "run",
        f"{agent}:Counter",
        "--input=-",
        f"--output={output}",
    ]
    command += [f"--state={state}", "--quiet"]
    command += [f"--set={name}={value}" for name, value in options.items()]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        stream = Stream(process, arguments.rate)
        try:
            wait_until_calm(state)
            rounds = [look(process.pid, time.monotonic(), 0.0)]
            for version in range(1, arguments.reloads + 1):
                agent.write_text(AGENT.format(version=version))
                began = time.monotonic()
                answer = send_request(state, "reload", {})
                rounds.append(look(process.pid, began, answer["longest_pause"]))
                time.sleep(1.0)
        finally:
            stream.end()
        code = process.wait()
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    tell(rounds, [(line["output"][2], line["output"][3]) for line in lines])
    wrong = mistakes(lines, stream.written, arguments.reloads)
    print(f"{stream.written:,} inputs, {len(lines):,} outputs, exit code {code}")
    print("\n".join(wrong) or "each once, in the order of its key")
    return 1 if wrong or code else 0


def wait_until_calm(state: Path) -> None:
    """Until the pool runs, and has caught up with what was written while it started."""
    while True:
        with suppress(TamiasError):
            if send_request(state, "status")["events"] > 0:
                break
        time.sleep(0.1)
    time.sleep(3.0)


def look(launcher: int, began: float, pause: float) -> Round:
    """What there is when a reload has ended."""
    ended = time.monotonic()
    parent = psutil.Process(launcher)
    sizes = []
    for process in [parent, *parent.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            sizes.append(process.memory_full_info().uss)
    return Round(began, ended, pause, len(sizes), parent.num_fds(), sizes[0], sum(sizes))


def tell(rounds: list[Round], runs: list[tuple[float, float]]) -> None:
    """The table."""
    print("reload  pause told  input waited  took  processes  descriptors  launcher  all processes")
    for number, this in enumerate(rounds):
        first = this.began - 1.0 if number == 0 else this.began
        waits = [began - written for written, began in runs if first <= written <= this.ended]
        print(
            f"{number or 'before':>6}  {this.pause * 1000:7.1f} ms  "
            f"{max(waits, default=0.0) * 1000:9.1f} ms  {this.ended - this.began:2.1f} s  "
            f"{this.processes:9}  {this.descriptors:11}  {this.launcher / 2**20:4.1f} MiB  "
            f"{this.all / 2**20:9.1f} MiB"
        )


def mistakes(lines: list[dict[str, object]], written: int, reloads: int) -> list[str]:
    """What is not as it must be."""
    wrong = []
    counts: dict[object, int] = {}
    last: dict[object, int] = {}
    versions = set()
    for line in lines:
        key, offset, output = line["key"], line["offset"], line["output"]
        assert isinstance(offset, int)  # noqa: S101 (the form of a line)
        assert isinstance(output, list)  # noqa: S101
        counts[key] = counts.get(key, 0) + 1
        versions.add(output[1])
        if output[0] != counts[key] or offset <= last.get(key, -1):
            wrong.append(f"the output of input {offset} is out of its order, or there twice")
        last[key] = offset
    if len(lines) != written:
        wrong.append(f"{written - len(lines)} outputs are missing")
    if versions != set(range(reloads + 1)):
        wrong.append(f"only the versions {sorted(versions)} have done anything")
    return wrong[:10]


if __name__ == "__main__":
    sys.exit(main())
