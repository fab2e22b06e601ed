"""Sends runs of the event log as spans, each one once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from ..traces.reading import runs_in
from .metrics import SCOPE
from .spans import spans_of

if TYPE_CHECKING:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource

    from ..exporting.states import JobState
    from ..traces.steps import TracedRun
    from .spans import Span, Value

_BATCH: Final = 512
"""About so many spans are sent at once."""
_LATE: Final = 30.0
"""A worker may write a run so many seconds after it has ended."""


class TraceSender:
    """Sends the runs of a job.

    Args:
        exporter: sends spans to the collector.
        resource: what the spans are of.
        job: the job.
        since: runs that ended before are not sent, in seconds since the epoch.
    """

    def __init__(
        self, exporter: OTLPSpanExporter, resource: Resource, job: JobState, since: float
    ) -> None:
        self._exporter = exporter
        self._resource = resource
        self._job = job
        self._since = since
        self._sent: dict[str, float] = {}
        """When runs have ended that were sent, by id."""

    def send(self) -> bool:
        """Send what is new; return whether that has succeeded."""
        now = time.time()
        batch: list[ReadableSpan] = []
        runs: list[TracedRun] = []
        for run in runs_in(self._job.path, last=max(0.0, now - self._since)):
            if run.id in self._sent:
                continue
            runs.append(run)
            batch += [as_readable(span, self._resource) for span in spans_of(run)]
            if len(batch) >= _BATCH:
                if not self._export(batch, runs):
                    return False
                batch, runs = [], []
        if batch and not self._export(batch, runs):
            return False
        self._since = max(self._since, now - _LATE)
        forgotten = self._since - _LATE
        self._sent = {run: ended for run, ended in self._sent.items() if ended >= forgotten}
        return True

    def _export(self, spans: list[ReadableSpan], runs: list[TracedRun]) -> bool:
        if self._exporter.export(spans) is not SpanExportResult.SUCCESS:
            return False
        self._sent.update({run.id: run.began + run.seconds for run in runs})
        return True


def as_readable(span: Span, resource: Resource) -> ReadableSpan:
    """Return a span as the library has them."""
    failed = span.error is not None
    return ReadableSpan(
        span.name,
        _context(span.trace, span.id),
        parent=None if span.parent is None else _context(span.trace, span.parent),
        resource=resource,
        attributes=_bounded(span.attributes),
        events=[
            Event(event.name, _bounded({"tamias.event.id": event.id}), event.at)
            for event in span.events
        ],
        links=[Link(_context(span.trace, link), _bounded({})) for link in span.links],
        kind=SpanKind.CLIENT if span.remote else SpanKind.INTERNAL,
        status=Status(StatusCode.ERROR, span.error) if failed else Status(StatusCode.UNSET),
        start_time=span.began,
        end_time=span.ended,
        instrumentation_scope=SCOPE,
    )


def _bounded(attributes: dict[str, Value]) -> BoundedAttributes:
    """Return attributes as earlier versions of the SDK need them."""
    return BoundedAttributes(attributes=attributes)


def _context(trace: int, span: int) -> SpanContext:
    return SpanContext(trace, span, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
