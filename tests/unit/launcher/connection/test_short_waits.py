"""Whether to stay awake for what comes soon."""

from __future__ import annotations

from tamias.launcher.connection.short_waits import LEAST, LONGEST, MOST, ShortWaits


class Waits:
    """Waits with a clock of its own."""

    def __init__(self) -> None:
        self._now = 100.0
        self.short_waits = ShortWaits(lambda: self._now)

    def wait(self, seconds: float) -> bool:
        """Wait for so long; return whether that was done awake."""
        until = self.short_waits.begin()
        assert until in (0.0, self._now + LONGEST)
        self._now += seconds
        self.short_waits.end()
        return until > 0

    def pass_by(self, seconds: float) -> None:
        """Let time pass by."""
        self._now += seconds

    def waits_until_awake(self) -> int:
        """How many short waits come before one that is done awake."""
        count = 0
        while not self.wait(LONGEST / 2):
            count += 1
        return count


def test_only_short_waits_in_a_row_count() -> None:
    waits = Waits()
    assert waits.waits_until_awake() == LEAST
    waits = Waits()
    assert not any(waits.wait(LONGEST / 2) for _ in range(LEAST))
    assert waits.wait(LONGEST / 2)
    waits = Waits()
    assert not any(waits.wait(LONGEST / 2) for _ in range(LEAST - 1))
    assert not waits.wait(LONGEST * 2)
    assert waits.waits_until_awake() == LEAST


def test_all_are_done_awake_while_that_pays() -> None:
    waits = Waits()
    waits.waits_until_awake()
    assert all(waits.wait(LONGEST / 2) for _ in range(1000))


def test_nothing_is_spent_where_all_waits_are_long() -> None:
    waits = Waits()
    assert not any(waits.wait(LONGEST * 2) for _ in range(1000))


def test_after_each_failure_it_takes_twice_as_many() -> None:
    waits = Waits()
    needed = LEAST
    for _ in range(12):
        found = 0
        while not waits.short_waits.begin():
            waits.short_waits.end()
            found += 1
        assert found == needed
        waits.pass_by(LONGEST * 2)
        waits.short_waits.end()
        needed = min(2 * needed, MOST)
    assert needed == MOST


def test_the_number_falls_again() -> None:
    waits = Waits()
    for _ in range(3):
        waits.waits_until_awake()
        assert waits.wait(LONGEST * 2)
    for _ in range(MOST):
        waits.wait(LONGEST / 2)
    assert waits.wait(LONGEST * 2)
    assert waits.waits_until_awake() == 2 * LEAST
