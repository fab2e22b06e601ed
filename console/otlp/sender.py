"""Sends metrics and traces of jobs to a collector, again and again, until it is told to stop."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Final

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics.export import MetricExportResult

from ..exporting.collector_url import check_url
from .metrics import metrics_data, resource_of
from .traces import TraceSender

if TYPE_CHECKING:
    import threading
    from collections.abc import Sequence

    from ..exporting.states import JobState

SECONDS: Final = 10.0
"""The time between two exports."""
_TIMEOUT: Final = 5
"""Seconds that an export may take, tries again included."""


class Sender:
    """Sends what some jobs have measured.

    Args:
        url: the collector, as `http://localhost:4318`; the paths of the signals are added.
        jobs: the jobs.
        since: runs that ended before are not sent, in seconds since the epoch.

    Raises:
        UsageError: it is no URL.
    """

    def __init__(self, url: str, jobs: Sequence[JobState], since: float = 0.0) -> None:
        check_url(url)
        self._problems = _LastProblem()
        self._url = url.rstrip("/")
        self._jobs = [(resource_of(job.agent, job.path), job) for job in jobs]
        self._metrics = OTLPMetricExporter(f"{self._url}/v1/metrics", timeout=_TIMEOUT)
        spans = OTLPSpanExporter(f"{self._url}/v1/traces", timeout=_TIMEOUT)
        self._traces = [TraceSender(spans, resource, job, since) for resource, job in self._jobs]
        self._failing = False

    def run(self, stop: threading.Event) -> None:
        """Send until `stop` is set, and once more then."""
        while not stop.wait(SECONDS):
            self.send()
        self.send()

    def send(self) -> bool:
        """Send all that there is now; return whether that has succeeded."""
        data = metrics_data((resource, job.read()) for resource, job in self._jobs)
        sent = self._metrics.export(data) is MetricExportResult.SUCCESS
        # One that does not answer is not waited for again and again.
        sent = sent and all(traces.send() for traces in self._traces)
        if not sent and not self._failing:
            sys.stderr.write(f"nothing is exported to {self._url}: {self._problems.text}\n")
            sys.stderr.flush()
        self._failing = not sent
        return sent


class _LastProblem(logging.Handler):
    """Keeps what the library has logged last, instead of printing it at each export."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.text = "it does not answer"
        log = logging.getLogger("opentelemetry")
        log.addHandler(self)
        log.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        """As `logging.Handler.emit`."""
        self.text = record.getMessage()
