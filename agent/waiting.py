"""What runs wait for, as their users see it: questions, answers, moments."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from math import isfinite
from typing import Any, Final, TypeAlias

from .errors import TimerError
from .naming.public import public

__all__ = [
    "Answer",
    "Duration",
    "Moment",
    "Question",
    "datetime_of",
    "is_token",
    "moment_of",
    "seconds_of",
]

Duration: TypeAlias = "float | timedelta"
"""Seconds, or a `timedelta`."""
Moment: TypeAlias = "datetime | float"
"""A `datetime` (without a zone: local time), or seconds since the epoch."""

_TOKEN: Final = re.compile(r"q[0-9a-f]{47}")
_LONGEST: Final = 100 * 365 * 86_400.0
"""Seconds; what waits longer than a century is a mistake in a unit."""


@public
@dataclass(frozen=True)
class Question:
    """What a run has asked, and waits for the answer to; a sink gets it as an output.

    Attributes:
        token: names the question in an answer; it cannot be guessed.
        name: the name that the action gave it.
        ask: what the action asks; any value that can be pickled, or None.
        key: the key of the run.
        asked_at: when it was asked, in seconds since the epoch.
        deadline: when the run goes on without an answer, in seconds since the epoch; None for
            never.
    """

    token: str
    name: str
    ask: Any
    key: Any
    asked_at: float
    deadline: float | None


@public
@dataclass(frozen=True)
class Answer:
    """An input that answers a question; its key must be that of the run that has asked.

    A JSON object with a field ``answer_to`` that is a token is the same.

    Attributes:
        answer_to: the question's token.
        value: the answer, which `RunnerContext.wait_for` returns.
        by: who has answered.
    """

    answer_to: str
    value: Any = None
    by: str | None = None


def is_token(text: object) -> bool:
    """Whether a value has the form of a question's token."""
    return isinstance(text, str) and _TOKEN.fullmatch(text) is not None


def seconds_of(duration: Duration, what: str) -> float:
    """Return a duration in seconds.

    Raises:
        TimerError: it is negative, infinite, longer than a century, or none; `what` names it.
    """
    seconds = duration.total_seconds() if isinstance(duration, timedelta) else duration
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        raise TimerError(
            f"{what} is {duration!r}, of type {type(duration).__name__}, not a duration.",
            hint="Give seconds as a number, or a datetime.timedelta.",
        )
    if not isfinite(seconds) or seconds < 0:
        raise TimerError(f"{what} is {duration!r}: a duration is 0 or more.")
    if seconds > _LONGEST:
        raise TimerError(
            f"{what} is {duration!r}, which is longer than a hundred years.",
            hint="Durations are in seconds.",
        )
    return float(seconds)


def moment_of(moment: Moment, what: str) -> float:
    """Return a moment in seconds since the epoch.

    Raises:
        TimerError: it is no moment, or not in this or the next century; `what` names it.
    """
    if isinstance(moment, datetime):
        try:
            seconds = moment.timestamp()
        except (OverflowError, OSError, ValueError):
            seconds = float("nan")
    elif isinstance(moment, bool) or not isinstance(moment, (int, float)):
        raise TimerError(
            f"{what} is {moment!r}, of type {type(moment).__name__}, not a moment.",
            hint="Give a datetime, or seconds since the epoch.",
        )
    else:
        seconds = float(moment)
    if not 0 <= seconds < 2 * _LONGEST:
        raise TimerError(
            f"{what} is {moment!r}, which is out of range.",
            hint="A moment is a datetime, or seconds since 1970; a duration goes into after=.",
        )
    return seconds


def datetime_of(seconds: float) -> datetime:
    """Return a moment as a `datetime` in UTC."""
    return datetime.fromtimestamp(seconds, timezone.utc)
