"""The age of the oldest input that is not done."""

from __future__ import annotations

import pytest

from tamias.launcher.metrics.input_ages import InputAges


def test_an_input_is_as_old_as_its_reading() -> None:
    ages = InputAges()
    ages.read(0, 100.0)
    ages.read(50, 101.0)
    assert ages.age(49, 105.0) == 5.0
    assert ages.age(50, 105.0) == 4.0
    assert ages.age(None, 106.0) is None
    ages.read(60, 200.0)
    assert ages.age(60, 200.5) == 0.5


def test_inputs_that_are_read_at_once_share_a_mark() -> None:
    ages = InputAges()
    for n in range(100):
        ages.read(n, 100.0 + n / 1000)
    assert ages.age(99, 101.0) == pytest.approx(1.0)


def test_an_input_that_waits_for_hours_while_others_pass_needs_no_more_space() -> None:
    ages = InputAges()
    for n in range(36_000):
        ages.read(n, 100.0 + n / 5)
    assert ages.age(0, 100.0 + 7200) == 7200.0
    assert len(ages._marks) <= 1001
