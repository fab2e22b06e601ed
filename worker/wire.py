"""The messages between launcher and worker.

A message is one frame (behind the routing id, on the launcher's side) and its first byte is its
kind. Nothing on this wire is a pickle: the launcher must be able to read what a worker sends
although user code ran in that worker, and a worker must cut a batch into inputs without making
more objects than it needs. So batches are sent as *columns*: integers of fixed width, then all the
bytes joined; slices cut them apart.

Kinds from the launcher:

====  ==================================================================================
`I`   inputs: counts, then offsets, key lengths, payload lengths, keys, payloads, rejections (JSON)
`A`   acknowledgement: JSON `{shard: sequence}`, outbox records the sink has for good
`L`   release a shard, all sent inputs of which are done: JSON `{"shard": n}`
`T`   take a shard: JSON `{"shard": n}`
`Z`   end of input: JSON `{"round": n, "ends": bool}`: report when there is nothing to do (`z`);
      `ends`: perform the runs of the end of the input before
`W`   answer: JSON `{"id": n, "token": ..., "value": base64, "codec": ..., "by": ...}`: record it
`H`   halt: begin nothing more; drop what has not begun, and report when nothing is executed (`h`)
`C`   configure: JSON `{"settings": {key: value}, "on_error": ...}`, new values of live options
`P`   permits: JSON `{"grants": [[number, route, time]], "waits": [[number, until, queued]],
      "refusals": [[number, limit]]}`, replies to what calls with limits have asked for (`p`)
`V`   streams: JSON `{"want": [offset, ...], "forget": [...], "all": bool}`: inputs whose calls send
      what they write (`s`); `all`: no others
`S`   stop: all sent inputs are done; close the shards and exit
====  ==================================================================================

Kinds from a worker:

====  ==================================================================================
`O`   found in the outbox of a shard that it has just taken; as `D`
`R`   ready: JSON; its leases are held, and all it found in its outboxes has been sent
`D`   done: a count, then `(shard, sequence, length)` triples, then the outbox records
`l`   it has released a shard: JSON `{"shard": n}`
`t`   it has taken a shard, and all it found in its outbox has been sent: JSON `{"shard": n}`
`U`   due: numbers and keys of owned runs that are to go on, as in `I`, with empty payloads;
      of shards that it has reported in `R` or `t`, until it sends `l`
`z`   nothing is to be done now: JSON `{"round": n, "shards": {n: {"runs": ..., "inputs": ...,
      "timers": ..., "questions": ..., "next": seconds since the epoch or null}}}`
`p`   admit: JSON `{"asks": [[number, shard, since, key, [[route, limit, tokens, cost]]]],
      "ends": [[number, outcome, retry after, tokens, cost]],
      "usage": {shard: {limit: [tokens, cost]}}}`: calls that wait for a permit, calls that have
      ended, what those of a shard have used in all
`a`   an answer is recorded, or refused: JSON `{"id": n, "error": null or a JSON error}`
`h`   it has halted: all that it has begun is done or suspended, and reported; JSON `{}`
`s`   streamed: JSON `{"parts": [[offset, step, call, epoch, attempt, number, text, reasoning]]}`
`E`   an action failed and the pool's policy is to fail: JSON with the user's traceback
`M`   metrics and heartbeat: JSON
`X`   fatal: the worker itself cannot go on (disk full, foreign store): JSON
====  ==================================================================================

Integers are in native byte order: both ends always share a machine.
"""

from __future__ import annotations

import json
import struct
from array import array
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

INPUTS = b"I"
ACKNOWLEDGE = b"A"
RELEASE = b"L"
TAKE = b"T"
STOP = b"S"
CONFIGURE = b"C"
END_OF_INPUT = b"Z"
ANSWER = b"W"
HALT = b"H"
PERMITS = b"P"
WANTED = b"V"
DUE = b"U"
AT_REST = b"z"
ANSWERED = b"a"
ADMIT = b"p"
HALTED = b"h"
STREAMED = b"s"
FOUND = b"O"
READY = b"R"
DONE = b"D"
RELEASED = b"l"
TAKEN = b"t"
FAILED = b"E"
METRICS = b"M"
FATAL = b"X"


MOST_DUE: Final = 4096
"""So many owned runs at most may a worker have announced that it has not been sent, and list in
one message. Inputs go on beside them if it announces fewer than its credit."""


class InputBatch(NamedTuple):
    """One batch of inputs as a worker sees it; the three lists run in parallel."""

    offsets: list[int]
    keys: list[bytes]
    payloads: list[bytes]
    rejections: dict[int, dict[str, Any]]
    """Inputs that must not be run but set aside, by offset: the cause, error and attempts."""


_COUNTS: Final = struct.Struct("=xQQ")
"""Behind the kind: how many inputs, and how many bytes of keys."""
_ONE_INPUT: Final = struct.Struct("=cQQQQQ")
"""The same with the columns, if there is one input: who waits for one wants it soon."""
_ONE_RECORD: Final = struct.Struct("=cQQQQ")
"""What is in front of a record that is alone: kind, 1, shard, sequence and length."""
_WORD: Final = 8


def pack_inputs(
    offsets: Sequence[int],
    keys: Sequence[bytes],
    payloads: Sequence[bytes],
    rejections: dict[int, dict[str, Any]] | None = None,
) -> bytes:
    """An `I` message. The three sequences run in parallel."""
    tail = pack_json(rejections) if rejections else b""
    if len(offsets) == 1:
        key, payload = keys[0], payloads[0]
        sizes = len(key), len(payload)
        return _ONE_INPUT.pack(INPUTS, 1, sizes[0], offsets[0], *sizes) + key + payload + tail
    columns = array("Q", offsets)
    columns.extend(map(len, keys))
    columns.extend(map(len, payloads))
    all_keys = b"".join(keys)
    head = bytearray(_COUNTS.pack(len(offsets), len(all_keys)))
    head[:1] = INPUTS
    return b"".join((head, columns, all_keys, *payloads, tail))


def unpack_inputs(message: bytes) -> InputBatch:
    """Inverse of `pack_inputs`."""
    count, key_bytes = _COUNTS.unpack_from(message)
    if count == 1:
        *_, offset, key_bytes, size = _ONE_INPUT.unpack_from(message)
        start = _ONE_INPUT.size + key_bytes
        end = start + size
        return InputBatch(
            [offset],
            [message[_ONE_INPUT.size : start]],
            [message[start:end]],
            _rejections(message[end:]),
        )
    first_key = _COUNTS.size + 3 * count * _WORD
    numbers = array("Q", message[_COUNTS.size : first_key])
    offsets = numbers[:count].tolist()
    sizes = numbers[count:].tolist()
    keys = _parts(message, first_key, sizes[:count])
    first_payload = first_key + key_bytes
    payloads = _parts(message, first_payload, sizes[count:])
    end = first_payload + sum(sizes[count:])
    return InputBatch(offsets, keys, payloads, _rejections(message[end:]))


def _parts(message: bytes, start: int, sizes: list[int]) -> list[bytes]:
    parts: list[bytes] = []
    for size in sizes:
        end = start + size
        parts.append(message[start:end])
        start = end
    return parts


def _rejections(tail: bytes) -> dict[int, dict[str, Any]]:
    if not tail:
        return {}
    return {int(offset): rejection for offset, rejection in json.loads(tail).items()}


def pack_due(numbers: Sequence[int], keys: Sequence[bytes]) -> bytes:
    """A `U` message. The sequences run in parallel."""
    return DUE + pack_inputs(numbers, keys, [b""] * len(keys))[1:]


def unpack_due(message: bytes) -> tuple[list[int], list[bytes]]:
    """Inverse of `pack_due`."""
    batch = unpack_inputs(message)
    return batch.offsets, batch.keys


def pack_done(records: Sequence[tuple[int, int, bytes]], kind: bytes = DONE) -> bytes:
    """A `D` (or `O`) message from `(shard, sequence, encoded outbox record)` triples."""
    if len(records) == 1:
        shard, sequence, record = records[0]
        return _ONE_RECORD.pack(kind, 1, shard, sequence, len(record)) + record
    places = array("Q", [len(records)])
    for shard, sequence, record in records:
        places.extend((shard, sequence, len(record)))
    return b"".join((kind, places, *(record for _, _, record in records)))


def unpack_done(message: bytes) -> list[tuple[int, int, memoryview]]:
    """Inverse of `pack_done`; the records are views into `message`."""
    view = memoryview(message)
    (count,) = array("Q", message[1 : 1 + _WORD])
    if count == 1:
        _, _, shard, sequence, length = _ONE_RECORD.unpack_from(message)
        return [(shard, sequence, view[_ONE_RECORD.size : _ONE_RECORD.size + length])]
    end = 1 + _WORD * (1 + 3 * count)
    places = array("Q", message[1 + _WORD : end])
    records = []
    for shard, sequence, length in zip(places[::3], places[1::3], places[2::3], strict=True):
        start, end = end, end + length
        records.append((shard, sequence, view[start:end]))
    return records


def pack_json(body: Any) -> bytes:
    """The body of a small message."""
    return json.dumps(body, separators=(",", ":"), default=str).encode()


def pack(kind: bytes, body: Any) -> bytes:
    """A message with a JSON body."""
    return kind + pack_json(body)


def unpack(message: bytes) -> Any:
    """The JSON body of a message."""
    return json.loads(message[1:])
