"""The number of an input: its position in the source, and how often it was retried since it died.

All that a worker and a launcher know of an input goes by one number: its journal, its place in an
outbox record, its events' ids. In the first life of an input that number is its offset. An input
that is taken out of the dead letters is run anew, and must not be taken for the one that was done
with long ago: so the number of its n-th retry carries n above the offset's 48 bits. People only
ever see the offset.

How often an input was retried stands in its dead letter, which the commit of its run removes or
replaces. So a retry that is interrupted, and begun again, goes by the same number: what its journal
has is not done twice.
"""

from __future__ import annotations

from typing import Final

__all__ = ["LARGEST_OFFSET", "MOST_RETRIES", "offset_of", "retries_of", "retry_number"]

_BITS: Final = 48
LARGEST_OFFSET: Final = (1 << _BITS) - 1
"""Numbers above it are of retries."""

MOST_RETRIES: Final = (1 << 15) - 1


def retry_number(offset: int, retries: int) -> int:
    """The number of an input at its `retries`-th retry; its offset if that is 0.

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
    """Which retry it is; 0 for the ordinary run."""
    return number >> _BITS
