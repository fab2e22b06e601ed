"""Whether what a worker has sent, or has left in a file, has the form that it must have."""

from __future__ import annotations

from typing import Final, cast

__all__ = ["LARGEST", "are_counts", "is_count", "is_moment", "is_number", "is_text", "is_waiting"]

LARGEST: Final = 1 << 63


def is_count(value: object) -> bool:
    """Whether it is a number of things."""
    return type(value) is int and 0 <= value < LARGEST


def are_counts(value: object) -> bool:
    """Whether it is a dictionary of numbers of things."""
    return isinstance(value, dict) and all(map(is_count, value.values()))


def is_text(value: object) -> bool:
    """Whether it is text."""
    return isinstance(value, str)


def is_number(value: object) -> bool:
    """Whether it is a number, which a boolean is not."""
    return type(value) in (int, float)


def is_moment(value: object) -> bool:
    """Whether a value is a moment, in seconds since the epoch, or None."""
    return value is None or (type(value) in (int, float) and 0 <= cast("float", value) < LARGEST)


def is_waiting(value: object) -> bool:
    """Whether a value counts what waits, as heartbeats and reports of shards do."""
    return (
        isinstance(value, dict)
        and all(is_count(value.get(name)) for name in ("runs", "inputs", "timers", "questions"))
        and is_moment(value.get("next"))
    )
