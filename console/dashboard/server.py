"""Serves the dashboard: the socket, limits for connections, and the end.

A browser that takes nothing, or sends half a request, is dropped after a while: its connection is
aborted, because to close it properly would wait for it. Nothing here is the pool's, so however many
there are, only this process has less to give.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import resource
import signal
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from ...agent.errors import UsageError

if TYPE_CHECKING:
    from starlette.types import ASGIApp

__all__ = ["listen", "serve"]

MOST_CONNECTIONS: Final = 512
PATIENCE: Final = 15.0
"""Seconds that a browser has to take what was sent, or to send the rest of its request."""
_SEARCH_EVERY: Final = 2.0
_LARGEST_HEAD: Final = 64 << 10


def listen(address: str, port: int) -> socket.socket:
    """A socket that listens; port 0 for any free one.

    Raises:
        UsageError: the address cannot be used.
    """
    try:
        family = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((address, port))
            listener.listen(128)
        except BaseException:
            listener.close()
            raise
    except OSError as error:
        hint = "Choose another port (--port)." if error.errno == errno.EADDRINUSE else ""
        raise UsageError(
            f"Nothing can listen at {address}, port {port}: {error.strerror or error}.", hint=hint
        ) from error
    return listener


def serve(app: ASGIApp, listener: socket.socket) -> None:
    """Serve until a signal ends it."""
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)
    config = uvicorn.Config(
        app,
        http=_BrowserConnection,
        ws="none",
        loop="asyncio",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=_LARGEST_HEAD,
        timeout_keep_alive=int(PATIENCE),
        timeout_graceful_shutdown=1,
    )
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the same as Ctrl-C
    with suppress(KeyboardInterrupt), listener:
        _PageServer(config).run([listener])


class _BrowserConnection(H11Protocol):
    """A connection that is aborted when its browser does not go on."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.paused_at: float | None = None
        self.began = time.monotonic()
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()

    def pause_writing(self) -> None:
        self.paused_at = time.monotonic()
        super().pause_writing()

    def resume_writing(self) -> None:
        self.paused_at = None
        super().resume_writing()

    def on_response_complete(self) -> None:
        self.began = time.monotonic()
        super().on_response_complete()

    def is_stalled(self, now: float) -> bool:
        """Whether the browser takes nothing, or has not sent its request."""
        if self.paused_at is not None:
            return now - self.paused_at > PATIENCE
        is_answered = getattr(self.cycle, "response_complete", True)  # there is none at first
        return is_answered and now - self.began > 2 * PATIENCE


class _PageServer(uvicorn.Server):
    """A server that looks after its connections."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._care = asyncio.ensure_future(self._drop_stalled())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._care.cancel()
        await super().shutdown(sockets)

    async def _drop_stalled(self) -> None:
        while True:
            await asyncio.sleep(_SEARCH_EVERY)
            now = time.monotonic()
            connections: list[Any] = list(self.server_state.connections)
            for connection in connections:
                if connection.is_stalled(now):
                    connection.transport.abort()
