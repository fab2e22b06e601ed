"""When a pool whose input is exhausted has nothing more to do."""

from __future__ import annotations

import pytest

from tamias.launcher.pool.at_end import (
    FIRST_REMARK_SECONDS,
    REMARK_SECONDS,
    EndOfInput,
    describe_waiting,
)
from tamias.store.waiting.reading import WaitingCounts

NOTHING = WaitingCounts()
NOW = 1000.0


def a_run(moment: float | None = None) -> WaitingCounts:
    return WaitingCounts(runs=1, questions=int(moment is None), next=moment)


def ended(at_end: str, *counts: WaitingCounts) -> EndOfInput:
    end = EndOfInput(len(counts), at_end, 60.0)
    assert end.begin(0)
    end.report(1, dict(enumerate(counts)))
    return end


@pytest.mark.parametrize("at_end", ["auto", "wait", "suspend"])
def test_it_is_over_when_nothing_waits(at_end: str) -> None:
    assert ended(at_end, NOTHING, NOTHING).is_over(NOW)


@pytest.mark.parametrize(
    ("at_end", "moment", "over"),
    [
        ("auto", NOW + 61, True),
        ("auto", NOW + 60, False),
        ("auto", NOW - 5, False),  # it is about to be announced
        ("auto", None, True),  # only an answer helps, and no run of the job can be waited for
        ("wait", NOW + 1e9, False),
        ("wait", None, False),
        ("suspend", NOW + 1, True),
    ],
)
def test_what_waits_decides(at_end: str, moment: float | None, *, over: bool) -> None:
    assert ended(at_end, NOTHING, a_run(moment)).is_over(NOW) is over


def test_the_earliest_moment_of_all_shards_counts() -> None:
    assert not ended("auto", a_run(NOW + 900), a_run(None), a_run(NOW + 9)).is_over(NOW)


def test_all_shards_are_reported_in_one_round() -> None:
    end = EndOfInput(2, "auto", 60.0)
    assert end.counts is None
    assert end.begin(7)
    assert not end.begin(7)
    end.report(1, {0: NOTHING})
    assert not end.is_over(NOW)
    assert end.begin(8)  # something was due
    end.report(1, {0: NOTHING, 1: NOTHING})  # of the round before
    assert not end.is_over(NOW)
    end.report(2, {0: NOTHING})
    end.report(2, {1: NOTHING})
    assert end.is_over(NOW)


def test_a_shard_with_another_worker_is_reported_anew() -> None:
    end = ended("auto", NOTHING, NOTHING)
    end.forget([1])
    assert not end.is_over(NOW)
    end.report(1, {1: NOTHING})
    assert end.is_over(NOW)


def test_remarks_come_every_minute_while_something_waits() -> None:
    end = ended("wait", a_run(NOW + 90))
    assert end.remark(0.0, NOW) == ""
    first = FIRST_REMARK_SECONDS
    assert end.remark(first, NOW) == "1 run waits (next due in 1.5 min)"
    assert end.remark(first + REMARK_SECONDS - 1, NOW) == ""
    assert end.remark(first + REMARK_SECONDS, NOW) != ""
    assert ended("wait", NOTHING).remark(0.0, NOW) == ""


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        (WaitingCounts(runs=2, inputs=1, next=NOW + 5), "2 runs wait, with 1 input behind (next "),
        (WaitingCounts(timers=1, next=NOW + 7200), "1 timer to come (next due in 2.0 h)"),
        (WaitingCounts(runs=1, questions=1), "1 run waits (1 question asked)"),
        (WaitingCounts(runs=1, timers=2, next=NOW), "1 run waits and 2 timers to come (some are"),
        (WaitingCounts(inputs=3), "3 inputs wait"),
    ],
)
def test_what_waits_in_words(counts: WaitingCounts, text: str) -> None:
    assert describe_waiting(counts, NOW).startswith(text)
