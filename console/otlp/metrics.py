"""Series of a job as metrics of OpenTelemetry's data model.

The SDK's own instruments cannot be used: they count what happens in this process. So the data of
an export is made here, and the library encodes and sends it. Names lose the suffixes for units and
counters, which are fields of their own here; a Prometheus that receives OTLP puts them back, so
that alerts and dashboards are the same for both ways.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from ..exporting.families import Families, Family, Spread
from .gen_ai import GEN_AI, by_convention

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from ..exporting.states import JobReading

SCOPE: Final = InstrumentationScope("tamias")
_UNITS: Final = {"seconds": "s", "bytes": "By", "ratio": "1", "": ""}
_NANOSECONDS: Final = 1_000_000_000


def resource_of(agent: str, path: Path) -> Resource:
    """Return what the metrics and traces of a job are of."""
    return Resource.create(
        {"service.name": agent or "tamias", "service.instance.id": str(path.absolute())}
    )


def metrics_data(readings: Iterable[tuple[Resource, JobReading]]) -> MetricsData:
    """Return the metrics of some jobs, as exporters take them."""
    now = time.time_ns()
    return MetricsData(
        [
            ResourceMetrics(
                resource,
                [
                    ScopeMetrics(
                        SCOPE,
                        list(_metrics(reading, now)),
                        "",
                    )
                ],
                "",
            )
            for resource, reading in readings
        ]
    )


def _metrics(reading: JobReading, now: int) -> Iterator[Metric]:
    began = int(reading.started * _NANOSECONDS)
    for family in Families.of([reading]):
        if not family.samples:
            continue
        points: list[Any] = [
            _point(dict(labels), value, began, now) for labels, value in family.samples.items()
        ]
        yield _metric(family, points)
        if family.name in GEN_AI:
            yield by_convention(family, points)


def _metric(family: Family, points: list[Any]) -> Metric:
    data: Gauge | Sum | Histogram
    if family.kind == "gauge":
        data = Gauge(points)
    elif family.kind == "counter":
        data = Sum(points, AggregationTemporality.CUMULATIVE, is_monotonic=True)
    else:
        data = Histogram(points, AggregationTemporality.CUMULATIVE)
    name = family.name
    unit = _UNITS.get(family.unit, family.unit)
    if unit:
        name = name.removesuffix(f"_{family.unit}")
    return Metric(name, family.help, unit, data)


def _point(
    attributes: dict[str, str], value: float | Spread, began: int, now: int
) -> NumberDataPoint | HistogramDataPoint:
    if not isinstance(value, Spread):
        return NumberDataPoint(attributes, began, now, value)
    counts, before = [], 0
    for _, number in value.buckets:
        counts.append(number - before)
        before = number
    bounds = [bound for bound, _ in value.buckets[:-1]]
    unknown: Any = None  # the smallest and largest value are optional in the protocol
    return HistogramDataPoint(
        attributes, began, now, value.count, value.sum, counts, bounds, unknown, unknown
    )
