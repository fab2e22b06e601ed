"""The limiter: a pure machine that grants permits to the calls of all workers.

A call waits in the queue of its first route that is not out of order: one whose breaker is open,
or whose budget is used up, is passed over while there is another. It is granted when rate,
concurrency and budgets allow it. A call whose budget may be used up by others under way waits for
their end; one whose budget is used up is refused.

Events go in with the present time, replies come out of `replies`; `next_moment` is when `turn` has
something to do again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from ...agent.limits.settings import JOB, NO_LIMITS
from ...worker.metering.measures import FixedHistogram
from ...worker.metering.shapes import MEASURES, SECOND
from .asks import Absent, AskQueue
from .budgets import Budgets
from .circuit_breaker import LIMITED, OVERLOADED, UNAVAILABLE, CircuitBreaker
from .window import SlidingWindow

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping

    from ...agent.limits.settings import Limit, Limits
    from ...store.records.usage import Use
    from .asks import Ask, AskedRoute

__all__ = ["FAILED_FOR_NOW", "SUSPENDED", "Grant", "Limiter", "Refusal", "Reply", "Wait"]

UNUSED: Final = "unused"
"""What a worker reports of a permit that it has not used, and of a call that is withdrawn."""
SUSPENDED: Final = "suspended"
"""What a worker reports of a call whose run is suspended: it will be back."""
FAILED_FOR_NOW: Final = frozenset({LIMITED, OVERLOADED, UNAVAILABLE})
_EARLY: Final = 0.8
"""The share of an expected wait after which a call is back: better early than late."""
_SHORT: Final = 1.0
"""Seconds; a wait that is shorter is exact."""
_LONGEST_HINT: Final = 300.0
"""Seconds after which a call is back in any case: limits may have changed, or what is used."""
_NEW: Final = 0.1
"""The weight of the last call in what calls have used lately."""
_PROBE_SECONDS: Final = 1.0
_MOST_KEYS: Final = 100_000
"""Windows of keys that are kept at most; those that are empty are dropped then."""


class Grant(NamedTuple):
    """A call may be made, by one of its routes."""

    worker: Hashable
    number: int
    route: AskedRoute
    key: str


class Wait(NamedTuple):
    """A call may be made at that moment, about."""

    worker: Hashable
    number: int
    until: float
    is_queued: bool
    """Whether the permit comes by itself; else it is to be asked for again."""


class Refusal(NamedTuple):
    """A call must not be made: this budget is used up."""

    worker: Hashable
    number: int
    limit: str


Reply = Grant | Wait | Refusal


class Counted(NamedTuple):
    """What was counted of a grant in one window."""

    window: SlidingWindow
    entry: list[float]
    is_tokens: bool


class Gate:
    """The state of one limit."""

    __slots__ = (
        "absent",
        "active",
        "average",
        "breaker",
        "granted",
        "limit",
        "queue",
        "requests",
        "tokens",
        "waited",
    )

    def __init__(self, limit: Limit) -> None:
        self.queue = AskQueue()
        self.absent = Absent()
        self.breaker = CircuitBreaker()
        self.requests: SlidingWindow | None = None
        self.tokens: SlidingWindow | None = None
        self.active = 0
        """Calls under way."""
        self.granted = 0
        self.waited = FixedHistogram(MEASURES["action_ns"])
        """For how long calls that were granted have waited."""
        self.average: float | None = None
        """The tokens that calls have used lately; None if that is not known."""
        self.change(limit)

    def change(self, limit: Limit) -> None:
        """Set other limits; what was granted counts."""
        self.limit = limit
        self.requests = _changed(self.requests, limit.requests_per_minute)
        self.tokens = _changed(self.tokens, limit.tokens_per_minute)

    def free_at(self, tokens: int, now: float) -> float:
        """When rates allow a call."""
        moment = now
        if self.requests is not None:
            moment = self.requests.free_at(1, now)
        if self.tokens is not None:
            moment = max(moment, self.tokens.free_at(tokens, now, self.average))
        return moment

    def add(self, tokens: int, now: float) -> list[Counted]:
        """Count a grant; returns what can be corrected."""
        counted = []
        if self.requests is not None:
            counted.append(Counted(self.requests, self.requests.add(1, now), is_tokens=False))
        if self.tokens is not None:
            entry = self.tokens.add(tokens, now, self.average)
            counted.append(Counted(self.tokens, entry, is_tokens=True))
        return counted

    def observe(self, tokens: int) -> None:
        """A call has used so many tokens."""
        before = tokens if self.average is None else self.average
        self.average = before + (tokens - before) * _NEW

    @property
    def pause(self) -> float:
        """Seconds from one grant to the next, on average."""
        pauses = [0.0]
        if self.requests is not None:
            pauses.append(self.requests.seconds / self.requests.limit)
        if self.tokens is not None and (first := self.queue.first()) is not None:
            tokens = first.routes[0].tokens if self.average is None else self.average
            tokens = min(tokens, self.tokens.limit)
            pauses.append(self.tokens.seconds * tokens / self.tokens.limit)
        return max(pauses)


class _Held(NamedTuple):
    """A permit that was granted, and whose call has not ended."""

    limit: str
    gate: Gate
    counted: list[Counted]


class Limiter:
    """Grants permits; see the module's text.

    Attributes:
        replies: what is to be sent to workers; the caller takes it.
        budgets: what calls have used.
    """

    def __init__(self, limits: Limits = NO_LIMITS, shards: int = 1) -> None:
        self.limits = limits
        self.budgets = Budgets(shards)
        self.replies: list[Reply] = []
        self._gates: dict[str, Gate] = {}
        self._keys: dict[tuple[str, str], Gate] = {}
        self._held: dict[tuple[Hashable, int], _Held] = {}

    def configure(self, limits: Limits) -> None:
        """Set other limits; what was granted and used counts."""
        self.limits = limits
        for name, gate in self._gates.items():
            gate.change(limits.limit(name))
        for (name, _), gate in self._keys.items():
            gate.change(limits.limit_of_key(name))

    @property
    def gates(self) -> Mapping[str, Gate]:
        """The limits under which calls were made."""
        return self._gates

    def has_rate(self, name: str) -> bool:
        """Whether grants under a limit count for a minute."""
        limit, of_key = self.limits.limit(name), self.limits.limit_of_key(name)
        return bool(
            limit.requests_per_minute
            or limit.tokens_per_minute
            or of_key.requests_per_minute
            or of_key.tokens_per_minute
        )

    def gate(self, name: str) -> Gate:
        """The state of a limit."""
        known = self._gates.get(name)
        if known is None:
            known = self._gates[name] = Gate(self.limits.limit(name))
        return known

    def restore(self, name: str, key: str, tokens: int, moment: float) -> None:
        """Count a grant of an earlier launcher; in the order of their moments."""
        self.gate(name).add(tokens, moment)
        if key and (gate := self._key_gate(name, key)) is not None:
            gate.add(tokens, moment)

    # -- what workers report ------------------------------------------------------------------

    def ask(self, ask: Ask, now: float) -> None:
        """A call waits for a permit: it is granted, refused, or queued and given a moment."""
        self._place(ask, now)
        self.turn(now)

    def end(
        self, call: tuple[Hashable, int], outcome: str, used: Use, retry: float | None, now: float
    ) -> None:
        """A call has ended, or is withdrawn.

        Args:
            call: the worker, and its number there.
            outcome: "done", `UNUSED`, `SUSPENDED`, one of `FAILED_FOR_NOW`, or anything else for a
                failure that shows nothing about the service.
            used: what it has used.
            retry: the seconds that the service has named.
            now: the time.
        """
        held = self._held.pop(call, None)
        if held is None:
            for gate in self._gates.values():
                ask = gate.queue.remove(*call)
                if ask is not None:
                    if outcome == SUSPENDED:
                        gate.absent.add(ask.since, ask.expected)
                    break
            return
        gate = held.gate
        gate.active -= 1
        self.budgets.release(call)
        if outcome == "done":
            self.budgets.observe(held.limit, used)
            gate.observe(used.tokens)
            gate.breaker.succeeded(call)
            for window, entry, is_tokens in held.counted:
                if is_tokens:
                    window.correct(entry, used.tokens, now)
        elif outcome in FAILED_FOR_NOW:
            gate.breaker.failed(call, outcome, retry, now)
            if not gate.breaker.is_closed:
                self._place_again(gate, now)
        else:
            gate.breaker.ended(call)
            for window, entry, _ in held.counted if outcome == UNUSED else ():
                window.correct(entry, 0, now)

    def remove_worker(self, worker: Hashable) -> None:
        """A worker has ended; what its calls may have used stays reserved."""
        for gate in self._gates.values():
            gate.queue.remove_worker(worker)
        for call in [call for call in self._held if call[0] == worker]:
            held = self._held.pop(call)
            held.gate.active -= 1
            held.gate.breaker.ended(call)

    def announce(self, shard: int, used: Mapping[str, Iterable[int]]) -> None:
        """A worker has acquired a shard, in which so much was used."""
        self.budgets.announce(shard, used)

    def report(self, shard: int, used: Mapping[str, Iterable[int]]) -> None:
        """So much was used in a shard."""
        self.budgets.report(shard, used)

    # -- queues -------------------------------------------------------------------------------

    def _place(self, ask: Ask, now: float) -> None:
        """Put a call into the queue of its first route that is in order."""
        routes = ask.routes
        if self.budgets.is_complete:
            if self.budgets.is_used_up(JOB, self.limits):
                self.replies.append(Refusal(ask.worker, ask.number, JOB))
                return
            routes = [r for r in routes if not self.budgets.is_used_up(r.limit, self.limits)]
            if not routes:
                self.replies.append(Refusal(ask.worker, ask.number, ask.routes[0].limit))
                return
        if len(routes) > 1:
            moments = [self.gate(route.limit).breaker.pass_at(now) for route in routes]
            best = next((i for i, moment in enumerate(moments) if moment <= now), None)
            if best is None:
                best = moments.index(min(moments))
            routes = [routes[best], *routes[:best], *routes[best + 1 :]]
        ask.routes = routes
        gate = self.gate(routes[0].limit)
        gate.absent.remove(ask.since)
        ahead = gate.queue.add(ask) + gate.absent.before(ask.since, now)
        self.replies.append(self._expected(ask, gate, ahead, now))

    def _expected(self, ask: Ask, gate: Gate, ahead: int, now: float) -> Wait:
        moment = max(gate.free_at(ask.routes[0].tokens, now) - now, ahead * gate.pause)
        moment = min(moment, _LONGEST_HINT)
        passes = gate.breaker.pass_at(now)
        if passes == float("inf"):
            passes = now + _PROBE_SECONDS
        ask.expected = max(now + moment, passes)
        until = max(now + (moment if moment <= _SHORT else _EARLY * moment), passes)
        return Wait(ask.worker, ask.number, until, is_queued=True)

    def _place_again(self, gate: Gate, now: float) -> None:
        """Find other routes for what waits for a connection that is out of order."""
        if any(len(ask.routes) > 1 for ask in gate.queue):
            for ask in gate.queue.clear():
                ask.routes.sort()
                self._place(ask, now)

    # -- grants -------------------------------------------------------------------------------

    def turn(self, now: float) -> None:
        """Grant all permits that can be granted now."""
        for gate in list(self._gates.values()):
            if gate.queue:
                self._grant(gate, now)

    def next_moment(self, now: float) -> float | None:
        """When a call that waits can be granted; None if that takes another event."""
        moments = []
        for gate in self._gates.values():
            first = gate.queue.first()
            if first is None or self._is_held_up(gate, first):
                continue
            moment = max(gate.breaker.pass_at(now), gate.free_at(first.routes[0].tokens, now))
            if moment != float("inf"):
                moments.append(moment)
        return min(moments, default=None)

    def _is_held_up(self, gate: Gate, ask: Ask) -> bool:
        """Whether a call waits for others to end."""
        limit = gate.limit
        if limit.concurrency and gate.active >= limit.concurrency:
            return True
        names = [name for name in (ask.routes[0].limit, JOB) if self.limits.limit(name).is_budget]
        if not names:
            return False
        return not self.budgets.is_complete or any(
            self.budgets.may_be_used_up(name, self.limits)
            and not self.budgets.is_used_up(name, self.limits)
            for name in names
        )

    def _grant(self, gate: Gate, now: float) -> None:
        while (ask := gate.queue.first()) is not None:
            route = ask.routes[0]
            if self.budgets.is_complete and any(
                self.budgets.is_used_up(name, self.limits) for name in (route.limit, JOB)
            ):
                self._place(gate.queue.pop(), now)
                continue
            if self._is_held_up(gate, ask) or gate.breaker.pass_at(now) > now:
                return
            if gate.free_at(route.tokens, now) > now:
                return
            gate.queue.pop()
            key_gate = self._key_gate(route.limit, ask.key)
            if key_gate is not None and (free := key_gate.free_at(route.tokens, now)) > now:
                self.replies.append(Wait(ask.worker, ask.number, free, is_queued=False))
                continue
            self._give(gate, key_gate, ask, now)

    def _give(self, gate: Gate, key_gate: Gate | None, ask: Ask, now: float) -> None:
        route = ask.routes[0]
        counted = gate.add(route.tokens, now)
        if key_gate is not None:
            counted += key_gate.add(route.tokens, now)
        gate.breaker.begin(ask.call)
        gate.active += 1
        gate.granted += 1
        gate.waited.add(round(max(0.0, now - ask.since) * SECOND))
        self._held[ask.call] = _Held(route.limit, gate, counted)
        self.budgets.reserve(ask.call, ask.shard, (route.limit, JOB), route.tokens, route.money)
        self.replies.append(Grant(ask.worker, ask.number, route, ask.key))

    def _key_gate(self, name: str, key: str) -> Gate | None:
        """The rates of one key under a limit; None if keys have none."""
        limit = self.limits.limit_of_key(name)
        if not key or not limit.is_rate:
            return None
        known = self._keys.get((name, key))
        if known is None:
            if len(self._keys) >= _MOST_KEYS:
                self._drop_empty_keys()
            known = self._keys[name, key] = Gate(limit)
        return known

    def _drop_empty_keys(self) -> None:
        for place, gate in list(self._keys.items()):
            if not any(w is not None and w.used for w in (gate.requests, gate.tokens)):
                del self._keys[place]


def _changed(window: SlidingWindow | None, limit: int) -> SlidingWindow | None:
    if not limit:
        return None
    if window is None:
        return SlidingWindow(limit)
    window.change(limit)
    return window
