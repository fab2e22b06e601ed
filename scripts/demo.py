"""What scripts/demo does once there is an environment; see there.

Everything goes through the `tamias` command, as a user would do it. The output and the state stay
in data/demo/ for you to look at.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

# From the root, where scripts/demo goes, so that the commands it shows can be typed there.
FLIGHTS = Path("examples") / "flights"
INPUT = FLIGHTS / "data" / "flights.csv"
FOLDER = Path("data") / "demo"
OUTPUT = FOLDER / "flights.jsonl"
STATE = FOLDER / "flights.jsonl.tamias"
CALLS = FOLDER / "look-ups"
TAMIAS = Path(sys.executable).with_name("tamias")

EVENTS = 336_776
KILL_WORKER_AT = 0.2
KILL_LAUNCHER_AT = 0.5
GRACE = 2.0
"""Seconds after which nothing of a killed launcher's pool may be alive."""

console = Console(highlight=False)


def main() -> int:
    """Run the demo; the exit code is 0 if all is as it must be."""
    began = time.monotonic()
    step("The data: all flights that were to leave New York in 2013")
    subprocess.run([sys.executable, FLIGHTS / "prepare.py"], check=True)
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)

    workers = max(2, len(os.sched_getaffinity(0)))
    command = ["run", f"{FLIGHTS / 'agent.py'}:FlightsAgent", "--key", "tailnum"]
    command += ["--input", str(INPUT), "--output", str(OUTPUT), "--workers", str(workers)]
    step(f"The job on {workers} workers, of which one, then the launcher, is killed")
    started = time.monotonic()
    with tamias(*command) as job:
        wait_for_progress(job, KILL_WORKER_AT)
        worker = kill_a_worker()
        wait_for_progress(job, KILL_LAUNCHER_AT)
        survivors = kill_the_launcher(job)
        lasted = time.monotonic() - started
        left = still_alive(survivors)

    step("The launcher is dead. The same job, carried on")
    started = time.monotonic()
    with tamias("resume", str(STATE), "--json") as again:
        report: dict[str, Any] = json.loads(again.communicate()[0] or "{}")
    lasted += time.monotonic() - started

    step("The output, compared with a plain loop over the same data, without tamias")
    check = [sys.executable, str(FLIGHTS / "check.py"), str(OUTPUT), "--calls", str(CALLS)]
    checked = subprocess.run(check, check=False).returncode == 0
    kinds, repeats = read_output()

    show(
        ("flights taken in", f"{report.get('events', 0):,} of {EVENTS:,}"),
        ("lines of output", f"{kinds.total():,}"),
        ("alerts among them", f"{kinds['alert']:,}"),
        ("lines repeated", f"{repeats:,}"),
        ("flights per second, kills included", f"{EVENTS / lasted:,.0f}"),
        ("killed on the way", f"worker {worker} and launcher {job.pid}"),
        ("flights done before the second kill", f"{report.get('resumed_at', 0):,}"),
        (f"processes left {GRACE:g} s after it", str(left)),
        ("check against the plain loop", "ok" if checked else "NOT OK"),
        ("the demo took", f"{time.monotonic() - began:.0f} s"),
    )
    good = checked and again.returncode == 0 and repeats == 0 and left == 0
    console.print(f"\nLook around: .venv/bin/tamias inspect {STATE} --key N725MQ")
    return 0 if good else 1


def step(text: str) -> None:
    """Say what comes next."""
    console.print(f"\n[bold]== {text}[/]")


def tamias(*arguments: str) -> subprocess.Popen[str]:
    """Start the command; its progress goes where this program's does, its report comes to us."""
    console.print(f"[dim]$ tamias {shlex.join(arguments)}[/]", soft_wrap=True)
    return subprocess.Popen(
        [str(TAMIAS), *arguments],
        env={**os.environ, "FLIGHTS_CALLS": str(CALLS.absolute())},
        stdout=subprocess.PIPE,
        text=True,
    )


def wait_for_progress(job: subprocess.Popen[str], part: float) -> None:
    """Wait until so much of the input is done, as the job's status file says."""
    while job.poll() is None:
        try:
            status = json.loads((STATE / "status.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            status = {"events": 0}
        if status["events"] >= part * EVENTS:
            return
        time.sleep(0.02)
    sys.exit(f"The job ended before {part:.0%} were done, with exit code {job.returncode}.")


def kill_a_worker() -> int:
    """Kill the process of a worker that works; returns its pid."""
    asked = [str(TAMIAS), "status", str(STATE), "--json"]
    status = json.loads(subprocess.run(asked, check=True, capture_output=True, text=True).stdout)
    pid: int = next(worker["pid"] for worker in status["workers"] if worker["pid"])
    os.kill(pid, signal.SIGKILL)
    return pid


def kill_the_launcher(job: subprocess.Popen[str]) -> list[psutil.Process]:
    """Kill it; returns the processes that it had started and that nobody has killed."""
    pool = psutil.Process(job.pid).children(recursive=True)
    job.kill()
    job.wait()
    return pool


def still_alive(processes: list[psutil.Process]) -> int:
    """How many are, after the time of grace; one that only waits to be collected is dead."""
    _, alive = psutil.wait_procs(processes, timeout=GRACE)
    living = 0
    for process in alive:
        with suppress(psutil.NoSuchProcess):
            living += process.status() != psutil.STATUS_ZOMBIE
    return living


def read_output() -> tuple[Counter[str], int]:
    """How many lines there are of each kind, and how many stand there more than once."""
    kinds: Counter[str] = Counter()
    lines: set[str] = set()
    with OUTPUT.open(encoding="utf-8") as file:
        for line in file:
            lines.add(line)
            kinds[json.loads(line)["output"]["kind"]] += 1
    return kinds, kinds.total() - len(lines)


def show(*rows: tuple[str, str]) -> None:
    """Print the summary."""
    table = Table(title="The demo in figures", show_header=False, title_justify="left")
    table.add_column()
    table.add_column(justify="right")
    for row in rows:
        table.add_row(*row)
    console.print()
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
