"""A server at an address: streamable HTTP, both versions of the protocol."""

from __future__ import annotations

import http.server
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from support.mcp.log import SERVER, eventually
from tamias import (
    AgentDefinitionError,
    MCPInterruptedError,
    MCPServer,
    MCPServerError,
    MCPUnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from support.mcp.log import Log

pytestmark = pytest.mark.process

BEARER = {"type": "bearer", "token": "secret"}


@contextmanager
def running(log: Log, port: int) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [sys.executable, SERVER, str(log.path), "--http", str(port)], stderr=subprocess.DEVNULL
    ) as process:
        try:
            eventually(lambda: _listens(port))
            yield process
        finally:
            process.kill()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        found: int = probe.getsockname()[1]
    return found


def test_a_server_at_an_address(serve: Callable[..., MCPServer], log: Log, port: int) -> None:
    endpoint = {"command": "", "args": [], "endpoint": f"http://127.0.0.1:{port}/mcp"}
    new = serve(**endpoint, auth=BEARER)
    old = serve(**endpoint, protocol="2025-11-25")
    with running(log, port) as process:
        for server in (new, old):
            assert server.call_tool("add", {"a": 1, "b": 2}) == "3"
            assert server.read_resource("notes://today") == "rain"
            assert [each["name"] for each in server.describe_prompts()] == ["greet"]
        timer = threading.Timer(0.3, os.kill, (process.pid, signal.SIGKILL))
        timer.start()
        with pytest.raises(MCPInterruptedError):
            new.call_tool("wait", {"seconds": 60})
    for server in (new, old):
        with pytest.raises(MCPUnavailableError):
            server.call_tool("add", {"a": 1, "b": 2})
    with running(log, port):
        for server in (new, old):
            eventually(partial(_adds, server))
    assert "secret" not in repr(new)


def _adds(server: MCPServer) -> bool:
    try:
        return bool(server.call_tool("add", {"a": 1, "b": 2}) == "3")
    except MCPUnavailableError:
        return False


class _Refusing(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        known = self.headers.get("Authorization") == "Bearer secret"
        self.send_response(503 if known else 401)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_a_status_that_is_an_error(serve: Callable[..., MCPServer]) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Refusing) as refusing:
        threading.Thread(target=refusing.serve_forever, daemon=True).start()
        endpoint = f"http://127.0.0.1:{refusing.server_address[1]}/mcp"
        with pytest.raises(MCPServerError, match=r"status 401.*headers and auth") as caught:
            serve(command="", args=[], endpoint=endpoint).list_tools()
        assert not caught.value.is_temporary
        with pytest.raises(MCPUnavailableError, match="status 503"):
            serve(command="", args=[], endpoint=endpoint, auth=BEARER).list_tools()
        with pytest.raises(MCPUnavailableError, match="status 503"):
            serve(command="", args=[], endpoint=endpoint, auth=_signing()).list_tools()
        refusing.shutdown()


def _signing() -> httpx2.Auth:
    """Signs requests; of a class that the keeper cannot import."""

    class Signs(httpx2.Auth):
        def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, object, None]:
            request.headers["Authorization"] = "Bearer secret"
            yield request

    return Signs()


def test_what_signs_requests_can_be_copied(serve: Callable[..., MCPServer]) -> None:
    signing: Any = _signing()
    signing.lock = threading.Lock()
    with pytest.raises(AgentDefinitionError, match="Signs, which cannot be copied"):
        serve(command="", args=[], endpoint="http://127.0.0.1:9/mcp", auth=signing)
