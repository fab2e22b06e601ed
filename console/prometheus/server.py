"""Serves the page over HTTP.

The library renders a page and chooses its format. What is added here keeps the server alive: a
connection ends after a few seconds whatever it does, and when there are too many the oldest one is
ended, so that clients that do not read cannot keep others out.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from contextlib import suppress
from http import HTTPStatus
from socketserver import TCPServer, ThreadingMixIn
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from prometheus_client.exposition import MetricsHandler

from .page import JobCollector

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..exporting.states import JobState

CONNECTION_SECONDS: Final = 10.0
"""The longest that a connection may last."""
MOST_CONNECTIONS: Final = 64
_PATHS: Final = ("/", "/metrics")


class MetricsServer(ThreadingMixIn, TCPServer):
    """Serves the metrics of some jobs.

    Args:
        listener: the socket that it listens at, which it takes over.
        jobs: the jobs.
    """

    daemon_threads = True

    def __init__(self, listener: socket.socket, jobs: Sequence[JobState]) -> None:
        handler = type("Handler", (_Handler,), {"registry": JobCollector(jobs)})
        super().__init__(listener.getsockname(), handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self._connections: dict[Any, float] = {}
        self._guard = threading.Lock()

    def process_request(self, request: Any, client_address: Any) -> None:
        """As `ThreadingMixIn.process_request`; ends the oldest connection if there are too many."""
        with self._guard:
            self._connections[request] = time.monotonic()
            oldest = next(iter(self._connections))
            if len(self._connections) > MOST_CONNECTIONS:
                _cut(oldest)
                del self._connections[oldest]
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """As `TCPServer.shutdown_request`."""
        with self._guard:
            self._connections.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """As `BaseServer.service_actions`: ends connections that last too long."""
        before = time.monotonic() - CONNECTION_SECONDS
        with self._guard:
            for request in [each for each, began in self._connections.items() if began < before]:
                _cut(request)
                del self._connections[request]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """As `BaseServer.handle_error`: a client that has gone is no error."""
        del request, client_address
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            sys.stderr.write(f"a request for metrics has failed: {error!r}\n")
            sys.stderr.flush()


class _Handler(MetricsHandler):
    """One connection."""

    server_version = "tamias"
    sys_version = ""
    timeout = CONNECTION_SECONDS

    def do_GET(self) -> None:  # noqa: N802 (the library calls it so)
        """Answer with the page."""
        if urlsplit(self.path).path not in _PATHS:
            self.send_error(HTTPStatus.NOT_FOUND, "There is only /metrics here.")
            return
        super().do_GET()

    def log_message(self, format: str, *args: Any) -> None:
        """As `MetricsHandler.log_message`: requests are not logged."""


def _cut(request: socket.socket) -> None:
    with suppress(OSError):
        request.shutdown(socket.SHUT_RDWR)
