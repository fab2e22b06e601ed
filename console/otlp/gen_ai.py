"""Metrics of calls of models under the names of OpenTelemetry's conventions for generative AI.

They are sent besides those with names of tamias.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Histogram,
    HistogramDataPoint,
    Metric,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..exporting.families import Family

GEN_AI: Final = {
    "tamias_model_call_seconds": ("gen_ai.client.operation.duration", "s"),
    "tamias_model_tokens": ("gen_ai.client.token.usage", "{token}"),
}
"""Names and units by families, which are histograms."""

_LABELS: Final = {
    "model": "gen_ai.request.model",
    "type": "gen_ai.token.type",
    "operation": "gen_ai.operation.name",
}


def by_convention(family: Family, points: Sequence[HistogramDataPoint]) -> Metric:
    """Return one of these families with the name, unit and attributes of the conventions."""
    name, unit = GEN_AI[family.name]
    found = []
    for point in points:
        labels = {"operation": "chat", **(point.attributes or {})}
        attributes = {_LABELS.get(label, label): value for label, value in labels.items()}
        found.append(replace(point, attributes=attributes))
    return Metric(name, family.help, unit, Histogram(found, AggregationTemporality.CUMULATIVE))
