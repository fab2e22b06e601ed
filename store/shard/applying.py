"""Writes a batch into a transaction, in a fixed order.

The caller commits the transaction, which makes the batch atomic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..crashpoints import reach
from ..records.due_keys import FIELD, ITEM, REMNANT
from ..records.journal import journal_prefix
from ..records.usage import apply_usage
from ..sets.applying import apply_sets, remove_item, remove_remnant
from ..waiting.changes import apply_changes
from .expiring import remove_expired
from .field_ttl import HORIZON, SWEPT, remove_field

if TYPE_CHECKING:
    import lmdb

    from .batch import Batch
    from .expiring import Remover
    from .snapshot import Databases

__all__ = ["apply"]


def apply(
    transaction: lmdb.Transaction[bytes], databases: Databases, batch: Batch, sequence: int
) -> None:
    """Write a batch.

    Args:
        transaction: an open write transaction.
        databases: the shard's databases.
        batch: what to write.
        sequence: the sequence number for the batch's outbox record.
    """
    if batch.memory:
        _write(transaction, databases.memory, batch.memory)
    if batch.names:
        _write(transaction, databases.names, batch.names)
    if batch.journal or batch.finished:
        _write_journal(transaction, databases.journal, batch)
    if batch.trim is not None:
        _trim(transaction, databases, batch.trim, sequence)
    if batch.outbox is not None:
        key = sequence.to_bytes(8, "big")
        transaction.put(key, batch.outbox, append=True, db=databases.outbox)
    if batch.dead or batch.retried:
        _write_dead(transaction, databases.dead, batch)
    if batch.waiting:
        apply_changes(transaction, databases, batch.waiting)
    if batch.usage:
        reach("usage.before")
        apply_usage(transaction, databases.usage, batch.usage)
        reach("usage.after")
    if batch.sets:
        reach("sets.before")
        apply_sets(transaction, databases, batch.sets)
        reach("sets.after")
    if batch.expiring or batch.removal is not None or batch.swept is not None:
        _write_expiry(transaction, databases, batch)


_REMOVERS: Final[dict[int, Remover]] = {
    FIELD: remove_field,
    ITEM: remove_item,
    REMNANT: remove_remnant,
}
"""What removes an entry of each kind of the table `expiring`."""


def _write(
    transaction: lmdb.Transaction[bytes], database: Any, changes: dict[bytes, bytes | None]
) -> None:
    """Put all values and delete what is None.

    They are not sorted first, which would cost more than it saves: LMDB copies a page only once.
    """
    values: Any = changes
    deleted = [key for key, value in changes.items() if value is None]
    if deleted:
        for key in deleted:
            transaction.delete(key, db=database)
        values = {key: value for key, value in changes.items() if value is not None}
    transaction.cursor(database).putmulti(values.items())


def _write_journal(transaction: lmdb.Transaction[bytes], database: Any, batch: Batch) -> None:
    """Delete the records of finished runs; add and delete records of others."""
    finished = set(map(journal_prefix, batch.finished))
    if finished:
        cursor = transaction.cursor(database)
        if cursor.first():
            for prefix in finished:
                while cursor.set_range(prefix) and cursor.key().startswith(prefix):
                    cursor.delete()
    for key, data in batch.journal:
        if key[:8] in finished:
            continue
        if data is None:
            transaction.delete(key, db=database)
        else:
            transaction.put(key, data, db=database)


def _trim(
    transaction: lmdb.Transaction[bytes], databases: Databases, last: int, sequence: int
) -> None:
    """Delete outbox records up to number `last`; `sequence` is the next number to be used."""
    cursor = transaction.cursor(databases.outbox)
    trimmed = False
    while cursor.first() and int.from_bytes(cursor.key(), "big") <= last:
        cursor.delete()
        trimmed = True
    if trimmed:
        reach("trim.inside")
        # An empty outbox does not show which numbers have been used.
        transaction.put(b"sequence", (sequence - 1).to_bytes(8, "big"), db=databases.meta)


def _write_dead(transaction: lmdb.Transaction[bytes], database: Any, batch: Batch) -> None:
    for offset in batch.retried:
        transaction.delete(offset.to_bytes(8, "big"), db=database)
    for letter in batch.dead:
        transaction.put(letter.offset.to_bytes(8, "big"), letter.encode(), db=database)
        reach("dead.inside")


def _write_expiry(transaction: lmdb.Transaction[bytes], databases: Databases, batch: Batch) -> None:
    if batch.expiring:
        _write(transaction, databases.expiring, batch.expiring)
    if batch.swept is not None:
        _write(transaction, databases.meta, {SWEPT: batch.swept or None})
    if batch.removal is not None:
        horizon = batch.removal.until.to_bytes(8, "big")
        transaction.put(HORIZON, horizon, db=databases.meta)
        remove_expired(transaction, databases, batch.removal, _REMOVERS)
