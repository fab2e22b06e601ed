"""The benchmarks: each figure beside its peer, measured in turn in the same run.

A machine's absolute speed is not stable, so what counts are the ratios: each round measures the
peer and tamias one after the other, and the median over the rounds is printed.

    scripts/bench [--quick] [--rounds N] [--json]
    scripts/bench --flink [--quick] [--rounds N] [--json]      inside Flink, beside PyFlink
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass

import measures
import minimal_pool
from rich.console import Console
from rich.table import Table

import flink

KEYS = 1000
WORKERS = 2


@dataclass(frozen=True)
class Figure:
    """One line of the result."""

    name: str
    unit: str
    ours: float
    peer: float | None
    ratio: float | None
    goal: str
    met: bool


def paired(rounds: int, ours: Callable[[], float], peer: Callable[[], float]) -> tuple[float, ...]:
    """Medians of ours, of the peer, and of the ratio round by round."""
    pairs = []
    for _ in range(rounds):
        theirs = peer()
        pairs.append((ours(), theirs))
    return (
        statistics.median(mine for mine, _ in pairs),
        statistics.median(theirs for _, theirs in pairs),
        statistics.median(mine / theirs for mine, theirs in pairs),
    )


def throughput(rounds: int, events: int) -> list[Figure]:
    """Events per second against the minimal pool, and against ourselves with many keys."""

    def minimal() -> float:
        return minimal_pool.throughput(events, KEYS, WORKERS, 256)

    def lists(keys: int = KEYS, total: int = events) -> float:
        return measures.rate(lambda count: measures.list_to_list(count, keys, WORKERS), total)

    def files() -> float:
        return measures.rate(lambda count: measures.file_to_file(count, KEYS, WORKERS), events)

    figures = []
    for name, ours, goal in (("list to list", lists, 0.33), ("file to file", files, 0.2)):
        mine, theirs, ratio = paired(rounds, ours, minimal)
        figures.append(
            Figure(name, "events/s", mine, theirs, ratio, f">= {goal} of it", ratio >= goal)
        )
    many = max(events, 1_000_000)
    mine, theirs, ratio = paired(1, lambda: lists(many, many), lambda: lists(KEYS, many))
    figures.append(
        Figure(f"{many:,} keys", "events/s", mine, theirs, ratio, ">= 0.5 of 1,000", ratio >= 0.5)
    )
    return figures


def latency(rounds: int) -> list[Figure]:
    """Single events, one at a time."""
    mine, theirs, ratio = paired(
        rounds,
        lambda: measures.median(measures.round_trips(2000, KEYS, WORKERS)),
        lambda: measures.median(minimal_pool.round_trips(2000, KEYS, WORKERS)),
    )
    return [Figure("round trip", "us", mine, theirs, ratio, "<= 4 x", ratio <= 4)]


def starting(times: int) -> list[Figure]:
    """What a crash and a worker cost."""
    gap = measures.median(measures.recovery(times))
    ready, own = measures.zygote_start(times)
    started, size = measures.median(ready), measures.median(own)
    fresh = measures.median(measures.fresh_interpreter(max(3, times // 3)))
    return [
        Figure("SIGKILL to next commit", "ms", gap, None, None, "<= 100", gap <= 100),
        Figure(
            "worker from the zygote",
            "ms",
            started,
            fresh,
            fresh / started,
            "10 x faster than fresh",
            fresh >= 10 * started,
        ),
        Figure("worker's own memory", "MiB", size, None, None, "<= 15", size <= 15),
    ]


def scale(events: int, fields: int) -> list[Figure]:
    """What grows with the work, and must not."""
    small, large = measures.launcher_peak(events // 4), measures.launcher_peak(events)
    opened = measures.open_large_store(fields)
    return [
        Figure(
            "launcher's memory, 4 x input",
            "MiB",
            large,
            small,
            large / small,
            "<= 1.2 x",
            large <= 1.2 * small,
        ),
        Figure(f"open {fields:,} fields", "s", opened, None, None, "< 1", opened < 1),
    ]


def show(figures: list[Figure]) -> None:
    """Print a table."""
    table = Table("measure", "tamias", "peer", "ratio", "goal", "")
    for figure in figures:
        digits = ".4g" if figure.ours < 1e4 else ".0f"
        table.add_row(
            figure.name,
            f"{figure.ours:,{digits}} {figure.unit}",
            "" if figure.peer is None else f"{figure.peer:,.0f}",
            "" if figure.ratio is None else f"{figure.ratio:.2f}",
            figure.goal,
            "met" if figure.met else "MISSED",
        )
    Console().print(table)


def in_flink(rounds: int, events: int, *, as_json: bool) -> int:
    """Measure inside Flink and print; the goal: the peer's rate, and no less with two."""
    found = flink.figures(rounds, events)
    if as_json:
        print(json.dumps([asdict(figure) for figure in found]))
    else:
        table = Table("the counter in Flink", "events/s", "ratio")
        for figure in found:
            table.add_row(figure.name, f"{figure.rate:,.0f}", f"{figure.ratio:.2f}")
        Console().print(table)
    one, two = (figure.rate for figure in found if "by a field" in figure.name)
    return 0 if one >= found[0].rate and two >= one else 1


def main() -> int:
    """Measure, print, and exit with 1 if a goal was missed."""
    parser = argparse.ArgumentParser(description="Benchmarks of tamias beside their peers.")
    parser.add_argument("--quick", action="store_true", help="small inputs, one round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--flink", action="store_true", help="inside Flink, beside PyFlink")
    arguments = parser.parse_args()
    rounds = 1 if arguments.quick else arguments.rounds
    events = 50_000 if arguments.quick else 400_000
    if arguments.flink:
        return in_flink(rounds, events, as_json=arguments.json)
    figures = [
        *throughput(rounds, events),
        *latency(rounds),
        *starting(5 if arguments.quick else 15),
        *scale(events, 1_000_000 if arguments.quick else 10_000_000),
    ]
    if arguments.json:
        print(json.dumps([asdict(figure) for figure in figures]))
    else:
        show(figures)
    return 0 if all(figure.met for figure in figures) else 1


if __name__ == "__main__":
    raise SystemExit(main())
