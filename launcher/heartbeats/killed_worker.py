"""What a killed worker has counted since its last heartbeat.

It is in the worker's file of cells (`worker/metering/cells.py`), each number as of the moment at
which the worker has ended.
"""

from __future__ import annotations

from operator import add
from typing import TYPE_CHECKING, Any

from ...worker.metering.cells import NUMBER, read_cells
from ...worker.metering.measures import FixedHistogram
from ...worker.metering.shapes import MEASURES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ...worker.metering.cells import Cell

__all__ = ["completed", "read_counts"]

_HISTOGRAM: tuple[str, ...] = ("count", "sum", "min", "max")


def read_counts(path: Path) -> dict[str, Any] | None:
    """The parts `metrics`, `measures` and `totals` of a heartbeat.

    None if there is no file, or none with numbers: the agent's code may have written into it.
    """
    try:
        return _read_counts(path)
    except (ValueError, TypeError, IndexError):
        return None


def _read_counts(path: Path) -> dict[str, Any] | None:
    counted: dict[str, dict[str, Any]] = {"metrics": {}, "measures": {}, "totals": {}}
    plain: dict[str, list[int]] = {}
    for (kind, *labels), cell in read_cells(path):
        label = labels[0] if labels else ""
        if kind == "totals":
            counted["totals"][label] = cell.words[0]
        elif kind == "plain_ns":
            plain[label] = _until_zero(cell)
        elif kind in MEASURES:
            value = cell.words.tolist() if MEASURES[kind] else cell.words[0]
            counted["measures"].setdefault(kind, {})[label] = value
        else:
            _add_metric(counted["metrics"], kind, labels, cell)
    if not counted["measures"]:
        return None
    for action, times in plain.items():
        _add_plain(counted["measures"], action, times)
    counted["totals"]["dead_letters"] = sum(counted["measures"].get("dead_letters", {}).values())
    counted["metrics"].update(_published(counted["measures"]))
    return counted


def completed(heartbeat: Mapping[str, Any] | None, counted: Mapping[str, Any]) -> dict[str, Any]:
    """A worker's last heartbeat with what it has counted; None: it has sent none."""
    known = heartbeat or {"active": 0, "failures": {}, "notices": {}, "gauges": {}}
    totals = known.get("totals", {})
    return {
        **known,
        "metrics": counted["metrics"],
        "measures": counted["measures"],
        "totals": {name: max(n, totals.get(name, 0)) for name, n in counted["totals"].items()},
        "executing": [],
        "overdue": "",
        "last": False,
    }


def _until_zero(cell: Cell) -> list[int]:
    times: list[int] = cell.words.tolist()
    return times[: times.index(0)] if 0 in times else times


def _add_plain(measures: dict[str, dict[str, Any]], action: str, times: list[int]) -> None:
    """Add executions of a plain action that were not yet in its counts."""
    durations = FixedHistogram(MEASURES["action_ns"])
    total = durations.add_all([*times])
    known = measures.setdefault("action_ns", {}).get(action, [0] * len(durations.snapshot()))
    measures["action_ns"][action] = [*map(add, known, durations.snapshot())]
    for measure, label, number in (("executed", action, len(times)), ("user_ns", "", total)):
        values = measures.setdefault(measure, {})
        values[label] = values.get(label, 0) + number


def _add_metric(metrics: dict[str, Any], kind: str, labels: list[str], cell: Cell) -> None:
    name, *bucket = labels
    if kind == "counter":
        metrics[name] = cell.read()
    elif kind == "meter":
        metrics[name] = {"count": cell.read(), "rate": 0.0}
    elif kind == "gauge":
        metrics[name] = {"gauge": cell.read(), "at": cell.read(NUMBER)}
    elif kind == "histogram":
        histogram = metrics.setdefault(name, {"buckets": {}, "recent": {}})
        if bucket:
            histogram["buckets"][bucket[0]] = cell.words[0]
        else:
            numbers = [cell.read(place * NUMBER) for place in range(len(_HISTOGRAM))]
            histogram.update(zip(_HISTOGRAM, numbers, strict=True))


def _published(measures: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    """The metrics that have the names of Flink Agents."""
    executed = measures.get("executed", {})
    counts = {
        "numOfEventProcessed": measures.get("runs", {}).get("", 0),
        "numOfActionsExecuted": sum(executed.values()),
        **{f"action.{name}.numOfActionsExecuted": count for name, count in executed.items()},
    }
    return {**counts, **{f"{name}PerSec": {"count": n, "rate": 0.0} for name, n in counts.items()}}
