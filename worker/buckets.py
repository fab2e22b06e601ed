"""Counts of values by size, which can be added up over processes and time.

A histogram's values are counted in buckets whose bounds are the same everywhere: four for each
power of two, so that a quantile is known to a tenth of its value. A bucket is named by its number:
bucket n has the values above 2^((n-1)/4) and up to 2^(n/4); zero has a bucket of its own, and a
negative value the bucket of its size with a minus in front. Sizes are cut to a range, so that there
are at most a few hundred buckets whatever is put in.

The layout is that of OpenTelemetry's exponential histograms of scale 2.
"""

from __future__ import annotations

from bisect import bisect_left
from math import ceil, isfinite, log2
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "FIXED_BOUNDS",
    "Buckets",
    "add_buckets",
    "bucket_of",
    "fixed_counts",
    "is_bucket",
    "quantile",
    "upper_bound",
]

Buckets = dict[str, int]
"""The number of values by the name of their bucket."""

_PER_OCTAVE: Final = 4
_LEAST: Final = -40 * _PER_OCTAVE
_LARGEST: Final = 64 * _PER_OCTAVE
"""Sizes from 10^-12 to 10^19."""
_FIXED_EXPONENTS: Final = range(-20, 42, 2)
FIXED_BOUNDS: Final = tuple(2.0**exponent for exponent in _FIXED_EXPONENTS)
"""Upper bounds of the buckets that monitoring systems are shown, from a millionth on."""
_ZERO: Final = "0"
_DIGITS: Final = 6


def bucket_of(value: float) -> str:
    """The name of a value's bucket; what is no finite number is in the largest."""
    if value == 0:
        return _ZERO
    size = abs(value)
    number = _LARGEST
    if isfinite(size):
        number = min(max(ceil(log2(size) * _PER_OCTAVE), _LEAST), _LARGEST)
    return f"-e{number}" if value < 0 else f"e{number}"


def is_bucket(name: str) -> bool:
    """Whether a text is the name of a bucket."""
    number = name.removeprefix("-").removeprefix("e")
    if name == _ZERO:
        return True
    digits = number.removeprefix("-")
    if not name.startswith(("e", "-e")) or not digits.isascii() or not digits.isdecimal():
        return False
    return len(digits) < _DIGITS and _LEAST <= int(number) <= _LARGEST


def upper_bound(bucket: str) -> float:
    """The largest value of a bucket, or of a negative one the least size."""
    if bucket == _ZERO:
        return 0.0
    sign, _, number = bucket.partition("e")
    if sign:
        return -_power(int(number) - 1)
    return _power(int(number))


def _power(number: int) -> float:
    bound: float = 2.0 ** (number / _PER_OCTAVE)
    return bound


def add_buckets(into: Buckets, others: Mapping[str, int]) -> None:
    """Add the counts of others."""
    for bucket, count in others.items():
        into[bucket] = into.get(bucket, 0) + count


def quantile(buckets: Mapping[str, int], q: float) -> float:
    """A value that this share of the values (0 to 1) does not exceed; 0.0 if there are none."""
    left = q * sum(buckets.values())
    found = 0.0
    for bucket in sorted(buckets, key=upper_bound):
        found = upper_bound(bucket)
        left -= buckets[bucket]
        if left <= 0:
            break
    return found


def fixed_counts(buckets: Mapping[str, int]) -> list[int]:
    """How many values are in each bucket of `FIXED_BOUNDS`, and in the one above these."""
    counts = [0] * (len(FIXED_BOUNDS) + 1)
    for bucket, count in buckets.items():
        counts[bisect_left(FIXED_BOUNDS, upper_bound(bucket))] += count
    return counts
