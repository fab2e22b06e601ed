"""The counter inside Flink: tamias beside PyFlink's own functions, in turn in the same run.

Each figure is of a process of its own (`flink_job.py`): a mini-cluster, a short job, then the
measured one. The peer is PyFlink's KeyedProcessFunction with a value state, in the JVM's
interpreter ("thread mode"), at parallelism 1, which is its quickest way. PyFlink's own worker
processes, which compute a key, are processes as on a cluster, not threads of this program, as a
mini-cluster would have them.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

JOB = Path(__file__).with_name("flink_job.py")
AS_ON_A_CLUSTER = {"_python_worker_execution_mode": "process"}


@dataclass(frozen=True)
class FlinkFigure:
    """One line of the result."""

    name: str
    rate: float
    """Events per second: the median over the rounds."""
    ratio: float
    """To the peer of the same round: the median."""


def measure(kind: str, parallelism: int, events: int) -> float:
    """Events per second of one job."""
    done = subprocess.run(
        [
            *(sys.executable, JOB, kind, "--events", str(events)),
            *("--parallelism", str(parallelism)),
        ],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | AS_ON_A_CLUSTER,
    )
    for line in reversed(done.stdout.splitlines()):
        if line.startswith("{"):
            return float(json.loads(line)["events_per_s"])
    raise SystemExit(f"{kind} at parallelism {parallelism} has failed:\n{done.stderr[-4000:]}")


def figures(rounds: int, events: int) -> list[FlinkFigure]:
    """All of them, each round from the first to the last."""
    ways = [
        ("PyFlink, thread mode, parallelism 1", "thread", 1),
        ("PyFlink, thread mode, parallelism 2", "thread", 2),
        ("tamias, keyed by a field, parallelism 1", "tamias", 1),
        ("tamias, keyed by a field, parallelism 2", "tamias", 2),
        ("tamias, keyed by a function that returns a field, parallelism 1", "tamias-access", 1),
        ("tamias, keyed by a function that returns a field, parallelism 2", "tamias-access", 2),
        ("tamias, keyed by a Python function, parallelism 1", "tamias-lambda", 1),
        ("tamias, keyed by a Python function, parallelism 2", "tamias-lambda", 2),
    ]
    rates: dict[str, list[float]] = {name: [] for name, _, _ in ways}
    for _ in range(rounds):
        for name, kind, parallelism in ways:
            rates[name].append(measure(kind, parallelism, events))
    peer = rates[ways[0][0]]
    return [
        FlinkFigure(
            name,
            statistics.median(found),
            statistics.median(mine / theirs for mine, theirs in zip(found, peer, strict=True)),
        )
        for name, found in rates.items()
    ]
