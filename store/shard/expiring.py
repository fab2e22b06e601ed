"""What is to be removed by a moment: the table `expiring`, which each commit works off a little.

    due (milliseconds since the epoch, u64 big endian) | what it is (1 byte) | address   ->   empty

An entry is a reminder and no more: what is at the address may have been written anew with another
moment, or removed. So its own record decides whether it is removed. Readers do not wait for that:
they leave out at once what their clock says is over, also by its record.

A commit looks at the first entry, and follows up to `REMOVED_AT_ONCE` that are due. So no commit
takes long, however much comes due at one moment, and the table shrinks with each one.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

from .. import clock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import lmdb

    Remover = Callable[[lmdb.Transaction[bytes], Any, int, bytes], None]
    """Removes what is at an address: transaction, databases, the entry's moment, the address."""

__all__ = ["FIELD", "ITEM", "REMOVED_AT_ONCE", "expiring_key", "remove_expired"]

FIELD: Final = 1
"""The address is that of a field of short-term memory."""
ITEM: Final = 2
"""The address is that of an item of a memory set, in the table `sets`."""
REMOVED_AT_ONCE: Final = 256

_HEAD: Final = struct.Struct(">QB")


def expiring_key(due: int, kind: int, address: bytes) -> bytes:
    """The key of an entry; `due` in milliseconds since the epoch."""
    return _HEAD.pack(due, kind) + address


def remove_expired(
    transaction: lmdb.Transaction[bytes],
    databases: Any,
    removers: Mapping[int, Remover],
    limit: int = REMOVED_AT_ONCE,
) -> int:
    """Follow the entries that are due, the oldest first; return how many those were."""
    with transaction.cursor(databases.expiring) as cursor:
        if not cursor.first():
            return 0
        now = int(clock.now() * 1000)
        due: list[bytes] = []
        for key in cursor.iternext(values=False):
            if len(due) >= limit or int.from_bytes(key[:8], "big") > now:
                break
            due.append(key)
    for key in due:
        transaction.delete(key, db=databases.expiring)
        moment, kind = _HEAD.unpack_from(key)
        if kind in removers:
            removers[kind](transaction, databases, moment, key[_HEAD.size :])
    return len(due)
