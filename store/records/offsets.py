"""The number of an input: its position in the source, and how often it was retried.

Worker and launcher identify an input by one number: in its journal, in outbox records, in the ids
of its events. For an ordinary run that number is the input's offset. A retried dead letter is run
again, and must not be confused with its first run, which is done. So the number of its n-th retry
has n above the 48 bits of the offset. Users only see the offset.

The dead letter has the count of retries, and the commit of the run removes or replaces it. So a
retry that is interrupted and begun again has the same number, and steps in its journal are not
repeated.
"""

from __future__ import annotations

from typing import Final

__all__ = ["LARGEST_OFFSET", "MOST_RETRIES", "offset_of", "retries_of", "retry_number"]

_BITS: Final = 48
LARGEST_OFFSET: Final = (1 << _BITS) - 1
"""Larger numbers are those of retries."""

MOST_RETRIES: Final = (1 << 15) - 1


def retry_number(offset: int, retries: int) -> int:
    """The number of the `retries`-th retry of an input; its offset if that is 0.

    Raises:
        ValueError: it was retried more than `MOST_RETRIES` times.
    """
    if retries > MOST_RETRIES:
        raise ValueError(f"input {offset} cannot be retried more than {MOST_RETRIES} times")
    return retries << _BITS | offset


def offset_of(number: int) -> int:
    """The position in the source."""
    return number & LARGEST_OFFSET


def retries_of(number: int) -> int:
    """The number of the retry; 0 for the ordinary run."""
    return number >> _BITS
