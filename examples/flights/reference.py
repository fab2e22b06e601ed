"""What the flights agent must say, computed the plain way: one process, one loop, no tamias.

check.py compares an output of the agent with what `expected` yields. This is written, on purpose,
as differently from agent.py as the task allows: from whole histories instead of running values.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Output = dict[str, Any]


@dataclass
class History:
    """Everything that happened to one aircraft, row by row."""

    departures: list[tuple[str, str, str, int]] = field(default_factory=list)
    total_delay: int = 0
    cancelled: int = 0


def expected(flights: Path, planes: Path) -> Iterator[tuple[int, str, list[Output]]]:
    """For each row of `flights`: its number from 0, its key, and the outputs it must cause."""
    models = {}
    with planes.open(newline="", encoding="utf-8") as file:
        for plane in csv.DictReader(file):
            models[plane["tailnum"]] = plane["model"]
    histories: dict[str, History] = defaultdict(History)
    with flights.open(newline="", encoding="utf-8") as file:
        for number, row in enumerate(csv.DictReader(file)):
            key = row["tailnum"]
            history = histories[key]
            if key == "NA":
                history.cancelled += 1
                yield number, key, [{"kind": "unassigned", "flights": history.cancelled}]
                continue
            outputs: list[Output] = []
            if row["dep_delay"] == "NA":
                history.cancelled += 1
            else:
                delay = int(row["dep_delay"])
                history.total_delay += delay
                history.departures.append(
                    (row["carrier"] + row["flight"], row["origin"], row["dest"], delay)
                )
                if is_third_late_one([leg[3] for leg in history.departures]):
                    late = [list(leg) for leg in history.departures[-3:]]
                    alert = {"kind": "alert", "tailnum": key, "scheduled": row["time_hour"]}
                    outputs.append({**alert, "late": late})
            outputs.append(
                {
                    "kind": "summary",
                    "tailnum": key,
                    "model": models.get(key),
                    "legs": len(history.departures),
                    "cancelled": history.cancelled,
                    "delay": history.total_delay,
                    "recent_delay": sum(leg[3] for leg in history.departures[-5:]),
                }
            )
            yield number, key, outputs


def is_third_late_one(delays: list[int]) -> bool:
    """Whether the last three left late, and the one before them, if any, did not."""
    late = [delay > 15 for delay in delays[-4:]]
    return late[-3:] == [True] * 3 and late[:-3] in ([], [False])
