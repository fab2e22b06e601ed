"""Compares what the flights agent wrote with the independent computation of reference.py.

    python examples/flights/check.py OUTPUT [--data FOLDER] [--flights FILE] [--calls FILE]

OUTPUT is what `tamias run` wrote: JSON lines of `key`, `output` and `offset`. It must hold exactly
the expected lines, each once, and those of one aircraft in order. With `--calls` (the file named by
FLIGHTS_CALLS in the run) every aircraft must have been looked up, and the table says how often one
was again: a call is repeated only if a process was killed between the call and its record.

Prints a table. Exit code 0 when all is right, 1 when not.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reference import expected


@dataclass
class Lines:
    """Lines of output: all of them by key, in order, and what they add up to."""

    by_key: defaultdict[str, list[tuple[int, str]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    kinds: Counter[str] = field(default_factory=Counter)
    last: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, key: str, offset: int, output: dict[str, Any]) -> None:
        """Take in one line."""
        self.by_key[key].append((offset, json.dumps(output, sort_keys=True)))
        self.kinds[output["kind"]] += 1
        if output["kind"] == "summary":
            self.last[key] = output

    def totals(self) -> dict[str, int]:
        """The numbers people ask for; those of the aircraft are from the last summary of each."""
        return {
            "lines of output": sum(len(lines) for lines in self.by_key.values()),
            "summaries": self.kinds["summary"],
            "alerts": self.kinds["alert"],
            "rows without aircraft": self.kinds["unassigned"],
            "aircraft": len(self.last),
            "legs": sum(summary["legs"] for summary in self.last.values()),
            "flights cancelled": sum(summary["cancelled"] for summary in self.last.values()),
            "minutes of delay": sum(summary["delay"] for summary in self.last.values()),
        }


def read_output(path: Path) -> tuple[Lines, int]:
    """The lines of an output file, and how many of them are no lines of output at all."""
    lines, broken = Lines(), 0
    with path.open(encoding="utf-8") as file:
        for text in file:
            try:
                record = json.loads(text)
                lines.add(record["key"], record["offset"], record["output"])
            except (ValueError, KeyError, TypeError):
                broken += 1
    return lines, broken


def differences(wanted: Lines, found: Lines) -> dict[str, int]:
    """In how many ways the lines differ; all zero when there are exactly the expected ones."""
    missing, repeated, unexpected, disordered = 0, 0, 0, 0
    for key in wanted.by_key.keys() | found.by_key.keys():
        right, there = wanted.by_key.get(key, []), found.by_key.get(key, [])
        if right == there:
            continue
        right_counts, there_counts = Counter(right), Counter(there)
        missing += (right_counts - there_counts).total()
        surplus = there_counts - right_counts
        repeated += sum(count for line, count in surplus.items() if line in right_counts)
        unexpected += sum(count for line, count in surplus.items() if line not in right_counts)
        disordered += list(dict.fromkeys(there)) != list(dict.fromkeys(right))
    return {
        "lines missing": missing,
        "lines repeated": repeated,
        "lines unexpected": unexpected,
        "aircraft with other lines or order": disordered,
    }


def main() -> int:
    """Run the program; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("output", type=Path)
    parser.add_argument("--data", type=Path, default=Path(__file__).with_name("data"))
    parser.add_argument("--flights", type=Path, help="the input, if not flights.csv in the data")
    parser.add_argument("--calls", type=Path)
    options = parser.parse_args()

    wanted = Lines()
    for number, key, outputs in expected(
        options.flights or options.data / "flights.csv", options.data / "planes.csv"
    ):
        for output in outputs:
            wanted.add(key, number, output)
    found, broken = read_output(options.output)

    rows = [
        (name, value, found.totals()[name], value == found.totals()[name])
        for name, value in wanted.totals().items()
    ]
    problems = {"lines unreadable": broken, **differences(wanted, found)}
    if options.calls:
        calls = Counter(options.calls.read_text(encoding="utf-8").split())
        never = wanted.last.keys() - calls.keys()
        strangers = calls.keys() - wanted.last.keys()
        rows.append(("aircraft looked up", len(wanted.last), len(calls), not (never or strangers)))
        print(f"Look-ups made again after a kill: {calls.total() - len(calls)}")
    rows += [(name, 0, count, count == 0) for name, count in problems.items()]

    print(f"{'':36}{'expected':>12}{'found':>12}")
    for name, right, there, same in rows:
        print(f"{name:36}{right:>12,}{there:>12,}  {'ok' if same else 'WRONG'}")
    good = all(same for *_, same in rows)
    print("All as expected." if good else "The output is not what it must be.")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
