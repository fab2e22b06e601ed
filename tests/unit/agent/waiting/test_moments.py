"""Durations and moments as users give them: what is read, and what is refused."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tamias import TimerError
from tamias.agent.waiting.moments import moment_of, seconds_of

MAX = datetime.max  # noqa: DTZ901 (local time, as users may give it)


@pytest.mark.parametrize("duration", [0, 2.5, timedelta(days=1), 36500 * 86400])
def test_durations(duration: float | timedelta) -> None:
    given = duration.total_seconds() if isinstance(duration, timedelta) else duration
    assert seconds_of(duration, "it") == given


@pytest.mark.parametrize(
    "duration",
    [
        -1,
        float("nan"),
        float("inf"),
        1e12,
        10**400,
        -(10**400),
        timedelta.max,
        timedelta(-1),
        "1 h",
        True,
        None,
    ],
)
def test_what_is_no_duration_is_refused_by_name(duration: Any) -> None:
    with pytest.raises(TimerError, match=r"^it is "):
        seconds_of(duration, "it")


@pytest.mark.parametrize(
    "moment",
    [-1, float("nan"), float("inf"), 1e12, 10**400, -(10**400), MAX, "1 h", True],
)
def test_what_is_no_moment_is_refused_by_name(moment: Any) -> None:
    with pytest.raises(TimerError, match=r"^it is "):
        moment_of(moment, "it")
