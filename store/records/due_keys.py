"""Keys of the table `expiring`: what is to be removed, by the moment when it is due.

due (milliseconds since the epoch, u64 big endian) | what it is (1 byte) | address   ->   empty
"""

from __future__ import annotations

import math
import struct
from typing import Final

__all__ = ["AT_ONCE", "FIELD", "ITEM", "REMNANT", "due_of", "expiring_key", "split_key"]

FIELD: Final = 1
"""The address is that of a field of short-term memory."""
ITEM: Final = 2
"""The address is that of an item of a memory set, in the table `sets`."""
REMNANT: Final = 3
"""The address is that of a memory set, of which records are left that are no longer of it."""
AT_ONCE: Final = 1
"""The moment of what is due already."""
_HEAD: Final = struct.Struct(">QB")


def expiring_key(due: int, kind: int, address: bytes) -> bytes:
    """The key of an entry; `due` in milliseconds since the epoch."""
    return _HEAD.pack(due, kind) + address


def split_key(key: bytes) -> tuple[int, int, bytes]:
    """Inverse of `expiring_key`. Raises struct.error for what is too short."""
    due, kind = _HEAD.unpack_from(key)
    return due, kind, key[_HEAD.size :]


def due_of(moment: float) -> int:
    """A moment in seconds as entries have it: rounded up, so never early."""
    return min(max(0, math.ceil(moment * 1000)), (1 << 64) - 1) if math.isfinite(moment) else 0
