"""Limits as a server sees them, while workers and launchers are killed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from support.limits.agent import TOKENS
from support.limits.trial import Kills, Trial, windows

if TYPE_CHECKING:
    from pathlib import Path

PER_MINUTE = 9000
BURST = 0.04 * PER_MINUTE


def test_no_more_requests_come_than_the_limit_allows_whatever_dies(tmp_path: Path) -> None:
    """A whole minute takes too long here: in a second it is the burst, and the pace."""
    kills = Kills(worker_seconds=0.6, launcher_seconds=1.6, most=2)
    limits = {"api": {"requests-per-minute": PER_MINUTE}}
    trial = Trial(tmp_path, 3, limits, inputs=600, kills=kills).run()
    assert sorted(map(int, trial.outputs())) == list(range(600))
    assert trial.deaths["launcher"] >= 1
    for seconds in (0.1, 0.5, 1.0, 2.0, 4.0):
        _, most = windows(trial.arrivals, seconds)
        assert most <= BURST + PER_MINUTE / 60 * (seconds + 1.2) + 1


def test_a_budget_is_passed_by_no_more_than_was_in_flight_whatever_dies(tmp_path: Path) -> None:
    calls = 120
    limits = {"api": {"budget-tokens": calls * TOKENS, "concurrency": 8}}
    kills = Kills(worker_seconds=0.5, launcher_seconds=1.1, most=2)
    trial = Trial(tmp_path, 3, limits, inputs=200, kills=kills, budget=True).run()
    counted = Counter(answer == "refused" for answer in trial.outputs())
    assert counted[True] + counted[False] == 200
    # Exactly as many as the budget has are on record. Those that were in flight at a death were
    # made again: at most as many as may be under way at once.
    assert counted[False] == calls
    deaths = trial.deaths["worker"] + trial.deaths["launcher"]
    assert trial.deaths["launcher"] >= 1
    assert calls <= len(trial.numbers) <= calls + 8 * deaths
