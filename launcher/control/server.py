"""The control socket, through which other processes query and command a running pool.

HTTP/1.1 over the Unix socket `STATE_DIR/run/control`, which only its owner can use, with the
`tamias` command or with curl:

    curl --unix-socket STATE_DIR/run/control http://tamias/status
    curl --unix-socket STATE_DIR/run/control -X POST 'http://tamias/scale?workers=4'

Arguments come in the query or as a JSON object in the body. Answers are JSON objects; an error is
`{"error": {"type": ..., "message": ..., "hint": ...}}`. A request may take long (a reload is
answered when it has succeeded or failed), so each has a thread of its own; the pool's loop gets
only one command from it. Between requests one thread sleeps in `accept`.

Only the process that holds the state directory's lock makes the socket, so one that exists already
was left by a launcher that was killed.
"""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from concurrent.futures import CancelledError
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlsplit

from ...agent.errors import PoolError, TamiasError, UsageError
from ...agent.failures.error_json import error_to_json
from ...store.state.layout import StateLayout
from .unix_socket import LARGEST_BODY, listen_at

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from pathlib import Path

    from typing_extensions import Self

    Handle = Callable[[str, dict[str, Any]], "Future[dict[str, Any]]"]
    """Passes a request, a path such as `scale` and its arguments, to the pool."""

READ_SECONDS: Final = 10.0
"""The time that a client has to send its request."""
FAREWELL_SECONDS: Final = 1.0
"""The time for answers under way when the pool ends."""

_LOG: Final = logging.getLogger("tamias.control")


class Control:
    """Serves the control socket in its block.

    Args:
        state: the state directory, which this process has locked.
        methods: the requests: by path without the slash, the method ("GET" or "POST").
        handle: see `Handle`. It may raise TamiasError, as may the future.
    """

    def __init__(self, state: Path, methods: dict[str, str], handle: Handle) -> None:
        self.methods = methods
        self.handle = handle
        self._path = StateLayout(state).control_socket
        self._threads: set[threading.Thread] = set()

    def __enter__(self) -> Self:
        self._listener: socket.socket | None
        try:
            self._path.parent.mkdir(exist_ok=True)
            self._listener = listen_at(self._path)
        except OSError as error:  # the file system has no sockets: go on without
            _LOG.warning("there is no control socket: %s", error)
            self._listener = None
        else:
            self._acceptor = threading.Thread(
                target=self._serve, args=[self._listener], name="tamias-control", daemon=True
            )
            self._acceptor.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._listener is not None:
            with suppress(OSError):
                self._path.unlink()
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)  # wakes `accept`
            self._acceptor.join()  # no more threads are started after this
            self._listener.close()
        until = time.monotonic() + FAREWELL_SECONDS  # for example, the answer to "stop"
        for thread in list(self._threads):
            thread.join(max(0.0, until - time.monotonic()))

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            thread = threading.Thread(
                target=self._handle_connection,
                args=[connection],
                name="tamias-control",
                daemon=True,
            )
            self._threads.add(thread)
            thread.start()

    def _handle_connection(self, connection: socket.socket) -> None:
        try:
            with connection:
                connection.settimeout(READ_SECONDS)
                _Handler(connection, ("", 0), self)  # type: ignore[arg-type]
        except OSError:
            pass  # the client has closed the connection
        finally:
            self._threads.discard(threading.current_thread())


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version = "tamias"
    sys_version = ""
    server: Control  # type: ignore[assignment]

    def do_GET(self) -> None:
        """Answer a query."""
        self._answer()

    def do_POST(self) -> None:
        """Carry out a command."""
        self._answer()

    def _answer(self) -> None:
        try:
            url = urlsplit(self.path)
            status, body = self._reply(url.path.strip("/"), self._arguments(url.query))
        except TamiasError as error:
            status, body = _status_of(error), described(error)
        except (ValueError, RecursionError) as error:
            self.close_connection = True  # the rest of this request must not be read as another
            status = HTTPStatus.BAD_REQUEST
            body = described(UsageError(f"The request makes no sense: {error}."))
        content = json.dumps(body, default=str).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _arguments(self, query: str) -> dict[str, Any]:
        """Return the arguments: those of the query, overridden by those of the body."""
        arguments: dict[str, Any] = dict(parse_qsl(query, keep_blank_values=True))
        length = int(self.headers.get("Content-Length") or 0)
        if "chunked" in (self.headers.get("Transfer-Encoding") or ""):
            raise ValueError("a body needs a Content-Length here")
        if not 0 <= length <= LARGEST_BODY:
            raise ValueError(f"a body of {length} bytes is too large")
        body = self.rfile.read(length)
        if body.strip():
            content = json.loads(body)
            if not isinstance(content, dict):
                raise ValueError("the body is not a JSON object")
            arguments.update(content)
        return arguments

    def _reply(self, name: str, arguments: dict[str, Any]) -> tuple[HTTPStatus, dict[str, Any]]:
        control = self.server
        method = control.methods.get(name)
        if method is None:
            offer = ", ".join(f"{method} /{name}" for name, method in control.methods.items())
            error = UsageError(f"There is no /{name} here.", hint=f"There are: {offer}.")
            return HTTPStatus.NOT_FOUND, described(error)
        if method != self.command:
            error = UsageError(f"/{name} is for {method}.", hint=f"Use -X {method}.")
            return HTTPStatus.METHOD_NOT_ALLOWED, described(error)
        try:
            return HTTPStatus.OK, control.handle(name, arguments).result()
        except CancelledError:
            raise PoolError("The pool has ended before it could answer.") from None

    def log_message(self, format: str, *args: Any) -> None:
        """Disable request logging."""


def described(error: TamiasError) -> dict[str, Any]:
    """Return the body of an answer that reports an error."""
    return {"error": error_to_json(error, with_traceback=False)}


def _status_of(error: TamiasError) -> HTTPStatus:
    if isinstance(error, UsageError):
        return HTTPStatus.BAD_REQUEST
    if isinstance(error, PoolError):
        return HTTPStatus.CONFLICT
    return HTTPStatus.INTERNAL_SERVER_ERROR
