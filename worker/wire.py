"""What a launcher and a worker say to each other over ROUTER/DEALER.

A message is a multipart ZeroMQ message whose first frame is one byte, the kind. Nothing on this
wire is a pickle: the launcher must be able to read what a worker sends although user code ran in
that worker, and the worker must be able to cut a batch into inputs without building one object
more than it needs. So batches travel as *columns*: one frame of fixed-width integers and one
frame with all the bytes joined, cut apart again with slices.

Kinds from the launcher:

====  ==================================================================================
`I`   inputs: verdicts (JSON or empty), offsets, key lengths, keys, payload lengths, payloads
`A`   acknowledgement: JSON `{shard: sequence}`, outbox records the sink has for good
`S`   stop: everything sent has been answered; close the shards and leave
====  ==================================================================================

Kinds from a worker:

====  ==================================================================================
`R`   ready: JSON; its leases are held, and all it found in its outboxes has been sent
`D`   done: `(shard, sequence)` pairs, then one encoded outbox record per pair
`E`   an action failed and the pool's policy is to fail: JSON with the user's traceback
`M`   metrics and heartbeat: JSON
`X`   fatal: the worker itself cannot go on (disk full, foreign store): JSON
====  ==================================================================================

Integers are in native byte order: both ends always share a machine.
"""

from __future__ import annotations

import json
from array import array
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

INPUTS = b"I"
ACKNOWLEDGE = b"A"
STOP = b"S"
READY = b"R"
DONE = b"D"
FAILED = b"E"
METRICS = b"M"
FATAL = b"X"


class InputBatch(NamedTuple):
    """One batch of inputs as a worker sees it; the three lists run in parallel."""

    offsets: list[int]
    keys: list[bytes]
    payloads: list[bytes]
    verdicts: dict[int, dict[str, Any]]
    """Inputs that must not be run but set aside, by offset: the cause, error and attempts."""


def _column(values: Sequence[bytes]) -> tuple[bytes, bytes]:
    return array("Q", map(len, values)).tobytes(), b"".join(values)


def _cut(lengths: bytes, blob: bytes) -> list[bytes]:
    sizes = array("Q")
    sizes.frombytes(lengths)
    ends = list(accumulate(sizes))
    starts = [0, *ends[:-1]]
    return [blob[start:end] for start, end in zip(starts, ends, strict=True)]


def pack_inputs(
    offsets: Sequence[int],
    keys: Sequence[bytes],
    payloads: Sequence[bytes],
    verdicts: dict[int, dict[str, Any]] | None = None,
) -> list[bytes]:
    """Frames of an `I` message. The three sequences run in parallel."""
    header = pack_json({str(offset): verdict for offset, verdict in verdicts.items()}) if verdicts else b""
    return [INPUTS, header, array("Q", offsets).tobytes(), *_column(keys), *_column(payloads)]


def unpack_inputs(frames: Sequence[bytes]) -> InputBatch:
    """Inverse of `pack_inputs`."""
    _, header, offset_frame, key_lengths, keys, payload_lengths, payloads = frames
    offsets = array("Q")
    offsets.frombytes(offset_frame)
    verdicts = {int(offset): verdict for offset, verdict in json.loads(header).items()} if header else {}
    return InputBatch(
        offsets.tolist(), _cut(key_lengths, keys), _cut(payload_lengths, payloads), verdicts
    )


def pack_done(records: Sequence[tuple[int, int, bytes]]) -> list[bytes]:
    """Frames of a `D` message from `(shard, sequence, encoded outbox record)` triples."""
    places = array("Q")
    for shard, sequence, _ in records:
        places.append(shard)
        places.append(sequence)
    return [DONE, places.tobytes(), *(record for _, _, record in records)]


def unpack_done(frames: Sequence[bytes]) -> list[tuple[int, int, bytes]]:
    """Inverse of `pack_done`."""
    places = array("Q")
    places.frombytes(frames[1])
    return list(zip(places[::2], places[1::2], frames[2:], strict=True))


def pack_json(body: Any) -> bytes:
    """The body of a small control message."""
    return json.dumps(body, separators=(",", ":"), default=str).encode()


def unpack_json(frame: bytes) -> Any:
    """Inverse of `pack_json`."""
    return json.loads(frame)
