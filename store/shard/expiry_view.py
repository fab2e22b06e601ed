"""What one snapshot of a shard shows of expiry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .expiring import REMOVED_AT_ONCE, DueEntry, due_entries, first_due
from .field_ttl import FIELD_TTL, HORIZON, SWEPT, FieldTtl

if TYPE_CHECKING:
    import lmdb

__all__ = ["ExpiryView"]


class ExpiryView:
    """What is laid down about expiry in a shard, and what is due."""

    __slots__ = ("_databases", "_transaction")

    def __init__(self, transaction: lmdb.Transaction[bytes], databases: Any) -> None:
        self._transaction = transaction
        self._databases = databases

    def _meta(self, name: bytes) -> bytes | None:
        found: bytes | None = self._transaction.get(name, None, self._databases.meta)
        return found

    def field_ttl(self) -> FieldTtl | None:
        """How long fields live; None if that was never laid down."""
        return FieldTtl.decode(self._meta(FIELD_TTL))

    def horizon(self) -> int:
        """The moment up to which commits have removed what was due; 0 if none has."""
        return int.from_bytes(self._meta(HORIZON) or b"", "big")

    def swept(self) -> bytes | None:
        """The address that the sweep has come to; None if none is under way."""
        return self._meta(SWEPT)

    def first_due(self) -> int | None:
        """The moment of the first entry of `expiring`, None if there is none."""
        return first_due(self._transaction, self._databases.expiring)

    def due(self, until: int, limit: int = REMOVED_AT_ONCE, after: bytes = b"") -> list[DueEntry]:
        """The first entries of `expiring` that are due by a moment, behind one with a key."""
        return due_entries(self._transaction, self._databases.expiring, until, limit, after)

    def fields_behind(self, address: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """The next fields of any key behind an address, with their records."""
        found: list[tuple[bytes, bytes]] = []
        cursor: Any = self._transaction.cursor(self._databases.memory)
        present = cursor.set_range(address)
        while present and len(found) < limit:
            if cursor.key() != address:
                found.append(cursor.item())
            present = cursor.next()
        return found
