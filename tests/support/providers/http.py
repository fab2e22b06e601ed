"""An HTTP server of one thread: an asyncio protocol that parses, asks a handler, and answers.

It knows no provider. What a handler returns says how the answer is sent: whole, in chunks with
pauses, cut off in the middle, or never.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, cast

REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
    529: "Overloaded",
}


class Request(NamedTuple):
    """A request as it came."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    """By names in lower case."""
    body: bytes


@dataclass(frozen=True)
class Response:
    """An answer, and how it is sent."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    chunks: tuple[bytes, ...] | None = None
    """In place of a body: a stream."""
    delay: float = 0
    """Seconds before the first byte."""
    pause: float = 0
    """Seconds between two chunks."""
    keep: int | None = None
    """How many chunks (of a body: bytes) are sent before `then` happens; None for all."""
    then: str = "cut"
    """What follows a part: "cut" the connection, or "hang"."""
    hang: bool = False
    """Whether there is never an answer."""
    refuse: bool = False
    """Whether the connection is closed in place of an answer."""


Handler = Callable[[Request], Response]


@dataclass
class Connections:
    """How many connections clients have opened, and have open now."""

    opened: int = 0
    now: int = 0
    together: int = 0
    """If not 0, so many requests are answered at the same moment, however slowly they come."""
    _held: list[Callable[[], None]] = field(default_factory=list)

    def hold(self, answer: Callable[[], None]) -> None:
        """Answer a request when enough others have come."""
        self._held.append(answer)
        if len(self._held) >= self.together:
            held, self._held = self._held, []
            for each in held:
                each()


class Connection(asyncio.Protocol):
    """One client's connection: a request at a time, kept alive."""

    def __init__(
        self, handler: Handler, loop: asyncio.AbstractEventLoop, counts: Connections
    ) -> None:
        self._handler = handler
        self._loop = loop
        self._counts = counts
        self._buffer = b""
        self._busy = False
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._counts.opened += 1
        self._counts.now += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self._counts.now -= 1
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._next()

    def _next(self) -> None:
        """Answer the next request, if it is here and none is being answered."""
        if self._busy:
            return
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        line, *lines = head.decode("latin-1").split("\r\n")
        headers = {}
        for each in lines:
            name, _, value = each.partition(":")
            headers[name.lower()] = value.strip()
        if headers.get("transfer-encoding", "").lower() == "chunked":
            parts = _dechunked(rest)
            if parts is None:
                return
            body, self._buffer = parts
        else:
            length = int(headers.get("content-length", 0))
            if len(rest) < length:
                return
            body, self._buffer = rest[:length], rest[length:]
        method, target, *_ = line.split(" ")
        path, _, query = target.partition("?")
        self._busy = True
        response = self._handler(Request(method, path, query, headers, body))
        if response.hang:
            return
        if self._counts.together:
            self._counts.hold(partial(self._answer, response))
        elif response.delay > 0:
            self._timer = self._loop.call_later(response.delay, self._answer, response)
        else:
            self._answer(response)

    def _answer(self, response: Response) -> None:
        if response.refuse:
            self._transport.close()
            return
        reason = REASONS.get(response.status, "Status")
        lines = [f"HTTP/1.1 {response.status} {reason}", f"content-type: {response.content_type}"]
        lines += [f"{name}: {value}" for name, value in response.headers.items()]
        if response.chunks is not None:
            lines.append("transfer-encoding: chunked")
            self._transport.write("\r\n".join(lines).encode() + b"\r\n\r\n")
            self._stream(response, 0)
            return
        lines.append(f"content-length: {len(response.body)}")
        head = "\r\n".join(lines).encode() + b"\r\n\r\n"
        if response.keep is not None:
            self._transport.write(head + response.body[: response.keep])
            self._break_off(response)
            return
        self._transport.write(head + response.body)
        self._done()

    def _stream(self, response: Response, index: int) -> None:
        chunks = response.chunks or ()
        while index < len(chunks):
            if index == response.keep:
                self._break_off(response)
                return
            chunk = chunks[index]
            self._transport.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            index += 1
            if response.pause > 0 and index < len(chunks):
                self._timer = self._loop.call_later(response.pause, self._stream, response, index)
                return
        self._transport.write(b"0\r\n\r\n")
        self._done()

    def _break_off(self, response: Response) -> None:
        if response.then == "cut":
            self._transport.close()

    def _done(self) -> None:
        self._busy = False
        if self._buffer:
            self._next()


def _dechunked(data: bytes) -> tuple[bytes, bytes] | None:
    """Return a body sent in chunks, and what follows it; None if it has not come whole."""
    body = b""
    while True:
        size, found, rest = data.partition(b"\r\n")
        if not found:
            return None
        length = int(size.split(b";")[0], 16)
        if len(rest) < length + 2:
            return None
        if length == 0:
            return body, rest[2:]
        body, data = body + rest[:length], rest[length + 2 :]
