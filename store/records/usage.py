"""What calls have used, as a shard counts it: tokens, and money in billionths.

The table `usage` has sums by name: `t` and the name of a limit for all calls of the shard, or `k`,
a digest of the key and the name of a limit for those of one key. Each value ends with a key: that
one, or the last one whose call was counted. So a sum can travel to the shard that has the key.
"""

from __future__ import annotations

import struct
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    import lmdb

__all__ = [
    "FIRST_TOTAL",
    "NO_USE",
    "UsageChange",
    "Use",
    "apply_usage",
    "key_in",
    "key_name",
    "limit_of_total",
    "total_name",
]

_KEY: Final = b"k"
_TOTAL: Final = b"t"
FIRST_TOTAL: Final = _TOTAL
"""All names of sums over all keys, and no others, sort at or behind this one."""
_DIGEST_BYTES: Final = 16
_LONGEST_NAME: Final = 400
_FADES_IN: Final = 20
"""Calls."""
_NUMBERS: Final = struct.Struct(">QQ")


class Use(NamedTuple):
    """What calls have used."""

    tokens: int
    money: int
    """In billionths."""

    def __add__(self, other: tuple[int, ...]) -> Use:  # type: ignore[override]
        return Use(self.tokens + other[0], self.money + other[1])

    def expect(self, used: Use) -> Use:
        """What the next call may use, when the last one has `used`: a maximum that fades."""
        return Use(_faded(self.tokens, used.tokens), _faded(self.money, used.money))

    def encode(self) -> bytes:
        """The value in the table."""
        return _NUMBERS.pack(*self)

    @classmethod
    def decode(cls, data: bytes) -> Use:
        """Inverse of `encode`."""
        return cls(*_NUMBERS.unpack(data[: _NUMBERS.size]))


def _faded(expected: int, used: int) -> int:
    return max(used, expected - (expected - used) // _FADES_IN)


NO_USE: Final = Use(0, 0)


UsageChange = tuple[bytes, Use, bytes]
"""What is added to a sum: its name, the use, and the encoded key whose call it was."""


def key_in(value: bytes) -> bytes:
    """The encoded key in a value of the table."""
    return value[_NUMBERS.size :]


def total_name(limit: str) -> bytes:
    """The name of a limit's sum over all keys."""
    return _TOTAL + limit.encode()[:_LONGEST_NAME]


def key_name(limit: str, key: bytes) -> bytes:
    """The name of a key's sum; `key` is encoded."""
    return _KEY + blake2b(key, digest_size=_DIGEST_BYTES).digest() + limit.encode()[:_LONGEST_NAME]


def limit_of_total(name: bytes) -> str:
    """The limit of a sum over all keys; inverse of `total_name`."""
    return name[len(_TOTAL) :].decode()


def apply_usage(
    transaction: lmdb.Transaction[bytes], database: Any, changes: list[UsageChange]
) -> None:
    """Add to the sums, in an open write transaction."""
    for name, use, key in changes:
        before = transaction.get(name, None, database)
        total = use if before is None else Use.decode(before) + use
        transaction.put(name, total.encode() + key, db=database)
