"""Records of memory fields with the time at which they were last used: form `0xB6`.

    B6 | milliseconds since the epoch (7 bytes, big endian) | the record itself

Fields get a time only where they expire (`short-term-memory.state-ttl`). The record itself is an
encoded value (`values`), or empty for an object. The time is part of what is stored at a field's
address, so it goes wherever the field goes.
"""

from __future__ import annotations

from typing import Final

__all__ = ["STAMPED", "UNSTAMPED", "split", "stamped"]

STAMPED: Final = 0xB6
"""The first byte of a record with a time."""
UNSTAMPED: Final = 0
"""The time of a record that has none."""

_LENGTH: Final = 8
_LARGEST: Final = (1 << 56) - 1


def stamped(record: bytes, milliseconds: int) -> bytes:
    """Return a record with its time; instead of the one that it may have."""
    if record[:1] == b"\xb6":
        record = record[_LENGTH:]
    time = min(max(milliseconds, 0), _LARGEST)
    return (STAMPED << 56 | time).to_bytes(_LENGTH, "big") + record


def split(record: bytes) -> tuple[int, bytes]:
    """Return the time of a record, `UNSTAMPED` if it has none, and the record without it.

    Raises:
        ValueError: the record is cut short.
    """
    if record[:1] != b"\xb6":
        return UNSTAMPED, record
    if len(record) < _LENGTH:
        raise ValueError("the time of a field is cut short")
    return int.from_bytes(record[1:_LENGTH], "big"), record[_LENGTH:]
