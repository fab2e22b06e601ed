"""Writes changes of memory sets, in the transaction of a commit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..crashpoints import reach
from .records import NUMBER_BYTES, set_address
from .writing import SetWriter

if TYPE_CHECKING:
    from collections.abc import Sequence

    import lmdb

    from .changes import SetChange, SetName

__all__ = [
    "FORMAT_WITH_SETS",
    "LAST_NUMBER",
    "apply_sets",
    "index_items",
    "remove_item",
    "remove_remnant",
    "require_format",
]

LAST_NUMBER: Final = b"set_sequence"
"""The name in `meta` of the highest number that an item or a change of the shard has had."""
FORMAT_WITH_SETS: Final = 3
"""The format of a shard that has had memory sets: versions that would lose them refuse it."""


def apply_sets(
    transaction: lmdb.Transaction[bytes],
    databases: Any,
    changes: list[tuple[SetName, SetChange]],
) -> None:
    """Write the changes, in their order.

    Args:
        transaction: an open write transaction.
        databases: the tables `sets`, `meta` and `expiring` of the shard.
        changes: what to write.
    """
    meta = databases.meta
    data = transaction.get(LAST_NUMBER, None, meta)
    require_format(transaction, meta)
    number = int.from_bytes(data or b"", "big")
    for (owner, name), change in changes:
        writer = SetWriter(transaction, databases, set_address(owner, name))
        number = writer.apply(change, number)
        reach("sets.inside")
    transaction.put(LAST_NUMBER, number.to_bytes(NUMBER_BYTES, "big"), db=meta)


def require_format(transaction: lmdb.Transaction[bytes], meta: Any) -> None:
    """Have older versions refuse the shard."""
    if int.from_bytes(transaction.get(b"format", b"", meta), "big") < FORMAT_WITH_SETS:
        transaction.put(b"format", FORMAT_WITH_SETS.to_bytes(NUMBER_BYTES, "big"), db=meta)


def index_items(
    transaction: lmdb.Transaction[bytes], databases: Any, name: SetName, numbers: Sequence[int]
) -> None:
    """Count and index items of a set whose records, and vectors, a restore has written.

    `numbers` are theirs, ascending, and above those that are indexed already.
    """
    writer = SetWriter(transaction, databases, set_address(*name))
    for start in range(0, len(numbers), writer.sizes.tail):
        for number in numbers[start : start + writer.sizes.tail]:
            writer.index(number)
        writer.close()


def remove_item(
    transaction: lmdb.Transaction[bytes], databases: Any, until: int, address: bytes
) -> None:
    """Remove an item if it has expired by a moment, in milliseconds; `address` is its own."""
    writer = SetWriter(transaction, databases, address[: -NUMBER_BYTES - 1])
    writer.expire(int.from_bytes(address[-NUMBER_BYTES:], "big"), until)
    writer.close()


def remove_remnant(
    transaction: lmdb.Transaction[bytes],
    databases: Any,
    until: int,  # noqa: ARG001 (as other removers)
    address: bytes,
) -> None:
    """Remove some of what is left of a set that was emptied; `address`: its own, and a number."""
    floor = int.from_bytes(address[-NUMBER_BYTES:], "big")
    writer = SetWriter(transaction, databases, address[:-NUMBER_BYTES])
    if writer.purge(floor):
        writer.end_remnant(floor)
    else:
        writer.list_remnant(floor)
