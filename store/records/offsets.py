"""The number of a run: which input it is of, how often that was retried, and who owns it.

Worker and launcher identify a run by one number: in its journal, in outbox records, in the ids of
its events. For an ordinary run that number is its input's offset.

A retried dead letter is run again, and must not be confused with its first run, which is done. So
the number of its n-th retry has n above the 48 bits of the offset. The dead letter has the count of
retries, and the commit of the run removes or replaces it. So a retry that is interrupted and begun
again has the same number, and steps in its journal are not repeated.

A run that waits is *owned* by its shard: its input is in the store, and has been reported to the
launcher as one that it need not keep. When it is to go on, the worker announces it to the launcher,
which sends it like an input, with the bit `_OWNED` set in its number. Its journal and the ids of
its events keep the number without that bit. There are other owned runs that have no input at all;
their numbers say so:

    bit 62: owned | bits 60, 61: kind | if of an input: retries (12 bits), offset (48 bits)
                                      | else: a digest of where the run comes from (60 bits)

Users only see the offset.
"""

from __future__ import annotations

from enum import IntEnum
from hashlib import blake2b
from typing import Final

__all__ = [
    "LARGEST_OFFSET",
    "MOST_RETRIES",
    "RunKind",
    "derived_number",
    "identity_of",
    "is_owned",
    "kind_of",
    "offset_of",
    "owned_number",
    "retries_of",
    "retry_number",
]

_BITS: Final = 48
LARGEST_OFFSET: Final = (1 << _BITS) - 1
"""Larger numbers are those of retries and of owned runs."""

MOST_RETRIES: Final = (1 << 12) - 1

_OWNED: Final = 1 << 62
_KIND_SHIFT: Final = 60
_DIGEST: Final = (1 << _KIND_SHIFT) - 1


class RunKind(IntEnum):
    """What an owned run is of."""

    INPUT = 0
    """An input that has waited."""
    TIMER = 1
    """An event that was scheduled."""
    END = 2
    """The end of the input, for one key."""
    NOTICE = 3
    """No run at all: outputs that are committed by themselves, such as a question to a person."""


def retry_number(offset: int, retries: int) -> int:
    """The number of the `retries`-th retry of an input; its offset if that is 0.

    Raises:
        ValueError: it was retried more than `MOST_RETRIES` times.
    """
    if retries > MOST_RETRIES:
        raise ValueError(f"input {offset} cannot be retried more than {MOST_RETRIES} times")
    return retries << _BITS | offset


def offset_of(number: int) -> int:
    """The position in the source; of a run without an input its whole number."""
    return number & LARGEST_OFFSET if kind_of(number) == RunKind.INPUT else number


def retries_of(number: int) -> int:
    """The number of the retry; 0 for the ordinary run, and for one without an input."""
    return number >> _BITS & MOST_RETRIES if kind_of(number) == RunKind.INPUT else 0


def owned_number(number: int) -> int:
    """The number of a run under which its shard announces it."""
    return number | _OWNED


def is_owned(number: int) -> bool:
    """Whether a number is one under which a shard announces a run."""
    return number >= _OWNED


def identity_of(number: int) -> int:
    """The number that a run's journal and events have; inverse of `owned_number` for inputs."""
    return number & ~_OWNED if kind_of(number) == RunKind.INPUT else number


def kind_of(number: int) -> int:
    """The `RunKind`."""
    return number >> _KIND_SHIFT & 3


def derived_number(kind: RunKind, *parts: bytes | int) -> int:
    """The number of a run without an input, derived from where it comes from.

    The same parts give the same number, in every life; of different ones the numbers differ as
    those of 60 random bits.
    """
    digest = blake2b(digest_size=8)
    for part in parts:
        data = part if isinstance(part, bytes) else b"%d" % part
        digest.update(b"%d:" % len(data) + data)
    return _OWNED | kind << _KIND_SHIFT | int.from_bytes(digest.digest(), "big") & _DIGEST
