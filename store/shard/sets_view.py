"""The memory sets of a shard at one commit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..sets.naming import sets_in
from ..sets.reading import StoredSet

if TYPE_CHECKING:
    from collections.abc import Iterator

    import lmdb

    from ..sets.changes import SetName

__all__ = ["SetsView"]


class SetsView:
    """The memory sets of a shard at one commit; for one thread at a time.

    Attributes:
        transaction: gives records as they lie in the map, which saves large ones a copy. LMDB's
            binding has that for a whole transaction alone.
    """

    __slots__ = ("_handle", "_table", "transaction")

    def __init__(self, handle: lmdb.Environment, databases: Any) -> None:
        """`databases` are the tables of the shard; `sets` is read."""
        self._handle = handle
        self._table = databases.sets
        self.transaction: Final[lmdb.Transaction[Any]] = handle.begin(buffers=True)

    def set(self, name: SetName) -> StoredSet:
        """A memory set; one that is not there is empty."""
        return StoredSet(self.transaction, self._table, name, self._handle)

    def sets(self, owner: bytes | None = None, start: bytes = b"") -> Iterator[SetName]:
        """Yield the memory sets of an owner (`store.sets.records`), or of all from an address."""
        return sets_in(self.transaction, self._table, owner, start)

    def close(self) -> None:
        """End the transaction; what it has given cannot be used any more."""
        self.transaction.abort()
