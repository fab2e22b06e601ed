"""The limiter: single cases."""

from __future__ import annotations

from tamias.agent.limits.settings import Limits
from tamias.launcher.limits.asks import Ask, AskedRoute
from tamias.launcher.limits.limiter import SUSPENDED, Grant, Limiter, Reply, Wait
from tamias.store.records.usage import NO_USE


def limits(**api: int) -> Limits:
    return Limits.of({f"limits.api.{name.replace('_', '-')}": value for name, value in api.items()})


def ask(number: int, since: float = 0.0, worker: str = "w", key: str = "") -> Ask:
    return Ask(since, number, worker, 0, key, [AskedRoute(0, "api", 1, 0)])


def taken(limiter: Limiter) -> list[Reply]:
    replies, limiter.replies = limiter.replies, []
    return replies


def granted(limiter: Limiter) -> list[int]:
    return [reply.number for reply in taken(limiter) if isinstance(reply, Grant)]


def test_other_limits_hold_at_once_and_what_was_granted_counts() -> None:
    limiter = Limiter(limits(requests_per_minute=10))
    for number in range(30):
        limiter.ask(ask(number), 0.0)
    assert len(granted(limiter)) <= 2
    limiter.configure(limits(requests_per_minute=3000))
    limiter.turn(1.0)
    assert len(granted(limiter)) >= 25
    limiter.configure(limits(requests_per_minute=10))
    limiter.ask(ask(99), 1.0)
    limiter.turn(30.0)
    assert granted(limiter) == []
    limiter.turn(70.0)
    assert granted(limiter) == [99]


def test_a_call_keeps_its_place_while_its_run_is_suspended() -> None:
    limiter = Limiter(limits(requests_per_minute=60))
    for number in range(100):
        limiter.ask(ask(number, float(number) / 1000), 1.0)
    taken(limiter)
    limiter.end(("w", 50), SUSPENDED, NO_USE, None, 1.0)
    limiter.ask(ask(150, 0.2), 1.0)
    (wait,) = taken(limiter)
    assert isinstance(wait, Wait)
    assert wait.until > 60  # behind the one that is away, too
    limiter.ask(ask(200, 0.05), 30.0)  # the one that was 50
    order: list[int] = []
    now = 30.0
    while len(order) < 60:
        limiter.turn(now)
        order += granted(limiter)
        now += 1.1
    assert order.index(200) == order.index(51) - 1


def test_workers_take_turns() -> None:
    limiter = Limiter(limits(concurrency=1))
    for number in range(10):
        limiter.ask(ask(number, worker="greedy"), 0.0)
    for number in (20, 21):
        limiter.ask(ask(number, worker="modest"), 0.0)
    order = granted(limiter)
    workers = {number: "modest" if number >= 20 else "greedy" for number in range(30)}
    for _ in range(5):
        limiter.end((workers[order[-1]], order[-1]), "done", NO_USE, None, 0.0)
        limiter.turn(0.0)
        order += granted(limiter)
    assert order in ([0, 1, 20, 2, 21, 3], [0, 20, 1, 21, 2, 3])


def test_a_worker_that_dies_leaves_room() -> None:
    limiter = Limiter(limits(concurrency=2))
    for number in range(2):
        limiter.ask(ask(number, worker="dead"), 0.0)
    limiter.ask(ask(5, worker="alive"), 0.0)
    assert granted(limiter) == [0, 1]
    limiter.remove_worker("dead")
    limiter.turn(0.0)
    assert granted(limiter) == [5]


def test_a_call_is_back_after_a_while_however_long_the_queue_is() -> None:
    limiter = Limiter(limits(requests_per_minute=1))
    for number in range(1000):
        limiter.ask(ask(number), 0.0)
    last = taken(limiter)[-1]
    assert isinstance(last, Wait)
    assert last.until <= 300
