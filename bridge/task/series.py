"""The series of a pool as Flink's metrics: what the task sends to the operator.

Flink's counters and the least and largest value of its histograms are whole numbers. So counters of
seconds and money become gauges, and histograms of seconds are in milliseconds. Labels become
variables of metric groups, which reporters such as Flink's for Prometheus show as labels again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MOST: Final = 2000
"""More series of one task would be a burden for Flink; the rest is left out."""

_SECONDS: Final = "_seconds"
_WHOLE: Final = ("", "bytes")
"""Units whose counters are whole numbers."""


def flink_series(families: Iterable[Mapping[str, Any]]) -> list[list[Any]]:
    """Return the series of a status, each as a list of name, kind, labels and value.

    The kind is "counter", "total" (with fractions), "gauge" or "histogram"; labels are names and
    values in turn. The
    value of a histogram has `count`, `sum`, `bounds`, and `counts` of the buckets below each bound
    and of the last one, which has none.
    """
    found: list[list[Any]] = []
    for family in families:
        name, kind, unit = family["name"], family["type"], family["unit"]
        whole = unit in _WHOLE and "cost" not in name
        if kind == "histogram" and unit == "seconds":
            name = name.removesuffix(_SECONDS) + "_milliseconds"
        for labels, value in family["samples"]:
            if value is None:
                continue
            pairs = [text for pair in sorted(labels.items()) for text in pair]
            if kind == "histogram":
                found.append([name, kind, pairs, _spread(value, 1000 if unit == "seconds" else 1)])
            elif kind == "counter" and whole:
                found.append([name, kind, pairs, int(value)])
            elif kind == "counter":
                found.append([name, "total", pairs, value])
            else:
                found.append([name, "gauge", pairs, value])
    return found[:MOST]


def _spread(value: Mapping[str, Any], factor: int) -> dict[str, Any]:
    buckets = sorted((float(bound), number) for bound, number in value["buckets"].items())
    below = [(bound, number) for bound, number in buckets if bound != float("inf")]
    counts, before = [], 0
    for number in (*(number for _, number in below), value["count"]):
        counts.append(number - before)
        before = number
    return {
        "count": value["count"],
        "sum": value["sum"] * factor,
        "bounds": [bound * factor for bound, _ in below],
        "counts": counts,
    }
