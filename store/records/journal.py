"""Journal records: the finished steps of a run, which its replay does not repeat.

A run's records are stored under its input's offset until the run is finished and its effects are
committed. Their keys sort by (offset, action, kind, index), which is the order of replay: a call's
result before the effects of the action that made it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

__all__ = [
    "ACTION",
    "CALL",
    "CHANGED",
    "MOMENT",
    "JournalEntry",
    "journal_key",
    "journal_prefix",
]

CALL = 0
"""The result (or exception) of one durable call."""
ACTION = 1
"""A finished action: its memory changes and the events it sent."""
CHANGED = 2
"""Another run has changed the memory of a key, which is the data, since this run has begun: see
`worker.engine.unfinished`. Such records have action 0."""
MOMENT = 3
"""The moment by which the run judges what of its memory has expired, which is the data: see
`worker.memory.moment`. It has action 0."""

_KEY = struct.Struct(">QIBI")
_OFFSET = struct.Struct(">Q")
_pack_key = _KEY.pack
_pack_offset = _OFFSET.pack


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One record.

    Attributes:
        offset: the input's position, 0 or more.
        action: how many actions of the run were started before this one.
        kind: `CALL`, `ACTION`, `CHANGED` or `MOMENT`.
        index: number of the call within its action; counts records of `CHANGED`; else 0.
        data: the record, encoded by its writer.
    """

    offset: int
    action: int
    kind: int
    index: int
    data: bytes

    @property
    def key(self) -> bytes:
        """The key under which the record is stored."""
        return _pack_key(self.offset, self.action, self.kind, self.index)

    @classmethod
    def decode(cls, key: bytes, data: bytes) -> JournalEntry:
        """Rebuild a record from its stored key and value."""
        offset, action, kind, index = _KEY.unpack(key)
        return cls(offset, action, kind, index, data)


def journal_key(offset: int, action: int, kind: int, index: int) -> bytes:
    """Return the 17-byte key of a record; see `JournalEntry` for the parts."""
    return _pack_key(offset, action, kind, index)


def journal_prefix(offset: int) -> bytes:
    """Return the 8 bytes with which the keys of all records of one run begin."""
    return _pack_offset(offset)
