"""Durations and moments as users give them, in seconds."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from math import isfinite
from typing import TypeAlias

from ..config.values import LONGEST_DURATION, as_float
from ..errors import RunError, TimerError

__all__ = ["Duration", "Moment", "datetime_of", "moment_of", "seconds_of"]

Duration: TypeAlias = "float | timedelta"
"""Seconds, or a `timedelta`."""
Moment: TypeAlias = "datetime | float"
"""A `datetime` (without a zone: local time), or seconds since the epoch."""


def seconds_of(duration: Duration, what: str, *, error: type[RunError] = TimerError) -> float:
    """Return a duration in seconds.

    Raises:
        TimerError: it is negative, infinite, longer than a century, or none; `what` names it, and
            `error` is what is raised instead where nothing waits.
    """
    seconds = duration.total_seconds() if isinstance(duration, timedelta) else duration
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        raise error(
            f"{what} is {duration!r}, of type {type(duration).__name__}, not a duration.",
            hint="Give seconds as a number, or a datetime.timedelta.",
        )
    found = as_float(seconds)
    if not isfinite(found):
        raise error(f"{what} is {found}: a duration is 0 or more, and at most a hundred years.")
    if found < 0:
        raise error(f"{what} is {duration!r}: a duration is 0 or more.")
    if found > LONGEST_DURATION:
        raise error(
            f"{what} is {duration!r}, which is longer than a hundred years.",
            hint="Durations are in seconds.",
        )
    return found


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
        seconds = as_float(moment)
    if not 0 <= seconds < 2 * LONGEST_DURATION:
        shown = moment if isinstance(moment, datetime) or isfinite(seconds) else seconds
        raise TimerError(
            f"{what} is {shown!r}, which is out of range.",
            hint="A moment is a datetime, or seconds since 1970; a duration goes into after=.",
        )
    return seconds


def datetime_of(seconds: float) -> datetime:
    """Return a moment as a `datetime` in UTC."""
    return datetime.fromtimestamp(seconds, timezone.utc)
