"""A collector of OpenTelemetry: takes what is sent by OTLP over HTTP, and decodes it."""

from __future__ import annotations

import gzip
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


class Collector:
    """What has arrived.

    Attributes:
        url: where it listens.
        code: what it answers with.
        metrics: the requests for metrics.
        traces: the requests for traces.
    """

    def __init__(self) -> None:
        self.url = ""
        self.code = 200
        self.metrics: list[Any] = []
        self.traces: list[Any] = []

    def points(self, name: str) -> list[tuple[dict[str, str], Any]]:
        """The data points of a metric, with their attributes, of the last request."""
        found = []
        for resource in self.metrics[-1].resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    if metric.name == name:
                        data = getattr(metric, metric.WhichOneof("data"))
                        found += [(attributes(point), point) for point in data.data_points]
        return found

    def spans(self) -> list[Any]:
        """All spans that have arrived."""
        return [
            span
            for request in self.traces
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


def attributes(item: Any) -> dict[str, Any]:
    """The attributes of a point, span or resource."""
    return {
        pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in item.attributes
    }


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector that listens on this machine."""
    collector = Collector()
    kinds: dict[str, tuple[Any, Any, list[Any]]] = {
        "/v1/metrics": (
            ExportMetricsServiceRequest,
            ExportMetricsServiceResponse,
            collector.metrics,
        ),
        "/v1/traces": (ExportTraceServiceRequest, ExportTraceServiceResponse, collector.traces),
    }

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            request, response, received = kinds[self.path]
            message = request()
            message.ParseFromString(body)
            if collector.code == 200:
                received.append(message)
            self.send_response(collector.code)
            self.send_header("Content-Type", "application/x-protobuf")
            self.end_headers()
            self.wfile.write(response().SerializeToString())

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join()
