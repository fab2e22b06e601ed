"""The control socket, through which other processes query and command a running pool.

HTTP/1.1 over the Unix socket `STATE_DIR/run/control`, for its owner alone: what the `tamias`
command speaks, and curl:

    curl --unix-socket STATE_DIR/run/control http://tamias/status
    curl --unix-socket STATE_DIR/run/control -X POST 'http://tamias/scale?workers=4'

Arguments come in the query or as a JSON object in the body. Answers are JSON objects; an error is
`{"error": {"type": ..., "message": ..., "hint": ...}}`. A request may take long (a reload is
answered when it is decided), and does so on a thread of its own; the pool's loop sees no more of
it than one command. Between requests one thread sleeps in `accept`.

Whoever holds the state directory's lock owns the socket, so one that is found there was left by a
launcher that was killed.
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

from ...agent.error_json import error_to_json
from ...agent.errors import PoolError, TamiasError, UsageError
from ...store.state.layout import StateLayout
from .unix_socket import listen_at

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from pathlib import Path

    from typing_extensions import Self

    Ask = Callable[[str, dict[str, Any]], "Future[dict[str, Any]]"]
    """Puts a question, a path such as `scale` with its arguments, to the pool."""

LARGEST_BODY: Final = 16 << 20
READ_SECONDS: Final = 10.0
"""What a client gets to send its request."""
FAREWELL_SECONDS: Final = 1.0
"""What answers under way get when the pool ends."""

_LOG: Final = logging.getLogger("tamias.control")


class Control:
    """Serves the control socket while in its block.

    Args:
        state: the state directory, which this process has locked.
        questions: what may be asked: by path without the slash, the method ("GET" or "POST").
        ask: see `Ask`. It may raise TamiasError, as may the future.
    """

    def __init__(self, state: Path, questions: dict[str, str], ask: Ask) -> None:
        self.questions = questions
        self.ask = ask
        self._path = StateLayout(state).control_socket
        self._threads: set[threading.Thread] = set()

    def __enter__(self) -> Self:
        self._inbox: socket.socket | None
        try:
            self._path.parent.mkdir(exist_ok=True)
            self._inbox = listen_at(self._path)
        except OSError as error:  # a file system without sockets is no reason not to work
            _LOG.warning("there is no control socket: %s", error)
            self._inbox = None
        else:
            self._acceptor = threading.Thread(
                target=self._serve, args=[self._inbox], name="tamias-control", daemon=True
            )
            self._acceptor.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._inbox is not None:
            with suppress(OSError):
                self._path.unlink()
            with suppress(OSError):
                self._inbox.shutdown(socket.SHUT_RDWR)  # wakes `accept`
            self._acceptor.join()  # from now on, no more threads are begun
            self._inbox.close()
        until = time.monotonic() + FAREWELL_SECONDS  # the answer to "stop", say, is on its way
        for thread in list(self._threads):
            thread.join(max(0.0, until - time.monotonic()))

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            thread = threading.Thread(
                target=self._converse, args=[connection], name="tamias-control", daemon=True
            )
            self._threads.add(thread)
            thread.start()

    def _converse(self, connection: socket.socket) -> None:
        try:
            with connection:
                connection.settimeout(READ_SECONDS)
                _Handler(connection, ("", 0), self)  # type: ignore[arg-type]
        except OSError:
            pass  # the client has gone
        finally:
            self._threads.discard(threading.current_thread())


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version = "tamias"
    sys_version = ""
    server: Control  # type: ignore[assignment]

    def do_GET(self) -> None:
        """Answer a question."""
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
        except ValueError as error:
            self.close_connection = True  # what is left of the request is not to be read as another
            status = HTTPStatus.BAD_REQUEST
            body = described(UsageError(f"The request makes no sense: {error}."))
        content = json.dumps(body, default=str).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _arguments(self, query: str) -> dict[str, Any]:
        """Those of the query, and those of the body above them."""
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

    def _reply(self, question: str, arguments: dict[str, Any]) -> tuple[HTTPStatus, dict[str, Any]]:
        control = self.server
        method = control.questions.get(question)
        if method is None:
            offer = ", ".join(f"{method} /{name}" for name, method in control.questions.items())
            error = UsageError(f"There is no /{question} here.", hint=f"There are: {offer}.")
            return HTTPStatus.NOT_FOUND, described(error)
        if method != self.command:
            error = UsageError(f"/{question} is for {method}.", hint=f"Use -X {method}.")
            return HTTPStatus.METHOD_NOT_ALLOWED, described(error)
        try:
            return HTTPStatus.OK, control.ask(question, arguments).result()
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
