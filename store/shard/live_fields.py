"""The fields of short-term memory that readers see: those that have not expired."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .. import clock
from ..encoding.stamps import split

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .snapshot import Snapshot

__all__ = ["LiveFields"]

_FIRST: Final = 64
_ALL: Final = 1 << 62


class LiveFields:
    """The live fields of a snapshot, as of the moment at which this object is made."""

    __slots__ = ("_moment", "_snapshot", "_ttl")

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        expiry = snapshot.expiry
        ttl = expiry.field_ttl()
        self._ttl = ttl if ttl is not None and ttl.milliseconds else None
        self._moment = 0
        if self._ttl is not None:
            self._moment = self._ttl.seen_at(clock.milliseconds(), expiry.horizon())

    def scan(self, prefix: bytes, under: str = "") -> list[tuple[str, bytes]]:
        """As `Snapshot.scan`; the records are without times."""
        found = self._snapshot.scan(prefix, under)
        return [(path, split(record)[1]) for path, record in found if self.is_live(record)]

    def prefixes(self, start: bytes = b"") -> Iterator[bytes]:
        """Yield the prefix of each key that has memory, in ascending order, from an address on."""
        for prefix in self._snapshot.prefixes(start):
            if self._ttl is None or self._has_live(prefix):
                yield prefix

    def count(self) -> int:
        """Return the number of fields, of all keys."""
        if self._ttl is None:
            return self._snapshot.counts()["memory"]
        return sum(self._count_of(prefix) for prefix in self._snapshot.prefixes())

    def _count_of(self, prefix: bytes) -> int:
        records, _ = self._snapshot.fields(prefix, _ALL)
        return sum(map(self.is_live, records.values()))

    def _has_live(self, prefix: bytes) -> bool:
        for limit in (_FIRST, _ALL):
            records, complete = self._snapshot.fields(prefix, limit)
            if any(map(self.is_live, records.values())):
                return True
            if complete:
                break
        return False

    def is_live(self, record: bytes) -> bool:
        """Return whether a record is seen; its first eight bytes are enough."""
        return self._ttl is None or self._ttl.due_of(record) > self._moment
