"""A batch: all changes of one commit in a shard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..encoding.paths import MAX_ADDRESS, SHORT_ENDS, address, cut, end_of
from ..records.due_keys import FIELD, expiring_key
from ..waiting.changes import WaitingChanges

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..records.dead_letters import DeadLetter
    from ..records.usage import UsageChange
    from ..sets.changes import SetChange, SetName
    from .expiring import Removal

__all__ = ["Batch"]

_SEQUENCE_BYTES: Final = 8
_OFFSET_BYTES: Final = 8


class Batch:
    """Changes to be committed atomically.

    A worker adds run after run to a batch and passes it to `Shard.commit`. The worker changes its
    attributes directly, because this is the busiest code of the store.

    Attributes:
        memory: value of each memory field by its address, None to delete it; see `put_field`.
        names: the full form of hashed keys and cut addresses; None to delete it.
        journal: journal records to add, as (key, data), or with None to delete; see
            `journal.journal_key`.
        finished: offsets of runs whose journal is dropped, after `journal` is applied.
        outbox: a record for the outbox, or None.
        trim: outbox records up to and including this sequence number are dropped; None drops none.
        dead: dead letters to add.
        retried: offsets of dead letters to remove, before `dead` are added.
        waiting: changes of what waits; None if there are none.
        usage: what is added to sums of what calls have used (`records.usage`).
        sets: changes of memory sets, in order.
        expiring: entries of the table `expiring` (`shard.expiring`): empty to add it, None to
            delete it.
        removal: what has expired and is removed, after all that; None for nothing.
        swept: the address that the sweep has come to (`shard.field_ttl`); empty: it has ended.
    """

    __slots__ = (
        "dead",
        "expiring",
        "finished",
        "journal",
        "memory",
        "names",
        "outbox",
        "removal",
        "retried",
        "sets",
        "swept",
        "trim",
        "usage",
        "waiting",
    )

    def __init__(self) -> None:
        self.memory: dict[bytes, bytes | None] = {}
        self.names: dict[bytes, bytes | None] = {}
        self.journal: list[tuple[bytes, bytes | None]] = []
        self.finished: list[int] = []
        self.outbox: bytes | None = None
        self.trim: int | None = None
        self.dead: list[DeadLetter] = []
        self.retried: list[int] = []
        self.waiting: WaitingChanges | None = None
        self.usage: list[UsageChange] = []
        self.sets: list[tuple[SetName, SetChange]] = []
        self.expiring: dict[bytes, bytes | None] = {}
        self.removal: Removal | None = None
        self.swept: bytes | None = None

    def changes_of_waiting(self) -> WaitingChanges:
        """The batch's `waiting`, made at the first use."""
        if self.waiting is None:
            self.waiting = WaitingChanges()
        return self.waiting

    def put_field(self, prefix: bytes, path: str, value: bytes | None) -> None:
        """Set a memory field of a key, or delete it if `value` is None.

        Args:
            prefix: the key's prefix (`keys.key_prefix`).
            path: the dotted path.
            value: the encoded value; `b""` marks an object.
        """
        full = prefix + (SHORT_ENDS.get(path) or end_of(path))
        if len(full) > MAX_ADDRESS:
            stored = cut(full)
            self.names[stored] = None if value is None else full[len(prefix) :]
            self.memory[stored] = value
        else:
            self.memory[full] = value

    def expire_field(self, prefix: bytes, path: str, due: int) -> None:
        """List a field that expires at a moment, in milliseconds since the epoch."""
        self.expiring[expiring_key(due, FIELD, address(prefix, path))] = b""

    def put_fields(self, prefix: bytes, fields: dict[str, bytes | None]) -> None:
        """Set memory fields of a key by their paths, or delete them; see `put_field`."""
        for path, value in fields.items():
            self.put_field(prefix, path, value)

    def name_key(self, prefix: bytes, key_bytes: bytes) -> None:
        """Store the full encoding of a key whose prefix is a hash, for readers."""
        self.names[prefix] = key_bytes

    def size(self) -> int:
        """How many bytes of records a commit adds: keys and values, without what LMDB needs."""
        size = sum(map(_size_of, (self.memory, self.names, self.expiring)))
        size += sum(len(key) + len(data) for key, data in self.journal if data is not None)
        if self.outbox is not None:
            size += _SEQUENCE_BYTES + len(self.outbox)
        if self.waiting is not None:
            size += self.waiting.size()
        size += sum(len(name) + len(use.encode()) + len(key) for name, use, key in self.usage)
        return size + sum(_OFFSET_BYTES + len(letter.encode()) for letter in self.dead)

    def __bool__(self) -> bool:
        return bool(
            self.memory
            or self.outbox is not None
            or self.journal
            or self.finished
            or self.trim is not None
            or self.dead
            or self.retried
            or self.names
            or self.waiting
            or self.usage
            or self.sets
            or self.expiring
            or self.removal is not None
            or self.swept is not None
        )


def _size_of(fields: Mapping[bytes, bytes | None]) -> int:
    """The bytes of keys and values, without those of what is deleted; counted at each commit."""
    try:
        return sum(map(len, fields)) + sum(map(len, fields.values()))  # type: ignore[arg-type]
    except TypeError:  # a value is None
        return sum(len(key) + len(value) for key, value in fields.items() if value is not None)
