"""The limiter under any events in any order: rates, concurrency, budgets, breakers, replies."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from support.profiles import examples
from tamias.agent.limits.settings import JOB, Limits
from tamias.launcher.limits.asks import Ask, AskedRoute
from tamias.launcher.limits.limiter import Grant, Limiter, Refusal, Wait
from tamias.store.records.usage import NO_USE, Use

LIMITS = Limits.of(
    {
        "limits.main.requests-per-minute": 30,
        "limits.main.concurrency": 4,
        "limits.main.budget-tokens": 2000,
        "limits.main.per-key.requests-per-minute": 6,
        "limits.spare.tokens-per-minute": 1000,
        "limits.job.budget-tokens": 3000,
    }
)
SHARDS = 3
ROUTES = {
    "main": ["main"],
    "spare": ["spare"],
    "both": ["main", "spare"],
    "free": ["other"],
}
Call = tuple[str, int]


class LimiterMachine(RuleBasedStateMachine):
    """Workers that ask, end and die, launchers that die, and what a server sees."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.numbers = itertools.count(1)
        self.limiter = Limiter(LIMITS, SHARDS)
        self.log: list[tuple[float, Grant]] = []
        self.waiting: dict[Call, Ask] = {}
        self.granted: dict[Call, tuple[Grant, int]] = {}
        """With the shard."""
        self.used = [{"main": [0, 0], "spare": [0, 0], JOB: [0, 0]} for _ in range(SHARDS)]
        """As recorded in the shards."""
        self.committed: set[int] = set()
        self.workers = {f"w{shard}.0": shard for shard in range(SHARDS)}
        self.unknown = set(range(SHARDS))
        self.announce_all()

    def announce_all(self) -> None:
        for shard in sorted(self.unknown):
            self.limiter.announce(shard, self.used[shard])
        self.unknown.clear()

    def total(self, name: str) -> int:
        return sum(shard[name][0] for shard in self.used if name in shard)

    def take_replies(self) -> None:
        replies, self.limiter.replies = self.limiter.replies, []
        for reply in replies:
            call: Any = (reply.worker, reply.number)
            if isinstance(reply, Wait):
                assert call in self.waiting
                assert reply.until >= self.now
                if not reply.is_queued:
                    del self.waiting[call]
                continue
            ask = self.waiting.pop(call)
            if isinstance(reply, Refusal):
                assert self.total(reply.limit) >= LIMITS.limit(reply.limit).budget_tokens  # type: ignore[operator]
                continue
            self.log.append((self.now, reply))
            self.check_grant(ask, reply)
            self.granted[call] = reply, ask.shard

    def check_grant(self, ask: Ask, grant: Grant) -> None:
        """A grant is within budgets, whatever is under way."""
        assert grant.route in ask.routes
        assert not self.unknown, "the job has a budget, and what was used is not known"
        for name in (grant.route.limit, JOB):
            budget = LIMITS.limit(name).budget_tokens
            if budget is not None:
                in_flight = sum(
                    held.route.tokens
                    for held, _ in self.granted.values()
                    if name in (held.route.limit, JOB)
                )
                assert self.total(name) + in_flight < budget

    # -- events -------------------------------------------------------------------------------

    @rule(
        worker=st.integers(0, SHARDS - 1),
        routes=st.sampled_from(sorted(ROUTES)),
        tokens=st.integers(1, 300),
        key=st.sampled_from(["", "k1", "k2"]),
    )
    def ask(self, worker: int, routes: str, tokens: int, key: str) -> None:
        name = self.name_of(worker)
        number = next(self.numbers)
        asked = [AskedRoute(n, limit, tokens, 0) for n, limit in enumerate(ROUTES[routes])]
        ask = Ask(self.now, number, name, worker, key, asked)
        self.waiting[name, number] = ask
        self.limiter.ask(ask, self.now)
        self.take_replies()

    def name_of(self, shard: int) -> str:
        return next(name for name, own in self.workers.items() if own == shard)

    @rule(seconds=st.floats(0.001, 100.0))
    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        for _ in range(1000):
            moment = self.limiter.next_moment(self.now)
            if moment is None or moment > end:
                break
            self.now = max(self.now, moment)
            self.limiter.turn(self.now)
            self.take_replies()
        else:
            raise AssertionError("the limiter asks to be called for nothing")
        self.now = end

    @precondition(lambda self: self.granted)
    @rule(
        data=st.data(),
        outcome=st.sampled_from(["done", "done", "limited", "unavailable", "failed", "unused"]),
        tokens=st.integers(0, 400),
        retry=st.sampled_from([None, 0.0, 5.0]),
    )
    def end(self, data: Any, outcome: str, tokens: int, retry: float | None) -> None:
        call = data.draw(st.sampled_from(sorted(self.granted)))
        grant, shard = self.granted.pop(call)
        if outcome == "done":
            self.commit(grant, shard, tokens)
            self.limiter.report(shard, self.used[shard])
        elif outcome == "unused":
            self.log = [entry for entry in self.log if entry[1] is not grant]
        self.limiter.end(call, outcome, Use(tokens, 0), retry, self.now)
        self.limiter.turn(self.now)
        self.take_replies()

    def commit(self, grant: Grant, shard: int, tokens: int) -> None:
        for name in (grant.route.limit, JOB):
            self.used[shard].setdefault(name, [0, 0])[0] += tokens

    @precondition(lambda self: self.waiting)
    @rule(data=st.data(), outcome=st.sampled_from(["unused", "suspended"]))
    def withdraw(self, data: Any, outcome: str) -> None:
        call = data.draw(st.sampled_from(sorted(self.waiting)))
        del self.waiting[call]
        self.limiter.end(call, outcome, NO_USE, None, self.now)
        self.limiter.turn(self.now)
        self.take_replies()

    @rule(shard=st.integers(0, SHARDS - 1), data=st.data())
    def kill_worker(self, shard: int, data: Any) -> None:
        """Some of its calls are on record, and not reported."""
        name = self.name_of(shard)
        for call in [call for call in self.granted if call[0] == name]:
            grant, _ = self.granted[call]
            if data.draw(st.booleans()):
                self.commit(grant, shard, grant.route.tokens)
                del self.granted[call]
        for call in [call for call in self.waiting if call[0] == name]:
            del self.waiting[call]
        self.limiter.remove_worker(name)
        self.limiter.turn(self.now)
        self.take_replies()
        # The successor announces what is on record.
        for call in [call for call in self.granted if call[0] == name]:
            del self.granted[call]
        del self.workers[name]
        self.workers[f"w{shard}.{next(self.numbers)}"] = shard
        self.limiter.announce(shard, self.used[shard])
        self.unknown.discard(shard)
        self.limiter.turn(self.now)
        self.take_replies()

    @rule(left=st.sets(st.integers(0, SHARDS - 1)))
    def kill_launcher(self, left: set[int]) -> None:
        """Everything ends; some shards are announced later."""
        self.waiting.clear()
        self.granted.clear()
        self.limiter = Limiter(LIMITS, SHARDS)
        for moment, grant in self.log:
            self.limiter.restore(grant.route.limit, grant.key, grant.route.tokens, moment)
        self.workers = {f"w{shard}.{next(self.numbers)}": shard for shard in range(SHARDS)}
        self.unknown = set(range(SHARDS))
        for shard in sorted(self.unknown - left):
            self.limiter.announce(shard, self.used[shard])
            self.unknown.discard(shard)

    @precondition(lambda self: self.unknown)
    @rule()
    def announce_rest(self) -> None:
        self.announce_all()
        self.limiter.turn(self.now)
        self.take_replies()

    # -- what holds ---------------------------------------------------------------------------

    @invariant()
    def no_window_has_more_than_allowed(self) -> None:
        main = [moment for moment, grant in self.log if grant.route.limit == "main"]
        # A permit is used within 1.2 s: grants within 61.2 s may arrive within 60.
        for first, beyond in zip(main, main[30:], strict=False):
            assert beyond - first > 61.1
        for key in ("k1", "k2"):
            keyed = [
                moment
                for moment, grant in self.log
                if grant.route.limit == "main" and grant.key == key
            ]
            for first, beyond in zip(keyed, keyed[6:], strict=False):
                assert beyond - first > 61.1

    @invariant()
    def no_more_than_allowed_are_under_way(self) -> None:
        active = [held for held, _ in self.granted.values() if held.route.limit == "main"]
        assert len(active) <= 4

    @invariant()
    def what_waits_waits_for_something(self) -> None:
        """Nothing that could be granted now is left."""
        before = len(self.log)
        self.limiter.turn(self.now)
        self.take_replies()
        assert len(self.log) == before
        free = [ask for ask in self.waiting.values() if ask.routes[0].limit == "other"]
        if not self.unknown and self.limiter.gate("other").breaker.is_closed:
            assert not free or self.total(JOB) + self.limiter.budgets.reserved(JOB)[0] >= 3000


TestLimiter = LimiterMachine.TestCase
TestLimiter.settings = settings(max_examples=examples(60), stateful_step_count=40, deadline=None)
