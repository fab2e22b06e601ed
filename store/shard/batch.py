"""A batch: everything one commit changes in a shard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..encoding.paths import MAX_ADDRESS, cut, encode_path

if TYPE_CHECKING:
    from ..records.dead_letters import DeadLetter

__all__ = ["Batch"]

_SEQUENCE_BYTES: Final = 8
_OFFSET_BYTES: Final = 8


class Batch:
    """Changes to be committed together, all or nothing.

    A batch is filled by a worker run by run and handed to `Shard.commit`. Its attributes are open
    to its caller, because this is the busiest place of the store.

    Attributes:
        memory: value of each memory field by its address, None to delete it; see `put_field`.
        names: what hashed keys and cut addresses stand for; None to delete.
        journal: journal records to add, as (key, data), or with None to take back; see
            `journal.journal_key`.
        finished: offsets of runs whose journal is dropped, after `journal` is applied.
        outbox: a record for the outbox, or None.
        trim: outbox records up to and including this sequence number are dropped; None drops none.
        dead: inputs set aside.
        retried: offsets of dead letters to remove, before `dead` are added.
    """

    __slots__ = (
        "dead",
        "finished",
        "journal",
        "memory",
        "names",
        "outbox",
        "retried",
        "trim",
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

    def put_field(self, prefix: bytes, path: str, value: bytes | None) -> None:
        """Set a memory field, or delete it if `value` is None; see `put_fields`."""
        self.put_fields(prefix, {path: value})

    def put_fields(self, prefix: bytes, fields: dict[str, bytes | None]) -> None:
        """Set memory fields of a key, or delete those whose value is None.

        Args:
            prefix: the key's prefix (`keys.key_prefix`).
            fields: by dotted path, the encoded value; `b""` marks an object.
        """
        memory = self.memory
        for path, value in fields.items():
            try:
                full = prefix + path.encode()
            except UnicodeEncodeError:
                full = prefix + encode_path(path)
            if len(full) > MAX_ADDRESS:
                stored = cut(full)
                self.names[stored] = None if value is None else full[len(prefix) :]
                memory[stored] = value
            else:
                memory[full] = value

    def name_key(self, prefix: bytes, key_bytes: bytes) -> None:
        """Keep the full encoding of a key whose prefix is a hash, so that readers can name it."""
        self.names[prefix] = key_bytes

    def size(self) -> int:
        """How many bytes of records a commit adds: keys and values, without what LMDB needs."""
        fields = (*self.memory.items(), *self.names.items(), *self.journal)
        size = sum(len(key) + len(value) for key, value in fields if value is not None)
        if self.outbox is not None:
            size += _SEQUENCE_BYTES + len(self.outbox)
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
        )
