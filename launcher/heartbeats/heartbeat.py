"""Whether a message is a heartbeat: the metrics, measures and counts of a worker."""

from __future__ import annotations

from typing import Any, Final, cast

from ...worker.buckets import is_bucket
from ...worker.metering.shapes import MEASURES
from .shapes import LARGEST, are_counts, is_count, is_moment, is_number, is_text, is_waiting

__all__ = ["is_heartbeat", "is_metric"]

_METRICS: Final = (
    {"count": 0, "rate": 0},
    {"gauge": 0, "at": 0},
    {"count": 0, "sum": 0, "min": 0, "max": 0, "buckets": {}, "recent": {}},
)
"""The fields of metrics that are more than a number: numbers, and counts by name."""


def is_heartbeat(body: dict[str, Any]) -> bool:
    """Whether the body of a message has all that a heartbeat must have."""
    metrics, failures = body.get("metrics"), body.get("failures")
    return (
        is_count(body.get("active"))
        and are_counts(body.get("totals"))
        and are_counts(body.get("notices"))
        and isinstance(body.get("last"), bool)
        and isinstance(metrics, dict)
        and is_count(metrics.get("numOfEventProcessed"))
        and all(map(is_metric, metrics.values()))
        and isinstance(failures, dict)
        and all(map(_is_failure, failures.values()))
        and ("waiting" not in body or is_waiting(body["waiting"]))
        and _are_measures(body.get("measures", {}))
        and _are_gauges(body.get("gauges", {}))
        and all(map(_is_executed, body.get("executing", ())))
    )


def _is_executed(value: Any) -> bool:
    right = isinstance(value, list) and len(value) == 3
    return right and is_count(value[0]) and is_text(value[1]) and is_moment(value[2])


def _are_measures(value: object) -> bool:
    """Whether a value has by measure and label what a worker has measured."""
    return isinstance(value, dict) and all(
        isinstance(values, dict)
        and all(_is_measured(each, MEASURES.get(name, ())) for each in values.values())
        for name, values in value.items()
    )


def _is_measured(value: object, bounds: tuple[int, ...]) -> bool:
    """Whether a value is a count, or the sum and the counts of a histogram with these bounds."""
    if not bounds:
        return is_count(value)
    return (
        isinstance(value, list)
        and len(value) == len(bounds) + 2
        and set(map(type, value)) == {int}
        and min(value) >= 0
        and max(value) < LARGEST
    )


def _are_gauges(value: object) -> bool:
    return isinstance(value, dict) and all(
        is_number(each) and 0 <= each < LARGEST for each in value.values()
    )


def is_metric(value: object) -> bool:
    """Whether a value is a metric, as `metrics.ledger` adds them up."""
    if is_number(value):
        return True
    if not isinstance(value, dict):
        return False
    return any(
        value.keys() == fields.keys()
        and all(
            _are_buckets(value[name]) if wanted == {} else is_number(value[name])
            for name, wanted in fields.items()
        )
        for fields in _METRICS
    )


def _are_buckets(value: object) -> bool:
    return are_counts(value) and all(map(is_bucket, cast("dict[str, int]", value)))


def _is_failure(value: object) -> bool:
    match value:
        case [count, offset, text]:
            return is_count(count) and (offset is None or is_count(offset)) and is_text(text)
    return False
