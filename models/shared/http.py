"""HTTP clients for the libraries of providers: httpx2, and httpx for those that still use it.

A library's own client has one pool of connections, whose time for a request grows with the number
of connections: with a thousand calls at once it takes longer than all the rest. So the transport
here has many small pools (`_Lanes`). It makes no TLS context for a service that has none; all
connections with TLS share one, which is made when the first of them is.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "CONNECT_SECONDS",
    "HttpSettings",
    "async_client_options",
    "async_http_client",
    "preload_http",
    "sync_client_options",
    "sync_http_client",
]

CONNECT_SECONDS = 5.0
"""How long connecting to a service may take."""
READ_SECONDS = 60.0
"""How long a service may be silent, by default."""

_WIDTH = 4
"""Connections in one pool."""
_IDLE = 100
"""Connections that wait for the next call, in the one pool of a client that blocks."""
_KEEP_SECONDS = 4.0
"""How long a connection without TLS is kept for the next call: servers of one's own (uvicorn) close
theirs after five."""
_KEEP_TLS_SECONDS = 30.0
"""How long one with TLS is kept, which takes longer to make."""


class HttpSettings(NamedTuple):
    """What a client needs to know."""

    url: str
    """The base of all requests."""
    read: float = READ_SECONDS
    """Seconds between two pieces of an answer."""


def preload_http(package: str) -> None:
    """Import what clients of httpx2 or httpx import at their first request."""
    core = {"httpx2": "httpcore2", "httpx": "httpcore"}[package]
    for name in (package, core, "h11", "anyio._backends._asyncio", "anyio.streams.tls"):
        with contextlib.suppress(ImportError):  # not all of them are public
            import_module(name)
    if package == "httpx2":
        with contextlib.suppress(ImportError):
            import_module("truststore")


def async_http_client(httpx: ModuleType, settings: HttpSettings) -> Any:
    """An ``AsyncClient`` of httpx2 or httpx."""
    return httpx.AsyncClient(**async_client_options(httpx, settings))


def sync_http_client(httpx: ModuleType, settings: HttpSettings) -> Any:
    """A ``Client`` of httpx2 or httpx, for use by several threads."""
    return httpx.Client(**sync_client_options(httpx, settings))


def async_client_options(httpx: ModuleType, settings: HttpSettings) -> dict[str, Any]:
    """Arguments of an ``AsyncClient``, for libraries that make it themselves."""
    options = _options(httpx, settings)
    expiry = options["limits"].keepalive_expiry
    lanes = _Lanes(httpx, lambda: httpx.AsyncHTTPTransport(**options), expiry)
    return {"transport": lanes, **_client_options(httpx, settings)}


def sync_client_options(httpx: ModuleType, settings: HttpSettings) -> dict[str, Any]:
    """Arguments of a ``Client``, for libraries that make it themselves."""
    transport = httpx.HTTPTransport(**_options(httpx, settings))
    return {"transport": transport, **_client_options(httpx, settings)}


def _client_options(httpx: ModuleType, settings: HttpSettings) -> dict[str, Any]:
    logger = logging.getLogger(httpx.__name__)
    if logger.level == logging.NOTSET:
        # A line for each request would be most of a pool's log; an agent may set the level.
        logger.setLevel(logging.WARNING)
    # A thousand calls wait for their answers, not for each other: no limit for getting a place.
    timeout = httpx.Timeout(settings.read, connect=CONNECT_SECONDS, pool=None)
    # The environment is read here (`_proxy`); the client would make further transports of it.
    return {"timeout": timeout, "follow_redirects": True, "trust_env": False}


def _options(httpx: ModuleType, settings: HttpSettings) -> dict[str, Any]:
    tls = urlsplit(settings.url).scheme == "https"
    limits = httpx.Limits(
        max_connections=None,
        max_keepalive_connections=_IDLE,
        keepalive_expiry=_KEEP_TLS_SECONDS if tls else _KEEP_SECONDS,
    )
    proxy = _proxy(settings.url)
    trusted = tls or (proxy is not None and proxy.startswith("https:"))
    verify = _tls_context(httpx) if trusted else _no_tls_context()
    return {"verify": verify, "limits": limits, "proxy": proxy}


@cache
def _tls_context(httpx: ModuleType) -> Any:
    """The context that checks certificates; it is the same for all connections."""
    return httpx.create_ssl_context()


@cache
def _no_tls_context() -> Any:
    """A context that trusts nobody, and loads no certificates: for services without TLS."""
    import ssl  # noqa: PLC0415 (a client that uses it has it)

    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _proxy(url: str) -> str | None:
    """The proxy that the environment names for a URL."""
    from urllib.request import getproxies, proxy_bypass  # noqa: PLC0415 (httpx has it)

    parts = urlsplit(url)
    proxies = getproxies()
    found = proxies.get(parts.scheme) or proxies.get("all")
    if not found or proxy_bypass(parts.hostname or ""):
        return None
    return found if "://" in found else f"http://{found}"


class _Lane:
    """A small pool of connections."""

    __slots__ = ("is_open", "load", "transport", "used")

    def __init__(self, transport: Any) -> None:
        self.transport = transport
        self.load = 0
        self.is_open = True
        self.used = 0.0


class _Lanes:
    """A transport of many small pools.

    A request takes the pool that had room last, so those of busier times become idle, and are
    closed.
    """

    def __init__(self, httpx: ModuleType, make: Callable[[], Any], expiry: float) -> None:
        self._make = make
        self._expiry = expiry
        self._stream = _counted_stream(httpx)
        self._open: list[_Lane] = []
        """Those that have room, the one to use at the end."""
        self._all: set[_Lane] = set()
        self._next_look = 0.0

    async def handle_async_request(self, request: Any) -> Any:
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + self._expiry
            await self._close_idle(now - self._expiry)
        lane = self._take()
        try:
            response = await lane.transport.handle_async_request(request)
        except BaseException:
            self._release(lane)
            raise
        response.stream = self._stream(response.stream, lambda: self._release(lane))
        return response

    def _take(self) -> _Lane:
        while self._open and self._open[-1].load >= _WIDTH:
            self._open.pop().is_open = False
        if not self._open:
            lane = _Lane(self._make())
            self._open.append(lane)
            self._all.add(lane)
        self._open[-1].load += 1
        return self._open[-1]

    def _release(self, lane: _Lane) -> None:
        lane.load -= 1
        lane.used = time.monotonic()
        if not lane.is_open:
            lane.is_open = True
            self._open.append(lane)

    async def _close_idle(self, since: float) -> None:
        idle = [lane for lane in self._open[:-1] if lane.load == 0 and lane.used < since]
        for lane in idle:
            self._open.remove(lane)
            self._all.discard(lane)
        for lane in idle:
            await lane.transport.aclose()

    async def aclose(self) -> None:
        lanes, self._all = self._all, set()
        self._open.clear()
        for lane in lanes:
            await lane.transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


@cache
def _counted_stream(httpx: ModuleType) -> Any:
    """The class of an answer's body that reports its end: httpx wants a subclass of its own."""
    base: Any = httpx.AsyncByteStream

    class Counted(base):  # type: ignore[misc]  # its base is of one of two libraries
        def __init__(self, stream: Any, ended: Callable[[], None]) -> None:
            self._stream = stream
            self._ended: Callable[[], None] | None = ended

        async def __aiter__(self) -> AsyncIterator[bytes]:
            async for part in self._stream:
                yield part

        async def aclose(self) -> None:
            try:
                await self._stream.aclose()
            finally:
                ended, self._ended = self._ended, None
                if ended is not None:
                    ended()

    return Counted
