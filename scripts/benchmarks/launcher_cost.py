"""What a launcher costs per event: microseconds of its processor time, whatever its workers do.

    python launcher_cost.py [--case list,lines,objects,csv] [--workers N,...] [--events N]
        [--keys N] [--size BYTES] [--skew PERCENT] [--think MICROSECONDS] [--rounds N]
        [--flights FILE] [--agent TARGET] [--json] [--profile]

The launcher is a real one, in this process. Its workers are simulated in another, so that there may
be more of them than cores; with `--agent` they are real, too. All of the launcher's process counts,
the sockets' threads included. The cost is that of the events after the first tenth, so starting is
not in it.

A launcher is full when this time is all that there is: at 4 microseconds, with 250,000 events/s.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulated_workers import SimulatedStarter

from tamias.launcher.delivery.checkpointed import CheckpointedDelivery
from tamias.launcher.jobs.agent_spec import AgentSpec
from tamias.launcher.jobs.job import Job
from tamias.launcher.sinks.collect import CollectSink
from tamias.launcher.sinks.jsonlines import JsonLinesSink
from tamias.launcher.sources.factory import open_source, python_source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tamias.launcher.delivery.delivery import Delivery
    from tamias.launcher.delivery.sink import Sink
    from tamias.launcher.delivery.source import Source

TARGET = f"{Path(__file__).parent / 'agents.py'}:Counter"
CASES = ("list", "lines", "objects", "csv")
"""A list to a list; JSON lines of keys and values, JSON objects, and CSV rows to JSON lines."""
_COLUMNS = ("year", "carrier", "flight", "origin", "dest", "distance", "time_hour")


@dataclass(frozen=True)
class Load:
    """What the launcher gets."""

    events: int
    keys: int = 1000
    size: int = 0
    """Bytes of an input's value, and of an output; 0 for small ones."""
    skew: int = 0
    """Percent of the inputs that have the same key."""
    workers: int = 2
    think: float = 0.0
    agent: str | None = None
    """Run by real workers; None: they are simulated."""
    flights: str | None = None
    """A file for the case `csv`, with the column `tailnum`; None: rows like it are made."""


def inputs(load: Load) -> Iterator[tuple[str, str]]:
    """Keys and values."""
    draw = random.Random(1)  # noqa: S311 (no secret)
    for offset in range(load.events):
        key = f"key-{offset % load.keys if load.keys <= 1000 else draw.randrange(load.keys)}"
        if load.skew and draw.randrange(100) < load.skew:
            key = "key-hot"
        yield key, "x" * load.size if load.size else f"hello world {offset}"


def written(case: str, load: Load, folder: Path) -> Path:
    """The input of a case as a file."""
    if case == "csv" and load.flights:
        return Path(load.flights)
    path = folder / ("in.csv" if case == "csv" else "in.jsonl")
    with path.open("w", newline="") as file:
        if case == "csv":
            rows = csv.writer(file)
            rows.writerow(("tailnum", *_COLUMNS, *(f"c{n}" for n in range(11))))
            for key, value in inputs(load):
                rows.writerow((key, *(value[:8] for _ in _COLUMNS), *range(100, 111)))
        else:
            for key, value in inputs(load):
                file.write(json.dumps({"key": key, "value": value}) + "\n")
    return path


def opened(case: str, load: Load, folder: Path) -> tuple[Source, Sink]:
    """The source and the sink of a case."""
    if case == "list":
        elements = [{"key": key, "value": value} for key, value in inputs(load)]
        return python_source(elements), CollectSink()
    key = {"lines": None, "objects": "key", "csv": "tailnum"}[case]
    path = written(case, load, folder)
    return open_source(str(path), key), JsonLinesSink(str(folder / "out.jsonl"))


def cost(case: str, load: Load) -> float:
    """Microseconds per event."""
    with tempfile.TemporaryDirectory(prefix="tamias-bench-") as name:
        folder = Path(name)
        job = Job(
            AgentSpec(
                "bench",
                target=load.agent or TARGET,
                config={"workers": load.workers},
                sys_path=sys.path,
            ),
            make_starter=None
            if load.agent
            else lambda boot: SimulatedStarter(boot, load.size, load.think),
            handle_signals=False,
        )
        source, sink = opened(case, load, folder)
        with job.open_state(folder / "state", {}) as state:
            delivery = CheckpointedDelivery(sink, state.progress, source)
            marks = Marks(delivery)
            try:
                report = job.run(state, source, delivery)
            finally:
                marks.end()
    if report.deaths or report.dead_letters:
        raise RuntimeError(f"{report.deaths} deaths, {report.dead_letters} dead letters")
    return marks.microseconds(report.events)


class Marks:
    """Notes again and again how far a delivery is, and what the process has used."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery
        self._found: list[tuple[int, float]] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow)
        self._thread.start()

    def _follow(self) -> None:
        while not self._ended.wait(0.02):
            self._found.append((self._delivery.events, time.process_time()))

    def end(self) -> None:
        """Note no more."""
        self._ended.set()
        self._thread.join()

    def microseconds(self, events: int) -> float:
        """The processor time per event, of those after the first tenth of so many."""
        found = [mark for mark in self._found if events // 10 <= mark[0] < events]
        (first, began), (last, ended) = found[0], found[-1]
        return (ended - began) / (last - first) * 1e6


def profiled(case: str, load: Load) -> None:
    """Print where the time goes."""
    import cProfile  # noqa: PLC0415 (only here)
    import pstats  # noqa: PLC0415

    profile = cProfile.Profile(time.thread_time)
    profile.runcall(cost, case, load)
    pstats.Stats(profile).sort_stats("tottime").print_stats(35)


def table(cases: list[str], workers: list[int], load: Load, rounds: int) -> list[dict[str, Any]]:
    """The cost of each case with each number of workers: the smallest of some rounds."""
    found = []
    for case in cases:
        for number in workers:
            costs = [cost(case, Load(**{**vars(load), "workers": number})) for _ in range(rounds)]
            found.append(
                {
                    "case": case,
                    "workers": number,
                    "us_per_event": round(min(costs), 2),
                    "median": round(statistics.median(costs), 2),
                    "events_per_s_at_most": round(1e6 / min(costs)),
                }
            )
            print(found[-1], file=sys.stderr, flush=True)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--keys", type=int, default=1000)
    parser.add_argument("--workers", default="2")
    parser.add_argument("--size", type=int, default=0)
    parser.add_argument("--skew", type=int, default=0)
    parser.add_argument("--think", type=float, default=0.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--case", default=",".join(CASES))
    parser.add_argument("--flights")
    parser.add_argument("--agent", help="for real workers, in place of simulated ones")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--profile", action="store_true")
    arguments = parser.parse_args()
    load = Load(
        arguments.events,
        arguments.keys,
        arguments.size,
        arguments.skew,
        think=arguments.think,
        agent=arguments.agent,
        flights=arguments.flights,
    )
    cases, workers = arguments.case.split(","), [int(n) for n in arguments.workers.split(",")]
    if arguments.profile:
        profiled(cases[0], Load(**{**vars(load), "workers": workers[0]}))
        return
    found = table(cases, workers, load, arguments.rounds)
    if arguments.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
