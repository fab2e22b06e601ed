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
