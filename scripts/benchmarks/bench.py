"""The benchmarks: each figure beside its peer, measured in turn in the same run.

A machine's absolute speed is not stable, so what counts are the ratios: each round measures the
peer, tamias, and another checkout of it if there is one, one after the other, each in a process of
its own, and the median over the rounds is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import page
import peers_run
from rich.console import Console
from rich.table import Table
from rows import ROWS, Probe, Row, chosen

import flink

HERE = Path(__file__).parent
LONGEST_PROBE = 600.0


@dataclass(frozen=True)
class Figure:
    """One line of the result."""

    name: str
    title: str
    unit: str
    ours: float
    peer: float | None
    ratio: float | None
    before: float | None
    """What the other checkout does."""
    gain: float | None
    """How many times better ours is than that."""
    goal: str
    met: bool


class Meter:
    """Runs probes, each once a round and Python."""

    def __init__(self, factor: float) -> None:
        """`factor` makes measurements smaller."""
        self._factor = factor
        self._found: dict[tuple[str, str, int], dict[str, Any]] = {}

    def measure(self, python: str, probe: Probe, round_: int) -> dict[str, Any]:
        """Return what a probe says in a round."""
        arguments = json.dumps(probe.scaled_by(self._factor), sort_keys=True)
        place = (python, probe.name + arguments, round_)
        if place not in self._found:
            self._found[place] = run_probe(python, probe.name, arguments)
        return self._found[place]


def run_probe(python: str, name: str, arguments: str = "{}") -> dict[str, Any]:
    """Run one probe with a Python; without figures if it fails, which is said."""
    with tempfile.TemporaryDirectory(prefix="tamias-bench-") as folder:
        done = subprocess.run(
            [python, HERE / "probe.py", name, arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
            timeout=LONGEST_PROBE,
        )
    if done.returncode:
        error = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
        print(f"{python}: {name} {arguments} has failed: {error}", file=sys.stderr)
        return {}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def python_of(place: str) -> str:
    """The Python of a checkout or an environment, or that file itself."""
    path = HERE.parent.parent / ".venv" / "installed" if place == "compiled" else Path(place)
    if (path / "bin" / "python").exists():
        path = path / "bin" / "python"
    elif path.is_dir():
        path = path / ".venv" / "bin" / "python"
    if not os.access(path, os.X_OK):
        raise SystemExit(f"{path} is no Python: name a checkout with a .venv, or a Python")
    return str(path.absolute())


def measure_in_turn(rows: list[Row], meter: Meter, rounds: int, against: str | None) -> None:
    """Measure rows round by round, so that a machine's mood is that of all of them."""
    for number in range(rounds):
        for row in rows:
            if number < (row.rounds or rounds):
                if row.beside:
                    meter.measure(sys.executable, row.beside, number)
                meter.measure(sys.executable, row.probe, number)
                if against:
                    meter.measure(against, row.probe, number)


def figure_of(row: Row, meter: Meter, rounds: int, against: str | None) -> Figure | None:
    """Measure one row; None if that failed."""
    ours, peers, befores = [], [], []
    for number in range(min(rounds, row.rounds or rounds)):
        peer = meter.measure(sys.executable, row.beside, number) if row.beside else {}
        mine = meter.measure(sys.executable, row.probe, number)
        before = meter.measure(against, row.probe, number) if against else {}
        if row.figure not in mine:
            return None
        ours.append(mine[row.figure])
        peers += [peer[row.beside_figure]] if row.beside_figure in peer else []
        befores += [before[row.figure]] if row.figure in before else []
    ratio = _ratio(ours, peers)
    gain = _ratio(ours, befores)
    if gain and not row.more_is_better:
        gain = 1 / gain
    value = statistics.median(ours) if row.beside is None else ratio
    return Figure(
        *(row.name, row.title, row.unit, statistics.median(ours)),
        statistics.median(peers) if peers else None,
        ratio,
        statistics.median(befores) if befores else None,
        gain,
        row.goal,
        value is not None and row.is_met(value),
    )


def _ratio(ours: list[float], others: list[float]) -> float | None:
    """The median of the ratios, round by round."""
    if not ours or len(others) != len(ours):
        return None
    return statistics.median(mine / theirs for mine, theirs in zip(ours, others, strict=True))


def show(figures: list[Figure], *, against: bool) -> None:
    """Print a table."""
    table = Table("row", "measure", "tamias", "peer", "ratio", "goal", "")
    if against:
        table.add_column("other")
        table.add_column("gain")
    for figure in figures:
        mark = "" if not figure.goal else "met" if figure.met else "MISSED"
        beside = ["" if not figure.before else _number(figure.before)]
        beside.append("" if not figure.gain else f"x {figure.gain:.2f}")
        table.add_row(
            *(figure.name, figure.title, f"{_number(figure.ours)} {figure.unit}"),
            "" if figure.peer is None else _number(figure.peer),
            "" if figure.ratio is None else f"{figure.ratio:.2f}",
            *(figure.goal, mark, *(beside if against else ())),
        )
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def _number(value: float) -> str:
    return f"{value:,.3g}" if value < 1000 else f"{value:,.0f}"


def in_flink(arguments: argparse.Namespace, rounds: int) -> int:
    """Measure inside Flink and print; the goal: the peer's rate, and no less with two."""
    found = flink.figures(rounds, 50_000 if arguments.quick else 400_000)
    records = [asdict(figure) for figure in found]
    if arguments.write:
        known = {(figure.name,) for figure in found}
        page.keep("flink", records, run_probe(sys.executable, "about"), ("name",), known)
    if arguments.json:
        print(json.dumps(records))
    else:
        table = Table("the counter in Flink", "events/s", "ratio")
        for figure in found:
            table.add_row(figure.name, f"{figure.rate:,.0f}", f"{figure.ratio:.2f}")
        Console().print(table)
    one, two = (figure.rate for figure in found if "by a field" in figure.name)
    return 0 if one >= found[0].rate and two >= one else 1


def arguments_of(words: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Benchmarks of tamias beside their peers, each in turn in the same run.",
    )
    names = ", ".join(dict.fromkeys(row.group for row in ROWS))
    parser.add_argument("--only", help=f"rows or groups ({names}), with commas", metavar="NAME,...")
    parser.add_argument("--list", action="store_true", help="say which rows there are")
    parser.add_argument("--quick", action="store_true", help="small inputs, one round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--against",
        metavar="CHECKOUT",
        help="measure another checkout in turn: its folder, with a .venv, or its Python; "
        "`compiled`: this one, its core compiled",
    )
    parser.add_argument("--peers", action="store_true", help="other systems, with kills")
    parser.add_argument(
        "--write", action="store_true", help="keep the results, and make docs/benchmarks.md of them"
    )
    parser.add_argument("--page", action="store_true", help="only make docs/benchmarks.md again")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--flink", action="store_true", help="inside Flink, beside PyFlink")
    return parser.parse_args(words)


def beside_peers(arguments: argparse.Namespace) -> int:
    """Measure other systems and print; the goal: tamias is exact, whatever was killed."""
    names = arguments.only.split(",") if arguments.only else []
    about = run_probe(sys.executable, "about")
    known = peers_run.known_modes()
    found = []
    for measured in peers_run.run_peers(names, 0.1 if arguments.quick else 1.0):
        found.append(measured)
        if arguments.write:  # at once, in case this does not come to its end
            page.keep("peers", [measured], about, ("peer", "mode"), known)
    if arguments.json:
        print(json.dumps(found))
    else:
        show_peers(found)
    ours = [measured for measured in found if measured["peer"] == "tamias"]
    return 0 if all(peers_run.is_exact(measured) for measured in ours) else 1


def show_peers(found: list[dict[str, Any]]) -> None:
    """Print a table."""
    table = Table("system", "mode", "events/s", "CPU s/100,000", "p50, us", "p99, us", "kills")
    for it in found:
        kills = "; ".join(
            f"{kill['kind']} {kill['kills']} times: "
            + ", ".join(f"{count} {what}" for what, count in kill["outcome"].items() if count)
            for kill in it["kills"]
        )
        figures = ("rate", "cpu", "p50", "p99")
        numbers = ["" if it[name] is None else _number(it[name]) for name in figures]
        table.add_row(it["peer"], it["mode"], *numbers, it["unavailable"] or kills)
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def beside_pool(arguments: argparse.Namespace, rows: list[Row], rounds: int) -> int:
    """Measure rows and print; exits with 1 if a goal was missed."""
    against = python_of(arguments.against) if arguments.against else None
    for name, python in (("tamias", sys.executable), ("other", against)):
        if python:
            words = ", ".join(
                f"{what} {value}" for what, value in run_probe(python, "about").items()
            )
            print(f"{name}: {words}", file=sys.stderr)
    meter = Meter(0.1 if arguments.quick else 1.0)
    figures = []
    for group, them in groupby(rows, key=lambda row: row.group):
        began, grouped = time.monotonic(), list(them)
        measure_in_turn(grouped, meter, rounds, against)
        found = [figure_of(row, meter, rounds, against) for row in grouped]
        figures += [figure for figure in found if figure]
        print(f"{group}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    records = [asdict(figure) for figure in figures]
    if arguments.write:
        about = run_probe(sys.executable, "about")
        page.keep("rows", records, about, ("name",), {(row.name,) for row in ROWS})
    if arguments.json:
        print(json.dumps(records))
    else:
        show(figures, against=against is not None)
    return 0 if len(figures) == len(rows) and all(figure.met for figure in figures) else 1


def main() -> int:
    """Do what the command line says."""
    arguments = arguments_of()
    rounds = 1 if arguments.quick else arguments.rounds
    if arguments.page:
        page.make()
        return 0
    if arguments.peers:
        return beside_peers(arguments)
    if arguments.flink:
        return in_flink(arguments, rounds)
    try:
        rows = chosen(arguments.only.split(",") if arguments.only else [])
    except ValueError as error:
        raise SystemExit(f"scripts/bench: {error}") from None
    if arguments.list:
        for row in rows:
            print(f"{row.group:12}{row.name:22}{row.title}, {row.unit}")
        return 0
    return beside_pool(arguments, rows, rounds)


if __name__ == "__main__":
    raise SystemExit(main())
