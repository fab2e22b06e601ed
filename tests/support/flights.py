"""Small flight data sets in the shape of the real one, and the programs of the flights example."""

from __future__ import annotations

import csv
import importlib
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "flights"

COLUMNS = (
    "year month day dep_time sched_dep_time dep_delay arr_time sched_arr_time arr_delay carrier "
    "flight tailnum origin dest air_time distance hour minute time_hour"
).split()

Row = dict[str, str]


def row(tailnum: str, delay: str, hour: int = 0, **other: str) -> Row:
    """One flight; `hour` counts from the beginning of 2013, the columns nobody reads are NA."""
    day = f"2013-{1 + hour // 672:02}-{1 + hour // 24 % 28:02}T{hour % 24:02}:00:00Z"
    known = {"carrier": "UA", "flight": "1", "origin": "EWR", "dest": "IAH", "minute": "0"}
    return {
        **dict.fromkeys(COLUMNS, "NA"),
        **known,
        "tailnum": tailnum,
        "dep_delay": delay,
        "time_hour": day,
        **other,
    }


def random_rows(count: int, seed: int, aircraft: int = 40) -> list[Row]:
    """Flights of a few aircraft, in order; some late in series, some cancelled, some without."""
    rng = random.Random(seed)
    rows = []
    for number in range(count):
        if rng.random() < 0.02:
            tailnum, delay = "NA", "NA"
        else:
            tailnum = f"N{rng.randrange(aircraft):03}"
            late = str(rng.randint(14, 90))
            delay = rng.choice((late, late, str(rng.randint(-10, 16)), "NA"))
        rows.append(row(tailnum, delay, number // 4, flight=str(number), minute=str(number % 60)))
    return rows


def write_data(folder: Path, rows: list[Row], known_aircraft: int = 30) -> Path:
    """Write `flights.csv` and `planes.csv` (some aircraft unknown) into `folder`; returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "flights.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    with (folder / "planes.csv").open("w", newline="", encoding="utf-8") as file:
        planes = csv.writer(file)
        planes.writerow(("tailnum", "year", "manufacturer", "model"))
        for number in range(known_aircraft):
            year = "NA" if number % 5 == 0 else str(1980 + number)
            planes.writerow((f"N{number:03}", year, "BOEING", f"737-{number}"))
    return folder


def run_program(
    name: str, *arguments: str | Path, folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run one of the example's programs as its reader would."""
    command: list[Any] = [sys.executable, EXAMPLE / name, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def by_key(outputs: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Outputs by the aircraft they are about; rows without one are about "NA".

    Files of a Flink sink have no order among each other, so each aircraft's outputs are put in one:
    summaries by the counts in them, which are right only if the rows came in order; then alerts.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for output in outputs:
        found.setdefault(output.get("tailnum", "NA"), []).append(output)
    for lines in found.values():
        lines.sort(key=_place)
    return found


def _place(output: dict[str, Any]) -> tuple[Any, ...]:
    if output["kind"] == "alert":
        return (2, output["scheduled"])
    if output["kind"] == "unassigned":
        return (1, output["flights"])
    return (1, output["legs"] + output["cancelled"])


def expected(data: Path) -> dict[str, list[dict[str, Any]]]:
    """What the independent computation says of a data set, as `by_key` has it."""
    sys.path.insert(0, str(EXAMPLE))
    try:
        reference = importlib.import_module("reference")
    finally:
        sys.path.remove(str(EXAMPLE))
    rows = reference.expected(data / "flights.csv", data / "planes.csv")
    return by_key([output for _, _, outputs in rows for output in outputs])
