"""What a worker asks its launcher for when calls have limits, and what becomes of it.

All that is asked for in one turn of the event loop, and all that has ended, goes in one message.
Moments here are those of `clock.steady`, which both sides share.
"""

from __future__ import annotations

import asyncio
import threading
from itertools import count
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ...store import clock
from ...store.records.usage import NO_USE
from .. import wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...store.records.usage import Use

__all__ = ["USE_WITHIN", "Permit", "PermitExpiredError", "PermitRequest", "PermitRequests"]

USE_WITHIN: Final = 1.0
"""Seconds within which a permit is used; then it is returned."""
_LONGEST_HINT: Final = 1.0


class PermitExpiredError(BaseException):
    """A permit was not used in time: the attempt has not been made. No outcome of a call."""


class Permit(NamedTuple):
    """The permission to make one attempt."""

    route: int
    granted: float

    @property
    def is_valid(self) -> bool:
        """Whether it may still be used."""
        return clock.steady() - self.granted <= USE_WITHIN


class PermitRequest:
    """One request for a permit. It has ended when it has a permit or a refusal."""

    __slots__ = ("answered", "body", "final", "is_queued", "number", "permit", "refusal", "until")

    def __init__(self, number: int, body: list[Any], loop: asyncio.AbstractEventLoop) -> None:
        self.number = number
        self.body = body
        self.answered: asyncio.Future[None] = loop.create_future()
        """Done with the launcher's first reply."""
        self.final: asyncio.Future[None] = loop.create_future()
        """Done when it has ended."""
        self.permit: Permit | None = None
        self.refusal: str = ""
        """The limit whose budget is used up."""
        self.until = 0.0
        """When a permit is expected."""
        self.is_queued = True
        """Whether it need not be asked for again."""

    @property
    def moment(self) -> float:
        """When a permit is expected, in seconds since the epoch."""
        return clock.now() + max(0.0, self.until - clock.steady())

    def expect_later(self) -> None:
        """Expect a permit some time from now: the moment that was expected has passed."""
        self.until = max(self.until, clock.steady() + _LONGEST_HINT)

    def end(self, permit: Permit | None, refusal: str = "") -> None:
        """End it."""
        self.permit, self.refusal = permit, refusal
        for future in (self.answered, self.final):
            if not future.done():
                future.set_result(None)

    def wait(self, until: float, *, is_queued: bool) -> None:
        """Expect a permit at a moment."""
        self.until, self.is_queued = until, is_queued
        if not self.answered.done():
            self.answered.set_result(None)


class PermitRequests:
    """The requests of one worker, which are sent together.

    Attributes:
        receive_now: receives the launcher's replies while the loop stands still, until it is told
            that there is the one, or for so many seconds; set by the worker.
    """

    def __init__(self, send: Callable[[bytes], None], loop: asyncio.AbstractEventLoop) -> None:
        self._send = send
        self._loop = loop
        self._thread: int | None = None
        self._numbers = count(1)
        self._asks: dict[int, list[Any]] = {}
        self._ends: list[list[Any]] = []
        self._usage: dict[str, dict[str, list[int]]] = {}
        self._open: dict[int, PermitRequest] = {}
        self._is_scheduled = False
        self.receive_now: Callable[[Callable[[], bool], float], None] = lambda *_: None

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop on whose thread all of this happens."""
        return self._loop

    def bind(self) -> None:
        """Belong to the present thread: that of the loop."""
        self._thread = threading.get_ident()

    @property
    def is_own_thread(self) -> bool:
        """Whether the caller is on the loop's thread."""
        return threading.get_ident() == self._thread

    def ask(
        self, shard: int, routes: list[tuple[int, str, int, int]], key: str, since: float
    ) -> PermitRequest:
        """Ask for a permit.

        Args:
            shard: that of the call's key.
            routes: number, limit, tokens and price of each, in order of preference.
            key: names the key, if it has a rate of its own.
            since: when the call was first asked for.
        """
        number = next(self._numbers)
        request = PermitRequest(number, [number, shard, since, key, routes], self._loop)
        self._open[number] = request
        self._asks[number] = request.body
        self._schedule()
        return request

    def end(
        self,
        request: PermitRequest,
        outcome: str,
        use: Use = NO_USE,
        retry_after: float | None = None,
    ) -> None:
        """Report what came of a request: whether it is withdrawn, unused, done or failed."""
        if not self.is_own_thread:
            self._loop.call_soon_threadsafe(self.end, request, outcome, use, retry_after)
            return
        is_sent = self._asks.pop(request.number, None) is None
        is_known = request.permit is not None or (request.is_queued and not request.refusal)
        if is_sent and is_known:  # to the launcher
            self._ends.append([request.number, outcome, retry_after, *use])
            self._schedule()
        self._open.pop(request.number, None)

    def report_usage(self, shard: int, totals: dict[str, list[int]]) -> None:
        """Report what calls of a shard have used in all, with the next message."""
        self._usage[str(shard)] = totals
        self._schedule()

    def _schedule(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Send what has gathered."""
        self._is_scheduled = False
        if self._asks or self._ends or self._usage:
            asks = list(self._asks.values())
            body = {"asks": asks, "ends": self._ends, "usage": self._usage}
            self._asks, self._ends, self._usage = {}, [], {}
            self._send(wire.pack(wire.ADMIT, body))

    def receive(self, body: dict[str, Any]) -> None:
        """Process the launcher's replies."""
        for number, route, granted in body["grants"]:
            request = self._open.get(number)
            if request is not None:
                request.end(Permit(route, granted))
        for number, until, is_queued in body["waits"]:
            request = self._open.get(number)
            if request is not None and request.permit is None:
                request.wait(until, is_queued=bool(is_queued))
        for number, name in body["refusals"]:
            request = self._open.pop(number, None)
            if request is not None:
                request.end(None, name)
