"""The sliding window: exact, even, corrected."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamias.launcher.limits.window import SlidingWindow


def grants(window: SlidingWindow, amounts: list[int], gaps: list[float]) -> list[tuple[float, int]]:
    """Grant amounts as early as possible, each a time after the one before."""
    now, granted = 0.0, []
    for amount, gap in zip(amounts, gaps, strict=False):
        now = window.free_at(amount, now + gap)
        window.add(amount, now)
        granted.append((now, min(amount, window.limit)))
    return granted


@given(
    st.integers(1, 50),
    st.lists(st.integers(1, 60), min_size=1, max_size=60),
    st.lists(st.floats(0, 40), min_size=60, max_size=60),
)
def test_no_window_has_more_than_the_limit(
    limit: int, amounts: list[int], gaps: list[float]
) -> None:
    granted = grants(SlidingWindow(limit), amounts, gaps)
    for index, (begin, _) in enumerate(granted):
        inside = [amount for moment, amount in granted[index:] if moment < begin + 61.2]
        assert sum(inside) <= limit


def test_grants_keep_an_even_pace_after_a_few_at_once() -> None:
    times = [moment for moment, _ in grants(SlidingWindow(600), [1] * 600, [0.0] * 600)]
    assert times[23] == pytest.approx(0.0)
    assert times[25] > 0.05
    assert 55 < times[-1] < 61.2


def test_a_small_limit_is_used_up_within_each_minute() -> None:
    times = [moment for moment, _ in grants(SlidingWindow(10), [1] * 40, [0.0] * 40)]
    assert all(later - earlier <= 61.3 for earlier, later in zip(times, times[10:], strict=False))


def test_what_was_not_used_is_free_again() -> None:
    window = SlidingWindow(1000)
    entry = window.add(1000, 0.0)
    assert window.free_at(100, 0.0) >= 61.2
    window.correct(entry, 100, 1.0)
    assert window.used == 100
    assert window.free_at(100, 1.0) < 10


def test_what_has_used_more_is_made_up_for() -> None:
    window = SlidingWindow(1000)
    entry = window.add(10, 0.0)
    window.correct(entry, 1000, 1.0)
    assert window.free_at(10, 1.0) >= 61.2


def test_the_pace_goes_by_what_is_probably_used() -> None:
    """Calls may use 600 tokens, take two seconds, and use 300: a limit of 60,000 is used."""
    window = SlidingWindow(60_000)
    now, used = 0.0, 0
    under_way: list[tuple[float, list[float]]] = []
    while now < 300:
        while under_way and under_way[0][0] <= now:
            _, entry = under_way.pop(0)
            window.correct(entry, 300, now)
            used += 300
        if window.free_at(600, now, 300.0) <= now:
            under_way.append((now + 2.0, window.add(600, now, 300.0)))
        else:
            now += 0.01
    assert 0.9 * 5 * 60_000 <= used <= 5.1 * 60_000


def test_a_correction_after_the_window_changes_nothing_in_it() -> None:
    window = SlidingWindow(1000)
    entry = window.add(10, 0.0)
    window.correct(entry, 500, 70.0)
    assert window.used == 0


def test_more_than_the_limit_counts_as_the_limit() -> None:
    window = SlidingWindow(10)
    assert window.free_at(1_000_000, 0.0) == 0.0
    window.add(1_000_000, 0.0)
    assert window.used == 10
