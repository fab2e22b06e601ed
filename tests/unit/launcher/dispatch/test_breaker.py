"""The breaker: too many failures of workers, pool-wide."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tamias.launcher.dispatch.breaker import LONGEST_PAUSE, Breaker, BreakerRule
from tamias.launcher.dispatch.dispatcher import Dispatcher
from tamias.launcher.dispatch.instructions import GiveUp, SendItems, StartWorker
from tamias.launcher.dispatch.item import Death, Item


def test_below_the_limit_nothing_waits() -> None:
    breaker = Breaker(BreakerRule(5, 10.0))
    assert [breaker.failed(now) for now in (0.0, 1.0, 2.0, 3.0)] == [0.0] * 4
    assert breaker.describe(3.0) == ""


def test_at_the_limit_restarts_wait_longer_and_longer() -> None:
    breaker = Breaker(BreakerRule(5, 10.0))
    pauses = [breaker.failed(0.1 * number) for number in range(200)]
    assert pauses[:4] == [0.0] * 4
    assert all(pause is not None and pause > 0 for pause in pauses[4:])
    assert pauses[4:] == sorted(pauses[4:])  # type: ignore[type-var]
    assert pauses[-1] == LONGEST_PAUSE
    assert "worker failures within 10 s" in breaker.describe(19.9)


def test_it_closes_when_the_failures_are_old() -> None:
    breaker = Breaker(BreakerRule(3, 10.0))
    for now in (0.0, 1.0, 2.0):
        breaker.failed(now)
    assert breaker.is_open(9.9)
    assert not breaker.is_open(10.0)
    assert breaker.failed(20.0) == 0.0


def test_one_that_stops_says_so() -> None:
    breaker = Breaker(BreakerRule(3, 10.0, stops=True))
    assert [breaker.failed(now) for now in (0.0, 1.0, 2.0)] == [0.0, 0.0, None]


def test_no_number_is_too_many_by_default() -> None:
    breaker = Breaker()
    assert {breaker.failed(0.0) for _ in range(1000)} == {0.0}
    assert not breaker.is_open(0.0)


@given(st.lists(st.floats(0.0, 5.0), max_size=60), st.integers(1, 10))
def test_it_is_open_exactly_when_there_were_so_many_in_that_time(
    gaps: list[float], failures: int
) -> None:
    breaker = Breaker(BreakerRule(failures, 10.0))
    now, moments = 0.0, []
    for gap in gaps:
        now += gap
        moments.append(now)
        breaker.failed(now)
        recent = sum(1 for moment in moments if moment > now - 10.0)
        assert breaker.is_open(now) == (recent >= failures)


def _lives(dispatcher: Dispatcher, *, most: int) -> tuple[int, float, GiveUp | None]:
    """Have every worker die of its first input: deaths, seconds, and the end of the pool."""
    now, deaths = 0.0, 0
    while deaths < most:
        for instruction in dispatcher.tick(now):
            if isinstance(instruction, GiveUp):
                return deaths, now, instruction
            if isinstance(instruction, StartWorker):
                dispatcher.started(instruction.slot, instruction.incarnation)
                dispatcher.ready(instruction.slot, instruction.incarnation)
            elif isinstance(instruction, SendItems) and dispatcher.in_flight(0):
                bad = [item for item in instruction.items if item.rejection is None]
                good = [item.offset for item in instruction.items if item.rejection is not None]
                place = instruction.slot, instruction.incarnation
                dispatcher.completed(*place, good)
                if bad:
                    deaths += 1
                    death = Death(signal=11, suspect=bad[0].offset)
                    dispatcher.died(*place, now, death)
        deadline = dispatcher.next_deadline(now)
        now = deadline if deadline is not None and deadline > now else now + 0.001
    return deaths, now, None


def _all_poison(rule: BreakerRule) -> Dispatcher:
    dispatcher = Dispatcher(1, breaker=Breaker(rule))
    dispatcher.submit([Item(number, b"s1", b"x", 0) for number in range(1000)])
    return dispatcher


def test_when_every_input_kills_the_pool_stops_if_it_is_to() -> None:
    deaths, _, end = _lives(_all_poison(BreakerRule(50, 60.0, stops=True)), most=1000)
    assert deaths == 50
    assert end is not None
    assert "50 worker failures within 60 s" in end.reason


def test_when_every_input_kills_a_degraded_pool_takes_its_time() -> None:
    deaths, seconds, end = _lives(_all_poison(BreakerRule(50, 60.0)), most=1000)
    assert end is None
    # Without the breaker this takes no time at all.
    assert (deaths, seconds > 100.0) == (1000, True)
