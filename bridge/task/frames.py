"""The frames between a Flink task and its pool's launcher, over a pipe.

A frame is its length (u32, of all that follows), one byte for its kind, and a body. All integers
are little endian, as in the outbox records that most of the traffic consists of.

From the task:

====  ==================================================================================
`C`   configuration: JSON; the first frame
`R`   restore: age (u32), then a part of a key group's memory, as the launcher gave it in an `m`
      part; group after group, and in each from the newest checkpoint (age 0) to older ones
`J`   restore: journal records, as in a `j` part
`L`   restore: dead letters, as in a `d` part
`W`   restore: what waits, as in a `w` part; of other key groups, too
`G`   go: nothing more is to be restored
`I`   inputs: first offset (u64), count (u32), bytes of keys (u32), then the length of each key and
      of each payload (u32), then the keys, then the payloads; offsets go up by the configured step
`A`   acknowledge: number (u64); the task is done with records up to this one
`B`   barrier: checkpoint (u64), and whether a later one may be built upon it (u8); what was sent
      before is part of it, what comes after is not
`Q`   query: checkpoint (u64), count (u32), then the length of each key (u32), then the keys, in
      the order of their groups: only the memory of these keys is needed, and of those whose owned
      runs were performed since the last barrier upon which checkpoints may be built
`P`   pull: checkpoint (u64); send the next parts of it
`D`   drop: checkpoint (u64); no more of it is needed
`Z`   end of the input: no more inputs are sent; finish, and report that (`F`)
====  ==================================================================================

From the launcher:

====  ==================================================================================
`K`   restored: all of it is in the store, and stays there if the launcher dies
`O`   outputs: number (u64), shard (u32), sequence in the shard (u64), and an outbox record,
      unchanged; a shard's record may come again from another launcher, under the same sequence
`S`   parts of a checkpoint: checkpoint (u64), then of each part its kind (one byte, see below), its
      length (u32) and its body
`M`   metrics and heartbeat: JSON
`F`   the input has ended, all is done, and nothing waits
`E`   the pool has ended: JSON with the error
====  ==================================================================================

Kinds of parts, in this order:

====  ==================================================================================
`a`   empty; only if some keys were asked for: it has too many others to add, and sends all memory
`j`   journal records of inputs: `(offset u64, key 17 bytes, length u32, data)` one after another
`o`   an outbox record: shard (u32), sequence (u64), record
`d`   dead letters: `(offset u64, group u16, length u32, data)` one after another
`m`   memory: group (u16), count (u32), so many prefixes of keys `(length u8, prefix)`, then entries
      `(which u8, key length u32, value length u32, key, value)`; `which` is 0 for memory, 1 for
      names, 2 for memory sets (`store/sets/transfer`). If only some keys were asked for, the
      prefixes are theirs, and the group's owner of shared sets; a prefix may have no entry.
      The entries of a key may continue in the next part. The highest bit of the count is set if
      there are entries of memory sets: versions that would lose them cannot read the part.
`w`   what waits: entries as in an `m` part (`store/shard/transfer.py`); opaque to the task
`e`   the end
====  ==================================================================================

Pure: bytes in, bytes out.
"""

from __future__ import annotations

import struct
from array import array
from itertools import accumulate, pairwise, starmap
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ...store.shard.key_groups import IN_SETS, KeyGroupEntry
from ...store.shard.transfer import WaitingEntry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ...launcher.delivery.source import Record

CONFIGURE: Final = ord("C")
RESTORE_MEMORY: Final = ord("R")
RESTORE_JOURNAL: Final = ord("J")
RESTORE_LETTERS: Final = ord("L")
RESTORE_WAITING: Final = ord("W")
GO: Final = ord("G")
INPUTS: Final = ord("I")
ACKNOWLEDGE: Final = ord("A")
BARRIER: Final = ord("B")
QUERY: Final = ord("Q")
PULL: Final = ord("P")
DROP: Final = ord("D")
END_OF_INPUT: Final = ord("Z")

RESTORED: Final = b"K"
OUTPUTS: Final = b"O"
PARTS: Final = b"S"
METRICS: Final = b"M"
FINISHED: Final = b"F"
ERROR: Final = b"E"

ALL: Final = b"a"
JOURNAL: Final = b"j"
OUTBOX: Final = b"o"
LETTERS: Final = b"d"
MEMORY: Final = b"m"
WAITING: Final = b"w"
END: Final = b"e"

_LENGTH: Final = struct.Struct("<I")
_HEAD: Final = struct.Struct("<IB")
_BATCH: Final = struct.Struct("<QII")
_QUERY: Final = struct.Struct("<QI")
_NUMBER: Final = struct.Struct("<Q")
_RECORD: Final = struct.Struct("<IQ")
_ENTRY: Final = struct.Struct("<BII")
_GROUP: Final = struct.Struct("<HI")
_HAS_SETS: Final = 1 << 31
_AGE: Final = struct.Struct("<I")
_JOURNAL: Final = struct.Struct("<Q17sI")
_LETTER: Final = struct.Struct("<QHI")


class Frame(NamedTuple):
    """One frame of the stream."""

    kind: int
    body: bytes


class Memory(NamedTuple):
    """The body of an `m` part."""

    group: int
    prefixes: list[bytes]
    entries: list[KeyGroupEntry]


class Inputs(NamedTuple):
    """The body of an `I` frame."""

    first: int
    records: list[Record]


class Deframer:
    """Splits a stream of bytes into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """Add received bytes; return the frames that are complete."""
        buffer = self._buffer
        buffer += data
        frames = []
        position = 0
        with memoryview(buffer) as view:
            while len(buffer) - position >= _HEAD.size:
                length, kind = _HEAD.unpack_from(view, position)
                end = position + _LENGTH.size + length
                if end > len(buffer):
                    break
                frames.append(Frame(kind, bytes(view[position + _HEAD.size : end])))
                position = end
        del buffer[:position]
        return frames


def pack(kind: bytes, *parts: bytes | memoryview) -> list[bytes | memoryview]:
    """A frame, as the pieces to write one after another."""
    return [_LENGTH.pack(1 + sum(map(len, parts))), kind, *parts]


def pack_number(number: int) -> bytes:
    """A number as a body, or as the beginning of one."""
    return _NUMBER.pack(number)


def number_of(body: bytes) -> int:
    """Inverse of `pack_number`."""
    (number,) = _NUMBER.unpack_from(body)
    return int(number)


def unpack_barrier(body: bytes) -> tuple[int, bool]:
    """The checkpoint in a `B` frame, and whether a later one may be built upon it."""
    return number_of(body), body[_NUMBER.size :] == b"\1"


def pack_place(shard: int, sequence: int) -> bytes:
    """The place of an outbox record, in front of it."""
    return _RECORD.pack(shard, sequence)


def unpack_record(body: bytes) -> tuple[int, int, bytes]:
    """Shard, sequence and outbox record of an `o` part, or of an `O` frame behind its number."""
    return (*_RECORD.unpack_from(body), body[_RECORD.size :])


def unpack_inputs(body: bytes) -> Inputs:
    """The inputs of an `I` frame."""
    first, count, key_bytes = _BATCH.unpack_from(body)
    start = _BATCH.size
    lengths = array("I", body[start : start + 8 * count])
    first_key = start + 8 * count
    key_ends = accumulate(lengths[:count], initial=first_key)
    payload_ends = accumulate(lengths[count:], initial=first_key + key_bytes)
    return Inputs(
        first,
        [
            (body[key_start:key_end], body[start:end], None)
            for (key_start, key_end), (start, end) in zip(
                pairwise(key_ends), pairwise(payload_ends), strict=True
            )
        ],
    )


# -- parts of a checkpoint --------------------------------------------------------------------


def pack_parts(parts: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Parts (kind, body), as an `S` frame carries them."""
    packed: list[bytes] = []
    for kind, body in parts:
        packed += (kind, _LENGTH.pack(len(body)), body)
    return b"".join(packed)


def unpack_parts(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Inverse of `pack_parts`."""
    position = 0
    while position < len(body):
        (length,) = _LENGTH.unpack_from(body, position + 1)
        start = position + 1 + _LENGTH.size
        yield body[position : position + 1], body[start : start + length]
        position = start + length


def pack_memory(memory: Memory) -> bytes:
    """The body of an `m` part."""
    has_sets = any(entry.which == IN_SETS for entry in memory.entries)
    parts = [_GROUP.pack(memory.group, len(memory.prefixes) | has_sets * _HAS_SETS)]
    for prefix in memory.prefixes:
        parts += (bytes((len(prefix),)), prefix)
    parts += _pack_entries(memory.entries)
    return b"".join(parts)


def _pack_entries(entries: Iterable[tuple[int, bytes, bytes]]) -> Iterator[bytes]:
    for which, key, value in entries:
        yield from (_ENTRY.pack(which, len(key), len(value)), key, value)


def _unpack_entries(body: bytes, position: int) -> Iterator[tuple[int, bytes, bytes]]:
    while position < len(body):
        which, key_length, value_length = _ENTRY.unpack_from(body, position)
        position += _ENTRY.size
        middle, end = position + key_length, position + key_length + value_length
        yield which, body[position:middle], body[middle:end]
        position = end


def pack_waiting(entries: Iterable[WaitingEntry]) -> bytes:
    """The body of a `w` part."""
    return b"".join(_pack_entries(entries))


def unpack_waiting(body: bytes) -> Iterator[WaitingEntry]:
    """Inverse of `pack_waiting`."""
    return starmap(WaitingEntry, _unpack_entries(body, 0))


def unpack_memory(body: bytes) -> Memory:
    """Inverse of `pack_memory`."""
    group, count = _GROUP.unpack_from(body)
    position = _GROUP.size
    prefixes = []
    for _ in range(count & ~_HAS_SETS):
        end = position + 1 + body[position]
        prefixes.append(body[position + 1 : end])
        position = end
    entries = list(starmap(KeyGroupEntry, _unpack_entries(body, position)))
    return Memory(group, prefixes, entries)


def unpack_restored(body: bytes) -> tuple[int, Memory]:
    """The age and the memory in an `R` frame."""
    (age,) = _AGE.unpack_from(body)
    return age, unpack_memory(body[_AGE.size :])


def unpack_query(body: bytes) -> tuple[int, list[bytes]]:
    """The checkpoint and the keys in a `Q` frame."""
    checkpoint, count = _QUERY.unpack_from(body)
    start = _QUERY.size + 4 * count
    lengths = array("I", body[_QUERY.size : start])
    ends = accumulate(lengths, initial=start)
    return checkpoint, [body[start:end] for start, end in pairwise(ends)]


def pack_journal(records: Iterable[tuple[int, bytes, bytes]]) -> bytes:
    """The body of a `j` part, of offsets, stored keys and stored data."""
    return _pack_records(_JOURNAL, records)


def unpack_journal(body: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Inverse of `pack_journal`."""
    return _unpack_records(_JOURNAL, body)


def pack_letters(letters: Iterable[tuple[int, int, bytes]]) -> bytes:
    """The body of a `d` part, of offsets, key groups and stored letters."""
    return _pack_records(_LETTER, letters)


def unpack_letters(body: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Inverse of `pack_letters`."""
    return _unpack_records(_LETTER, body)


def _pack_records(head: struct.Struct, records: Iterable[tuple[int, Any, bytes]]) -> bytes:
    """Records in a row: two fields and the length of the data, as `head`, then the data."""
    parts = []
    for first, second, data in records:
        parts += [head.pack(first, second, len(data)), data]
    return b"".join(parts)


def _unpack_records(head: struct.Struct, body: bytes) -> Iterator[tuple[int, Any, bytes]]:
    """Inverse of `_pack_records`."""
    position = 0
    while position < len(body):
        first, second, length = head.unpack_from(body, position)
        position += head.size
        yield first, second, body[position : position + length]
        position += length
