"""What waiting costs: many suspended keys, timers on time, an idle pool with far timers.

    .venv/bin/python scripts/benchmarks/waiting.py [--quick] [PART ...]

Parts: `crowd` (100,000 keys suspended with 1,000,000 inputs behind them: memory of each process,
the rate of other keys, resuming), `late` (how late 10,000 timers are, idle and at work), `idle`
(CPU of a pool with 1,000,000 far timers), `costs` (CPU of a suspended run, a timer, a retry).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterable

TAMIAS = Path(sys.executable).with_name("tamias")
AGENTS = Path(__file__).with_name("waiting_agents.py")
WAITS = 4
"""The exit code of a job that ends with runs that wait."""
MIB = 2**20


class Bench:
    """A folder for the jobs of one part, with a clock that can be moved."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = folder / "clock"
        self.clock.write_bytes(struct.pack("=d", 0.0))

    def write(self, name: str, elements: Iterable[tuple[str, Any]]) -> Path:
        """Write inputs."""
        path = self.folder / name
        with path.open("w") as file:
            for key, value in elements:
                file.write(json.dumps({"key": key, "value": value}) + "\n")
        return path

    def advance(self, seconds: float) -> None:
        """Move the clock of all jobs."""
        ahead = struct.unpack("=d", self.clock.read_bytes())[0]
        self.clock.write_bytes(struct.pack("=d", ahead + seconds))

    def start(self, *arguments: str | Path) -> subprocess.Popen[bytes]:
        """Start a command."""
        environment = {**os.environ, "TAMIAS_CLOCK": str(self.clock)}
        return subprocess.Popen(
            [TAMIAS, *arguments],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def run(self, *arguments: str | Path, expected: int = 0) -> tuple[float, float]:
        """Run a command; return its wall and CPU seconds, those of its children included."""
        before, began = _cpu(), time.monotonic()
        code = self.start(*arguments).wait()
        if code != expected:
            raise SystemExit(f"{arguments} ended with {code}, not {expected}")
        return time.monotonic() - began, _cpu() - before

    def job(self, agent: str, inputs: Path, output: str, *more: str) -> list[str | Path]:
        """The arguments of a job."""
        places: list[str | Path] = ["--input", inputs, "--output", output, "--workers", "2"]
        return ["run", f"{AGENTS}:{agent}", *places, *more]


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def largest(process: subprocess.Popen[bytes]) -> dict[str, int]:
    """Watch a job to its end; return the most memory of launcher and workers, in MiB."""
    most: dict[str, int] = {}
    watched = psutil.Process(process.pid)
    while process.poll() is None:
        try:
            for each in (watched, *watched.children(recursive=True)):
                name = "launcher" if each == watched else each.cmdline()[0]
                if name == "launcher" or name.startswith("tamias worker"):
                    most[name] = max(most.get(name, 0), each.memory_info().rss // MIB)
        except (psutil.Error, IndexError):
            pass
        time.sleep(0.25)
    return most


def crowd(bench: Bench, scale: float) -> None:
    """Many suspended keys, and inputs behind them."""
    keys, behind = int(100_000 * scale), 10
    sleepers = [(f"k{n}", "sleep") for n in range(keys)]
    inputs = [(f"k{n}", round_) for round_ in range(behind) for n in range(keys)]
    crowd_file = bench.write("crowd.jsonl", [*sleepers, *inputs])
    began = time.monotonic()
    process = bench.start(*bench.job("Counting", crowd_file, "crowd.out"))
    memory = largest(process)
    seconds = time.monotonic() - began
    print(f"{keys:,} keys suspended, {keys * behind:,} inputs behind them, in {seconds:.1f} s;")
    print(f"  most resident memory, MiB: {memory}")
    wall, _ = bench.run("resume", "crowd.out.tamias", expected=WAITS)
    print(f"  resuming, with nothing due: {wall:.2f} s")
    others = int(300_000 * scale)
    free = [(f"o{n % 10_000}", 1) for n in range(others)]
    ratios = []
    for turn in range(3):
        bench.write("crowd.jsonl", [*sleepers, *inputs, *free * (turn + 1)])
        beside, _ = bench.run(*bench.job("Counting", crowd_file, "crowd.out"), expected=WAITS)
        alone_file = bench.write("alone.jsonl", free)
        alone, _ = bench.run(*bench.job("Counting", alone_file, f"alone{turn}.out"))
        ratios.append(alone / beside)
    print(f"  rate of {others:,} inputs of other keys, beside it and alone, ratios: ", end="")
    print(", ".join(f"{ratio:.2f}" for ratio in ratios))
    bench.advance(3601)
    process = bench.start("resume", "crowd.out.tamias")
    began = time.monotonic()
    memory = largest(process)
    seconds = time.monotonic() - began
    total = keys * (behind + 1)
    print(f"  all of it done when it is due: {total / seconds:,.0f}/s, {memory} MiB")


def late(bench: Bench, scale: float) -> None:
    """How late timers are."""
    timers = int(10_000 * scale)
    per_key = 10
    starts = [(f"k{n}", [per_key, 3.0, 5.0]) for n in range(timers // per_key)]
    work = [(f"w{n * 7919 % 5000}", 1) for n in range(int(1_500_000 * scale))]
    for name, inputs in (("idle", starts), ("at work", [*starts, *work])):
        path = bench.write("late.jsonl", inputs)
        output = f"late-{name.replace(' ', '-')}.out"
        bench.run(*bench.job("Punctual", path, output, "--set", "at-end=wait"))
        found = sorted(json.loads(line)["output"] for line in (bench.folder / output).open())
        assert len(found) == timers  # noqa: S101 (once each)
        assert found[0] >= 0  # noqa: S101 (never early)
        median, p99 = found[len(found) // 2], found[len(found) * 99 // 100]
        print(f"{timers:,} timers within 5 s, {name}: median {median * 1000:.1f} ms late,", end=" ")
        print(f"p99 {p99 * 1000:.1f} ms, at most {found[-1] * 1000:.1f} ms")


def idle(bench: Bench, scale: float) -> None:
    """What a pool with far timers uses."""
    timers = int(1_000_000 * scale)
    path = bench.write(
        "far.jsonl", [(f"k{n}", [100, 36_000.0, 3600.0]) for n in range(timers // 100)]
    )
    process = bench.start(*bench.job("Punctual", path, "far.out", "--set", "at-end=wait"))
    status = bench.folder / "far.out.tamias" / "status.json"
    while not status.exists() or json.loads(status.read_text()).get("timers", 0) < timers:
        time.sleep(0.5)
    time.sleep(3)
    launcher = psutil.Process(process.pid)
    processes = [launcher, *launcher.children(recursive=True)]
    before = sum(sum(each.cpu_times()[:2]) for each in processes)
    seconds = 20.0
    time.sleep(seconds)
    used = sum(sum(each.cpu_times()[:2]) for each in processes) - before
    print(f"{timers:,} far timers: all processes use {used / seconds:.2%} of one core", end="; ")
    print(f"{max(each.memory_info().rss for each in processes) // MIB} MiB the largest")
    process.terminate()
    process.wait()


def costs(bench: Bench, scale: float) -> None:
    """CPU of a suspended run, a timer, a retry."""
    count = int(50_000 * scale)
    plain = bench.write("plain.jsonl", [(f"k{n}", 1) for n in range(count)])
    _, base = bench.run(*bench.job("Counting", plain, "plain.out"))
    asleep = bench.write("asleep.jsonl", [(f"k{n}", "sleep") for n in range(count)])
    _, before = bench.run(*bench.job("Counting", asleep, "asleep.out"), expected=WAITS)
    bench.advance(3601)
    _, after = bench.run("resume", "asleep.out.tamias")
    micro = 1e6 / count
    print(
        f"CPU of a plain run: {base * micro:.0f} us; of one that is suspended and goes on:", end=" "
    )
    print(f"{(before + after) * micro:.0f} us, start-up of a second job included")
    timed = bench.write("timed.jsonl", [(f"k{n}", [1, 1.0, 0.001]) for n in range(count)])
    _, timers = bench.run(*bench.job("Punctual", timed, "timed.out", "--set", "at-end=wait"))
    print(f"CPU of a run that sets a timer, and of the timer's: {timers * micro:.0f} us")
    failing = bench.write("failing.jsonl", [(f"k{n}", "fail") for n in range(count)])
    _, retried = bench.run(*bench.job("Failing", failing, "failing.out", "--set", "retry-wait=1s"))
    print(f"CPU of a run that fails once and is retried after a second: {retried * micro:.0f} us")


PARTS = {"crowd": crowd, "late": late, "idle": idle, "costs": costs}


def main() -> int:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], metavar="PART")
    arguments = parser.parse_args()
    for name in arguments.parts or PARTS:
        with tempfile.TemporaryDirectory(prefix="tamias-waiting-") as folder:
            PARTS[name](Bench(Path(folder)), 0.1 if arguments.quick else 1.0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
