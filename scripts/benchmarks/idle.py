"""What a served pool costs while it has nothing to do.

    .venv/bin/python scripts/benchmarks/idle.py [--workers 2] [--seconds 60]

`tamias serve` runs the counter of examples/service, does a thousand inputs of a client, and is left
alone, the client still connected. Told is what its processes use of one core, by process, in all of
that time and in the worst tenth of it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import psutil

from tamias import Client

TAMIAS = Path(sys.executable).with_name("tamias")
AGENT = Path(__file__).parents[2] / "examples" / "service" / "counter.py"
INPUTS = 1000
SETTLING = 3.0
GOAL = 0.01


def main() -> int:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=60.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tamias-idle-") as folder:
        state = Path(folder) / "state"
        command: list[str | Path] = [TAMIAS, "serve", f"{AGENT}:Counter", "--state", state]
        command += ["--workers", str(arguments.workers), "--json"]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            try:
                assert process.stdout is not None  # noqa: S101 (it is a pipe)
                process.stdout.readline()  # it is ready
                with Client(state) as client:
                    for submission in client.submit_many(
                        (f"k{number % 100}", number) for number in range(INPUTS)
                    ):
                        submission.result(60)
                    used = measure(psutil.Process(process.pid), arguments.seconds)
            finally:
                process.terminate()
    return 0 if used < GOAL else 1


def measure(launcher: psutil.Process, seconds: float) -> float:
    """Tell what they use; the part of one core that all of them use."""
    time.sleep(SETTLING)
    processes = [launcher, *launcher.children(recursive=True)]
    looks = [spent(processes)]
    for _ in range(10):
        time.sleep(seconds / 10)
        looks.append(spent(processes))
    sums = [sum(look) for look in looks]
    used = (sums[-1] - sums[0]) / seconds
    worst = max(after - before for before, after in pairwise(sums))
    print(f"{len(processes)} processes use {used:.2%} of one core,", end=" ")
    print(f"{worst / seconds * 10:.2%} in the worst tenth of {seconds:.0f} s:")
    for process, before, after in zip(processes, looks[0], looks[-1], strict=True):
        name = "launcher" if process == launcher else process.cmdline()[0]
        print(f"  {(after - before) / seconds:6.2%}  {name}")
    return used


def spent(processes: list[psutil.Process]) -> list[float]:
    """The seconds of processor time that each has used."""
    return [sum(process.cpu_times()[:2]) for process in processes]


if __name__ == "__main__":
    sys.exit(main())
