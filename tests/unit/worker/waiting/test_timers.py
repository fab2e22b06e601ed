"""Timers that a run sets: their moments, and how they are found by id."""

from __future__ import annotations

from tamias.store.records.offsets import RunKind
from tamias.store.waiting.records import OwnedRun, microseconds
from tamias.worker.waiting.timers import (
    TimerChange,
    TimerChanges,
    generated_id,
    next_repetition,
    number_of_generated,
)

NOON = 1_800_000_000.0


def timer(number: int, timer_id: str, due: float) -> TimerChange:
    record = OwnedRun(RunKind.TIMER, b"sada", b"", due=due, id=timer_id).encode()
    return TimerChange(number, timer_id, record)


def test_very_many_timers_of_one_moment_come_in_their_order() -> None:
    changes = TimerChanges()
    moments = []
    for number in range(20_000):  # with a search of all those before it takes many minutes
        moments.append(changes.free_moment(NOON))
        changes.append(timer(number, generated_id(number), moments[-1]))
    taken = [microseconds(moment) for moment in moments]
    assert taken == sorted(set(taken))
    assert moments[0] == NOON
    assert moments[-1] - NOON < 0.05
    assert changes.free_moment(NOON + 60) == NOON + 60


def test_moments_of_timers_on_record_are_taken() -> None:
    changes = TimerChanges([timer(1, "a", NOON), TimerChange(2, "b", None)])
    assert changes.free_moment(NOON) > NOON
    assert changes.last_of("b") == TimerChange(2, "b", None)


def test_the_last_change_of_an_id_counts() -> None:
    changes = TimerChanges()
    assert changes.last_of("a") is None
    changes.append(timer(1, "a", NOON))
    assert changes.last_of("a") == changes[0]
    changes.append(TimerChange(1, "a", None))
    changes.append(timer(2, "b", NOON))
    assert changes.last_of("a") == changes[1]


def test_an_id_may_be_any_text() -> None:
    every = OwnedRun(RunKind.TIMER, b"sada", due=NOON, id="\ud800", every=60.0)
    number, following = next_repetition(every, NOON + 61)
    assert (following.id, following.due) == ("\ud800", NOON + 120)
    assert OwnedRun.decode(following.encode()) == following
    assert number != next_repetition(every, NOON + 121)[0]
    assert number_of_generated("\ud800") is None
