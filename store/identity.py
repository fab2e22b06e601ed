"""Which store an LMDB environment is a part of.

A store has a random identity. Each of its parts (a shard, the progress log, a request log) records
that identity, and a shard also its number and the number of shards. So a part that is lost, comes
from another store or from another place in this one is found when it is opened, and is never begun
anew in silence.
"""

from __future__ import annotations

from dataclasses import dataclass
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from ..agent.errors import ForeignStoreError, StoreCorruptError, StoreFormatError
from .lmdb_env import has_data

if TYPE_CHECKING:
    from pathlib import Path

    import lmdb

__all__ = ["StoreIdentity", "check_present", "new_identity"]

STORE_KEY = b"store"
COUNT_KEY = b"count"

_RESTORE = "Restore the state directory from a copy, or begin anew with another one."


def new_identity() -> str:
    """Return a new random identity."""
    return token_hex(16)


def check_present(path: Path, what: str) -> None:
    """Check that a part of a store, which must exist, has data.

    Raises:
        StoreCorruptError: it was deleted or emptied.
    """
    if not has_data(path):
        if path.is_dir():
            raise StoreCorruptError(f"{what} is empty: there is no data in {path}.", hint=_RESTORE)
        raise StoreCorruptError(f"{what} is missing: there is no data in {path}.", hint=_RESTORE)


@dataclass(frozen=True, slots=True)
class StoreIdentity:
    """The identity of a store, and its number of shards."""

    store: str
    shards: int

    def record(self, transaction: lmdb.Transaction[bytes], database: Any) -> None:
        """Record them in a part of the store."""
        transaction.put(STORE_KEY, bytes.fromhex(self.store), db=database)
        transaction.put(COUNT_KEY, self.shards.to_bytes(8, "big"), db=database)

    def check(
        self, transaction: lmdb.Transaction[bytes], database: Any, path: Path, *, required: bool
    ) -> bool:
        """Check what a part of the store has recorded; return whether it has recorded anything.

        Args:
            transaction: any transaction.
            database: the database of the part that has the record.
            path: the part's directory, for the messages.
            required: whether a part without a record is an error.

        Raises:
            ForeignStoreError: it is a part of another store, or has no record.
            StoreFormatError: the store had another number of shards when it was made.
        """
        store = transaction.get(STORE_KEY, None, database)
        if store is None:
            if required:
                raise ForeignStoreError(
                    f"{path} does not belong to this state directory: it names no store.",
                    hint="Put back what was there before.",
                )
            return False
        if store.hex() != self.store:
            raise ForeignStoreError(
                f"{path} belongs to another state directory.",
                hint="Put back what was there before.",
            )
        count = int.from_bytes(transaction.get(COUNT_KEY, b"", database), "big")
        if count != self.shards:
            raise StoreFormatError(
                f"{path} is of a store with {count} shards, and the manifest says {self.shards}.",
                hint="Undo the change of tamias.json: the number of shards never changes.",
            )
        return True
