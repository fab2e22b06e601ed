"""The breaker of a connection: when it opens, for how long, and what closes it."""

from __future__ import annotations

import pytest

from tamias.launcher.limits.circuit_breaker import (
    LIMITED,
    OVERLOADED,
    UNAVAILABLE,
    CircuitBreaker,
)


@pytest.mark.parametrize("kind", [LIMITED, OVERLOADED])
def test_it_opens_for_the_time_that_the_service_says(kind: str) -> None:
    breaker = CircuitBreaker()
    breaker.failed(1, kind, 20.0, 100.0)
    assert breaker.pass_at(100.0) == 120.0
    assert breaker.state == "open"
    assert breaker.pass_at(121.0) == 121.0


def test_without_such_a_time_it_opens_for_longer_and_longer() -> None:
    breaker = CircuitBreaker()
    now, pauses = 0.0, []
    breaker.failed(0, LIMITED, None, now)
    for call in range(1, 9):
        pauses.append(breaker.pass_at(now) - now)
        now = breaker.pass_at(now)
        breaker.begin(call)
        breaker.failed(call, LIMITED, None, now)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    assert breaker.opened == 1


def test_one_call_is_made_to_see_whether_it_works_again() -> None:
    breaker = CircuitBreaker()
    breaker.failed(0, LIMITED, 5.0, 0.0)
    breaker.begin(1)
    assert breaker.state == "half-open"
    assert breaker.pass_at(6.0) == float("inf")
    breaker.succeeded(7)  # one that was made before it opened
    assert breaker.state == "half-open"
    breaker.succeeded(1)
    assert breaker.is_closed
    assert breaker.pass_at(6.0) == 6.0


def test_a_probe_that_shows_nothing_is_followed_by_another_one() -> None:
    breaker = CircuitBreaker()
    breaker.failed(0, LIMITED, 5.0, 0.0)
    breaker.begin(1)
    breaker.ended(1)
    assert breaker.pass_at(6.0) == 6.0
    assert not breaker.is_closed


def test_a_service_that_cannot_be_reached_opens_it_at_the_third_time() -> None:
    breaker = CircuitBreaker()
    breaker.failed(0, UNAVAILABLE, None, 0.0)
    breaker.failed(1, UNAVAILABLE, None, 0.0)
    breaker.succeeded(2)
    breaker.failed(3, UNAVAILABLE, None, 0.0)
    breaker.failed(4, UNAVAILABLE, None, 0.0)
    assert breaker.is_closed
    breaker.failed(5, UNAVAILABLE, None, 0.0)
    assert breaker.pass_at(0.0) == 1.0


def test_late_failures_do_not_shorten_the_time() -> None:
    breaker = CircuitBreaker()
    breaker.failed(0, LIMITED, 50.0, 0.0)
    breaker.failed(1, LIMITED, 2.0, 1.0)
    assert breaker.pass_at(1.0) == 50.0
