"""How long fields of short-term memory live: what a shard keeps of that, and what follows from it.

A field's record has the time at which it was last written or read (`encoding.stamps`). How long it
lives after that is laid down once for the shard, in the table `meta`, by the worker that acquires
it. So every reader judges a field in the same way, and a change of the option counts at once for
the fields that are there.

- A field without a time was written before the option was turned on: it has lived since then.
- If the option was off for a while, all fields have lived since it was turned on again, at least.

The table `expiring` has at least one entry for each field, at the moment when it expires, or
before. Fields that are written again and again have one entry nevertheless: when it is due, it is
moved to the moment that the record says. What was there before the option was turned on is listed
by a *sweep*, a little with each commit; so are the fields of a restored checkpoint.

The *horizon* is the moment up to which commits have removed what was due. It never goes back, so a
clock that is set back does not bring anything back.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from ..encoding.paths import is_cut
from ..encoding.stamps import UNSTAMPED, split
from ..records.due_keys import FIELD, expiring_key

if TYPE_CHECKING:
    import lmdb

__all__ = ["BEGIN", "FIELD_TTL", "HORIZON", "SWEPT", "FieldTtl", "remove_field"]

FIELD_TTL: Final = b"field_ttl"
"""The name in `meta` of the encoded `FieldTtl`."""
SWEPT: Final = b"field_ttl_swept"
"""The name in `meta` of the address that the sweep has come to; not there if none is under way."""
HORIZON: Final = b"expired_until"
"""The name in `meta` of the horizon."""
BEGIN: Final = b"\0"
"""Where a sweep begins; sorts before all addresses."""

_GRAINS: Final = 100


@dataclass(frozen=True, slots=True)
class FieldTtl:
    """How long the fields of a shard live.

    Attributes:
        milliseconds: after the last time that counts; 0: for ever.
        reading_counts: whether the time of a read counts, too.
        shows_expired: whether expired fields are seen until a commit removes them.
        since: when fields without a time have begun to live.
        floor: when fields with an earlier time have begun to live.
    """

    milliseconds: int
    reading_counts: bool = True
    shows_expired: bool = False
    since: int = 0
    floor: int = 0

    def due(self, time: int) -> int:
        """The moment when a field expires whose record has this time."""
        if time == UNSTAMPED:
            return self.since + self.milliseconds
        return max(time, self.floor) + self.milliseconds

    def due_of(self, record: bytes) -> int:
        """The moment when a field with this record expires."""
        return self.due(split(record)[0])

    @property
    def grain(self) -> int:
        """By how much a recorded time of a read may be too old, in milliseconds."""
        return max(1, self.milliseconds // _GRAINS)

    def seen_at(self, now: int, horizon: int) -> int:
        """The moment by which to judge what is seen: fields that are due by then are not."""
        return horizon if self.shows_expired else max(now, horizon)

    def replaced_by(self, wanted: FieldTtl, now: int) -> FieldTtl:
        """What is to be kept when an option is changed from this to `wanted`."""
        if not wanted.milliseconds:
            return replace(self, milliseconds=0)
        if self.milliseconds:
            return replace(wanted, since=self.since, floor=self.floor)
        return replace(wanted, since=now, floor=now)

    def needs_sweep_after(self, before: FieldTtl | None) -> bool:
        """Whether fields may have no entry in `expiring` that is early enough."""
        if not self.milliseconds:
            return False
        return before is None or not 0 < before.milliseconds <= self.milliseconds

    def is_same_option(self, other: FieldTtl) -> bool:
        """Whether both stand for the same values of the options."""
        if self.milliseconds != other.milliseconds:
            return False
        return not self.milliseconds or (
            (self.reading_counts, self.shows_expired) == (other.reading_counts, other.shows_expired)
        )

    def encode(self) -> bytes:
        """The record in `meta`."""
        return json.dumps(asdict(self)).encode()

    @staticmethod
    def decode(data: bytes | None) -> FieldTtl | None:
        """Inverse of `encode`; None stays None."""
        return None if data is None else _decoded(data)


@lru_cache(maxsize=64)
def _decoded(data: bytes) -> FieldTtl:
    return FieldTtl(**json.loads(data))


def remove_field(
    transaction: lmdb.Transaction[bytes], databases: Any, until: int, address: bytes
) -> None:
    """Remove a field if it has expired by a moment; else list it for the moment when it does."""
    record = transaction.get(address, None, databases.memory)
    ttl = FieldTtl.decode(transaction.get(FIELD_TTL, None, databases.meta))
    if record is None or ttl is None or not ttl.milliseconds:
        return
    due = ttl.due_of(record)
    if due > until:
        transaction.put(expiring_key(due, FIELD, address), b"", db=databases.expiring)
        return
    transaction.delete(address, db=databases.memory)
    if is_cut(address):
        transaction.delete(address, db=databases.names)
