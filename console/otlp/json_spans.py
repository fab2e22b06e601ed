"""Spans as OTLP's JSON, in which any program can pass them on: a run is one object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .spans import spans_of

if TYPE_CHECKING:
    from ..traces.steps import TracedRun
    from .spans import Span, Value

__all__ = ["as_otlp_json"]

_INTERNAL: Final = 1
_CLIENT: Final = 3
_ERROR: Final = 2


def as_otlp_json(run: TracedRun, agent: str) -> dict[str, Any]:
    """Return a run as `TracesData`.

    Args:
        run: the run.
        agent: the name of the job, which becomes `service.name`.
    """
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": _attributes({"service.name": agent})},
                "scopeSpans": [
                    {"scope": {"name": "tamias"}, "spans": [_span(span) for span in spans_of(run)]}
                ],
            }
        ]
    }


def _span(span: Span) -> dict[str, Any]:
    trace = f"{span.trace:032x}"
    found: dict[str, Any] = {
        "traceId": trace,
        "spanId": f"{span.id:016x}",
        "name": span.name,
        "kind": _CLIENT if span.remote else _INTERNAL,
        "startTimeUnixNano": str(span.began),
        "endTimeUnixNano": str(span.ended),
        "attributes": _attributes(span.attributes),
        "events": [
            {
                "name": event.name,
                "timeUnixNano": str(event.at),
                "attributes": _attributes({"tamias.event.id": event.id}),
            }
            for event in span.events
        ],
        "links": [{"traceId": trace, "spanId": f"{link:016x}"} for link in span.links],
    }
    if span.parent is not None:
        found["parentSpanId"] = f"{span.parent:016x}"
    if span.error is not None:
        found["status"] = {"code": _ERROR, "message": span.error}
    return found


def _attributes(attributes: dict[str, Value]) -> list[dict[str, Any]]:
    return [{"key": name, "value": _value(value)} for name, value in attributes.items()]


def _value(value: Value) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    return {"stringValue": value}
