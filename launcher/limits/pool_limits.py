"""The limits of a pool: what workers ask for goes into the limiter, and its replies to them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from ...agent.limits.prices import NANO
from ...store import clock
from ...store.records.usage import Use
from ...worker import wire
from .asks import Ask, AskedRoute
from .grant_log import GrantLog
from .limiter import Grant, Limiter, Refusal, Wait

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from ...agent.limits.settings import Limits
    from ..connection.transport import WorkerTransport
    from ..workers.registry import WorkerHandle
    from .limiter import Reply

__all__ = ["PoolLimits"]

_LONGEST: Final = 86_400.0


class PoolLimits:
    """The limits of one pool, over all of its workers."""

    def __init__(self, limits: Limits, shards: int, log: Path, transport: WorkerTransport) -> None:
        """`log` is the file of grants.

        Raises:
            StoreError: it cannot be read or written.
        """
        self._limiter = Limiter(limits, shards)
        self._transport = transport
        self._log = GrantLog(log)
        for moment, name, key, tokens in self._log.recent:
            self._limiter.restore(name, key, tokens, moment)
        self._is_used = False

    def configure(self, limits: Limits) -> None:
        """Set other limits, from now on."""
        self._limiter.configure(limits)

    def admit(self, worker: WorkerHandle, body: dict[str, Any]) -> None:
        """Process a message of a worker, which was checked."""
        now = clock.steady()
        limiter = self._limiter
        self._is_used = True
        for shard, used in body["usage"].items():
            limiter.report(int(shard), used)
        for number, outcome, retry, *used in body["ends"]:
            limiter.end((worker.identity, number), outcome, Use(*used), retry, now)
        for number, shard, since, key, routes in body["asks"]:
            asked = [AskedRoute(*route) for route in routes]
            limiter.ask(Ask(min(since, now), number, worker.identity, shard, key, asked), now)
        self.turn()

    def announce(self, shards: Iterable[int], usage: Mapping[str, Any]) -> None:
        """A worker has acquired shards, in which calls have used so much."""
        for shard in shards:
            self._limiter.announce(shard, usage.get(str(shard), {}))

    def remove_worker(self, identity: bytes) -> None:
        """A worker has ended."""
        self._limiter.remove_worker(identity)

    def turn(self) -> None:
        """Grant what can be granted now, and send all replies.

        Raises:
            StoreError: the grants cannot be written to their log.
        """
        if not self._is_used:
            return
        now = clock.steady()
        self._limiter.turn(now)
        replies, self._limiter.replies = self._limiter.replies, []
        if not replies:
            return
        grants = [
            reply
            for reply in replies
            if isinstance(reply, Grant) and self._limiter.has_rate(reply.route.limit)
        ]
        if grants:
            self._log.append(grants, now)
        for identity, body in _bodies(replies, now).items():
            self._transport.send(identity, wire.pack(wire.PERMITS, body))

    @property
    def pause(self) -> float | None:
        """Seconds until something can be granted; None if that takes another message."""
        if not self._is_used:
            return None
        now = clock.steady()
        moment = self._limiter.next_moment(now)
        return None if moment is None else max(0.0, moment - now)

    def describe(self) -> dict[str, Any]:
        """What was granted and used, and what waits, by limit."""
        return {
            name: {
                "granted": gate.granted,
                "waiting": len(gate.queue),
                "active": gate.active,
                "breaker": gate.breaker.state,
                "opened": gate.breaker.opened,
                "tokens": self._limiter.budgets.used(name)[0],
                "spent": self._limiter.budgets.used(name)[1] / NANO,
                "waited": gate.waited.snapshot(),
            }
            for name, gate in self._limiter.gates.items()
        }

    def close(self) -> None:
        """Close the log."""
        self._log.close()


def _bodies(replies: list[Reply], now: float) -> dict[bytes, dict[str, Any]]:
    """The replies to each worker."""
    decided = {(reply.worker, reply.number) for reply in replies if not isinstance(reply, Wait)}
    bodies: dict[bytes, dict[str, Any]] = {}
    for reply in replies:
        assert isinstance(reply.worker, bytes)  # noqa: S101 (see `admit`)
        body = bodies.setdefault(reply.worker, {"grants": [], "waits": [], "refusals": []})
        if isinstance(reply, Grant):
            body["grants"].append([reply.number, reply.route.number, now])
        elif isinstance(reply, Wait):
            if (reply.worker, reply.number) in decided:
                continue
            until = reply.until if math.isfinite(reply.until) else now + _LONGEST
            body["waits"].append([reply.number, until, reply.is_queued])
        elif isinstance(reply, Refusal):
            body["refusals"].append([reply.number, reply.limit])
    return bodies
