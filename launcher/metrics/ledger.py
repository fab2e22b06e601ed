"""Adds up the metrics of all workers that a pool has had.

Each worker reports totals since its start. If only the living were added up, a sum would fall when
a worker dies, and a rate computed from it would be wrong. So what a worker has reported last is
kept when it leaves.

Kinds of metrics are told apart by what they look like:

- a number is a counter: sums over all workers, former ones included;
- with `rate`, a meter: its count is summed like a counter, its rate over the living only;
- with `gauge`, a gauge: never summed. The value that was set last, by whichever worker, stands;
- with `buckets`, a histogram: all of it is summed; quantiles are those of the sum.

Not in the sums is what a killed worker has counted since its last report, a second at most.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ...worker.buckets import add_buckets, quantile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["MetricLedger"]

_QUANTILES: Final = {"p50": 0.5, "p99": 0.99}


class MetricLedger:
    """What the former workers of a pool have counted."""

    def __init__(self) -> None:
        self._former: dict[str, Any] = {}

    def leave(self, report: Mapping[str, Any]) -> None:
        """Keep the last report of a worker that has ended."""
        for name, value in report.items():
            _add(self._former, name, _without_present(value))

    def totals(self, living: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
        """The metrics of former workers and of the living ones, whose last reports are given.

        By name, a number, or for a meter `count` and `rate`, and for a histogram `count`, `mean`,
        `min`, `max`, `p50` and `p99`.
        """
        totals = {name: _copied(value) for name, value in self._former.items()}
        for report in living:
            for name, value in report.items():
                _add(totals, name, value)
        return {name: _shown(value) for name, value in totals.items()}


def _add(totals: dict[str, Any], name: str, value: Any) -> None:
    before = totals.get(name)
    if before is None:
        totals[name] = _copied(value)
    elif not isinstance(value, dict):
        # Another generation may have a metric of another kind under this name: the newest counts.
        totals[name] = value if isinstance(before, dict) else before + value
    elif not isinstance(before, dict) or before.keys() != value.keys():
        totals[name] = _copied(value)
    elif "gauge" in value:
        if value["at"] >= before["at"]:
            totals[name] = value
    elif "rate" in value:
        totals[name] = {field: before[field] + value[field] for field in ("count", "rate")}
    elif value["count"]:
        _add_histogram(before, value)


def _add_histogram(total: dict[str, Any], value: dict[str, Any]) -> None:
    first = not total["count"]
    total["min"] = value["min"] if first else min(total["min"], value["min"])
    total["max"] = value["max"] if first else max(total["max"], value["max"])
    for field in ("count", "sum"):
        total[field] += value[field]
    for field in ("buckets", "recent"):
        add_buckets(total[field], value[field])


def _without_present(value: Any) -> Any:
    """What is left of a metric whose worker has ended: nothing is recent, and it has no rate."""
    if not isinstance(value, dict):
        return value
    if "rate" in value:
        return {**value, "rate": 0.0}
    return {**value, "recent": {}} if "buckets" in value else value


def _copied(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {
        field: dict(inner) if isinstance(inner, dict) else inner for field, inner in value.items()
    }


def _shown(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if "gauge" in value:
        return value["gauge"]
    if "buckets" not in value:
        return value
    count = value["count"]
    spread = value["recent"] or value["buckets"]
    found = {name: quantile(spread, q) for name, q in _QUANTILES.items()}
    return {
        "count": count,
        "mean": value["sum"] / count if count else 0.0,
        "min": value["min"],
        "max": value["max"],
        **{name: min(max(number, value["min"]), value["max"]) for name, number in found.items()},
    }
