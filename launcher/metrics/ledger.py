"""Adds up the metrics of all workers that a pool has had.

Each worker reports totals since its start. If only the living were added up, a sum would fall when
a worker dies, and a rate computed from it would be wrong. So what a worker has reported last is
kept when it leaves.

Kinds of metrics are told apart by what they look like:

- a number is a counter: sums over all workers, former ones included;
- with `rate`, a meter: its count is summed like a counter, its rate over the living only;
- with `gauge`, a gauge: never summed. The value that was set last, by whichever worker, stands;
- with `buckets`, a histogram: all of it is summed; quantiles are those of the sum.

Sums are exact, whatever order they are made in: one of floating-point numbers may fall by its last
digit when a worker dies, and a monitoring system takes a fall for a restart.

The number of names is bounded; those that come when there is no more place are counted together, by
kind: `other.counter`, `other.meter`, `other.histogram`. Gauges are not shown then.

What a killed worker has counted since its last report is found in its file: see `killed_worker`.
"""

from __future__ import annotations

from fractions import Fraction
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ...worker.buckets import add_buckets, fixed_counts, quantile
from ...worker.metering.names import OTHER, BoundedNames

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["MetricLedger", "MetricSummary"]

MOST_NAMES: Final = 1000
_QUANTILES: Final = {"p50": 0.5, "p99": 0.99}


class MetricSummary(NamedTuple):
    """The metrics of all workers that a pool has had."""

    totals: dict[str, Any]
    """See `MetricLedger.totals`."""
    histograms: dict[str, list[float]]
    """Of each histogram the sum, and the counts of the buckets of `FIXED_BOUNDS`."""
    gauges: list[str]
    """The names of gauges."""


class MetricLedger:
    """What the former workers of a pool have counted."""

    def __init__(self, most: int = MOST_NAMES) -> None:
        """`most`: so many metrics are told apart."""
        self._former: dict[str, Any] = {}
        self._names = BoundedNames(most)

    def leave(self, report: Mapping[str, Any]) -> None:
        """Keep the last report of a worker that has ended."""
        for name, value in report.items():
            self._add(self._former, name, _without_present(value))

    def totals(self, living: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
        """The metrics of former workers and of the living ones, whose last reports are given.

        By name, a number, or for a meter `count` and `rate`, and for a histogram `count`, `mean`,
        `min`, `max`, `p50` and `p99`.
        """
        return self.summary(living).totals

    def summary(self, living: Iterable[Mapping[str, Any]]) -> MetricSummary:
        """The same, with what only monitoring systems need."""
        totals = {name: _copied(value) for name, value in self._former.items()}
        for report in living:
            for name, value in report.items():
                self._add(totals, name, value)
        histograms = {
            name: [float(value["sum"]), *fixed_counts(value["buckets"])]
            for name, value in totals.items()
            if _kind_of(value) == "histogram"
        }
        gauges = [name for name, value in totals.items() if _kind_of(value) == "gauge"]
        shown = {name: _shown(value) for name, value in totals.items()}
        return MetricSummary(shown, histograms, gauges)

    def _add(self, totals: dict[str, Any], name: str, value: Any) -> None:
        if self._names.place_of(name) != name:
            kind = _kind_of(value)
            if kind == "gauge":
                return
            name = f"{OTHER}.{kind}"
        totals[name] = _sum(totals.get(name), _exact(value))


def _kind_of(value: Any) -> str:
    if not isinstance(value, dict):
        return "counter"
    return "gauge" if "gauge" in value else "meter" if "rate" in value else "histogram"


def _exact(value: Any) -> Any:
    """A metric with numbers whose sums are exact."""
    if not isinstance(value, dict):
        return _exact_number(value)
    if "rate" in value:
        return {**value, "count": _exact_number(value["count"])}
    return {**value, "sum": _exact_number(value["sum"])} if "buckets" in value else value


def _exact_number(value: Any) -> Any:
    return Fraction(value) if isinstance(value, float) and isfinite(value) else value


def _sum(before: Any, value: Any) -> Any:
    # Another generation may have a metric of another kind under this name: the newest counts.
    if before is None or _kind_of(before) != _kind_of(value):
        return _copied(value)
    if not isinstance(value, dict):
        return before + value
    if "gauge" in value:
        return value if value["at"] >= before["at"] else before
    if "rate" in value:
        return {field: before[field] + value[field] for field in ("count", "rate")}
    if value["count"]:
        _add_histogram(before, value)
    return before


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
        return _shown_number(value)
    if "gauge" in value:
        return value["gauge"]
    if "buckets" not in value:
        return {**value, "count": _shown_number(value["count"])}
    count = value["count"]
    spread = value["recent"] or value["buckets"]
    found = {name: quantile(spread, q) for name, q in _QUANTILES.items()}
    return {
        "count": count,
        "mean": float(value["sum"] / count) if count else 0.0,
        "min": value["min"],
        "max": value["max"],
        **{name: min(max(number, value["min"]), value["max"]) for name, number in found.items()},
    }


def _shown_number(value: Any) -> Any:
    return float(value) if isinstance(value, Fraction) else value
