"""The server of pages: formats, wrong requests, clients that do not read."""

from __future__ import annotations

import gzip
import socket
import threading
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import TYPE_CHECKING

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as read_openmetrics,
)

from tamias.agent.errors import UsageError
from tamias.console.exporting.states import job_states
from tamias.console.prometheus.address import listen, url_of
from tamias.console.prometheus.server import MOST_CONNECTIONS, MetricsServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from http.client import HTTPResponse
    from pathlib import Path


@contextmanager
def served(state: Path) -> Iterator[int]:
    """A server; its port."""
    with MetricsServer(listen("0"), job_states([state])) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def get(
    port: int, path: str = "/metrics", method: str = "GET", **headers: str
) -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(
        method, path, headers={name.replace("_", "-"): text for name, text in headers.items()}
    )
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body


def test_the_client_chooses_the_format(tmp_path: Path) -> None:
    with served(tmp_path) as port:
        answer, body = get(port)
        assert answer.status == 200
        assert (answer.headers["Content-Type"] or "").startswith("text/plain")
        assert b"tamias_up{agent=" in body
        answer, body = get(port, Accept="application/openmetrics-text; version=1.0.0")
        assert (answer.headers["Content-Type"] or "").startswith("application/openmetrics-text")
        families = read_openmetrics(body.decode())  # type: ignore[no-untyped-call]
        assert "tamias_up" in {family.name for family in families}
        answer, body = get(port, Accept_Encoding="gzip")
        assert b"tamias_up" in gzip.decompress(body)
        _, body = get(port, "/metrics?name[]=tamias_up")
        assert b"tamias_up" in body
        assert b"tamias_exporter_dropped_samples" not in body


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with served(tmp_path) as port:
        assert get(port, "/status")[0].status == 404
        assert get(port, "/../../etc/passwd")[0].status == 404
        assert get(port, method="POST")[0].status == 501


@pytest.mark.parametrize(
    "garbage",
    [b"\x00\x01\x02\r\n\r\n", b"GET\r\n\r\n", b"GET /metrics HTTP/9.9\r\n\r\n", b"a" * 70_000],
)
def test_garbage_harms_no_other_request(tmp_path: Path, garbage: bytes) -> None:
    with served(tmp_path) as port:
        with socket.create_connection(("127.0.0.1", port), 30) as connection:
            connection.sendall(garbage)
            connection.shutdown(socket.SHUT_WR)
        assert get(port)[0].status == 200


def test_clients_that_send_nothing_keep_no_other_out(tmp_path: Path) -> None:
    with served(tmp_path) as port:
        stalled = [
            socket.create_connection(("127.0.0.1", port), 30) for _ in range(3 * MOST_CONNECTIONS)
        ]
        for connection in stalled:
            connection.sendall(b"GET /metr")
        assert get(port)[0].status == 200
        assert stalled[0].recv(1) == b""  # the oldest was ended
        for connection in stalled:
            connection.close()


def test_a_connection_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tamias.console.prometheus.server.CONNECTION_SECONDS", 0.0)
    with served(tmp_path) as port, socket.create_connection(("127.0.0.1", port), 30) as connection:
        assert connection.recv(1) == b""


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("0", "http://127.0.0.1:{port}/metrics"),
        (":0", "http://127.0.0.1:{port}/metrics"),
        ("localhost:0", "http://127.0.0.1:{port}/metrics"),
        ("0.0.0.0:0", "http://0.0.0.0:{port}/metrics"),
    ],
)
def test_an_address_is_a_port_or_a_host_and_a_port(address: str, url: str) -> None:
    with listen(address) as listener:
        assert url_of(listener) == url.format(port=listener.getsockname()[1])


@pytest.mark.parametrize(
    "address",
    [
        "",
        "x",
        "1:2:3",
        "70000",
        "-1",
        "::1",
        "a b:1",
        "256.0.0.1:1",
        "²",
        "x" * 300 + ":1",
        "\udcff:1",
    ],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="address"):
        listen(address)


def test_a_port_in_use_is_refused() -> None:
    with listen("0") as first, pytest.raises(UsageError, match="another program uses it"):
        listen(str(first.getsockname()[1]))
