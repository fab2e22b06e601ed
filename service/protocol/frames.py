"""The messages between a client and the frontend: one ZeroMQ message is one frame.

A frame is one byte for its kind, the session's nonce, numbers of fixed width (little endian), and
columns: integers first, then all bytes joined. Values are JSON text, keys are encoded as in
`store.encoding.keys`. Nothing is pickled, so no frame can make the other side run code.

| from a client | | from the server | |
|---|---|---|---|
| `H` | hello: the client's id | `W` | welcome: what is recorded of the client, and its window |
| `S` | submissions | `C` | confirmed: these are recorded |
| `A` | acknowledge: forget all up to this one | `R` | replies: outcomes of these |
| `T` | taken: so many `R` have arrived | `F` | refused for now: send these again later |
| `P` | ping, with the number of frames sent | `O` | pong, with the number of frames sent |
| `B` | bye | `G` | go on: there is room again |
| `K` | so many `L` have arrived | `L` | live: what calls of a submission write, in JSON |
| `Q` | a query or command in JSON, with its number | `D` | what came of it, in JSON |
| | | `U` | unknown session: say hello again |
| | | `X` | rejected, with the reason |

Bytes that do not match exactly are a `FrameError`, and nothing else is ever raised: bytes from
outside reach no other code before they have been checked here.
"""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Final, NamedTuple

import orjson

from ...agent.errors import TamiasError
from ...store.encoding.codec import loads_json
from ...store.encoding.keys import decode_key, encode_key

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

VERSION: Final = 1
NONCE: Final = 8
"""Bytes that identify a session."""
MAX_FRAME: Final = 16 << 20
"""Bytes of a frame, at most; the socket refuses larger ones (with some slack)."""
MAX_VALUE: Final = MAX_FRAME - (1 << 16)
"""Bytes of a submitted value in JSON, at most."""
MAX_KEY: Final = 4096
"""Bytes of an encoded key, at most."""
MAX_COUNT: Final = 4096
"""Entries of a frame, at most."""
MAX_CLIENT: Final = 200
"""Bytes of a client id, at most."""
MAX_SEQUENCE: Final = (1 << 63) - 1

STREAMED: Final = 1
"""The flag of an `S` whose submissions want `L` frames. Older servers do not look at it."""

OUTPUTS: Final = 1
FAILED: Final = 2
FORGOTTEN: Final = 3
MISMATCH: Final = 4
RELOADED: Final = 5
"""The first byte of an outcome. `RELOADED` is outputs, with the number (`GENERATION`) of the
generation that made them in front; `OUTPUTS` is of the first generation."""

GENERATION: Final = struct.Struct("<I")

REPLACED: Final = 1
UNWELCOME: Final = 2
"""Reasons for an `X`."""

FULL: Final = 1
DRAINING: Final = 2
"""Reasons for an `F`."""

_KNOWN_KEYS: Final = 1 << 16


class FrameError(ValueError):
    """The bytes are not a frame."""


class Hello(NamedTuple):
    """A client presents itself; opens a session."""

    nonce: bytes
    incarnation: int
    """The client's start in nanoseconds: of two clients with one id, the younger one stays."""
    attempt: int
    """The number of the session, of this client's sessions. A hello for an earlier one may arrive
    late, since ZeroMQ may read the rest of a closed connection at any time."""
    anonymous: bool
    """Whether the client will not come back under this id."""
    client: str


class Submit(NamedTuple):
    """Inputs, each under a number of the client's own, from 1."""

    nonce: bytes
    sequences: tuple[int, ...]
    keys: list[bytes]
    values: list[bytes]
    streamed: bool = False
    """Whether the client wants to see what their calls write."""


class Query(NamedTuple):
    """A query or command, or what came of it: of `Q` and `D`. Not one of the submissions.

    Also of `L`, whose number is the sequence of a submission.
    """

    kind: bytes
    nonce: bytes
    number: int
    """The client's own number for it."""
    body: bytes
    """A JSON object."""


class Count(NamedTuple):
    """A number: of `A`, `T`, `K`, `P`, `O`, `G` (a window); none in `B` and `U`."""

    kind: bytes
    nonce: bytes
    number: int


class Welcome(NamedTuple):
    """A session is open."""

    nonce: bytes
    floor: int
    """All up to this sequence were acknowledged and forgotten."""
    last: int
    """The highest recorded sequence; `floor` if there is none above it."""
    window: int
    """Submissions that may be unanswered at a time."""


class Numbers(NamedTuple):
    """Sequences: of `C` (`reason` is 0) and `F`."""

    kind: bytes
    nonce: bytes
    reason: int
    sequences: tuple[int, ...]


class Replies(NamedTuple):
    """Outcomes of submissions."""

    nonce: bytes
    sequences: tuple[int, ...]
    outcomes: list[bytes]


class Rejected(NamedTuple):
    """The session has ended, and the client must not come back."""

    nonce: bytes
    reason: int
    text: str


if TYPE_CHECKING:
    Request: TypeAlias = Hello | Submit | Count | Query
    Answer: TypeAlias = Welcome | Numbers | Replies | Count | Rejected | Query

_HELLO = struct.Struct(f"<c{NONCE}sBQIBH")
_COLUMNS = struct.Struct(f"<c{NONCE}sBI")
_COUNT = struct.Struct(f"<c{NONCE}sQ")
_QUERY = struct.Struct(f"<c{NONCE}sQI")
_WELCOME = struct.Struct(f"<c{NONCE}sQQI")
_REJECTED = struct.Struct(f"<c{NONCE}sBH")

_OF_CLIENTS = (b"A", b"T", b"K", b"P", b"B")
_OF_SERVERS = (b"O", b"G", b"U")


# ------------------------------------------------------------------ packing


def pack_hello(
    nonce: bytes, incarnation: int, attempt: int, client: str, *, anonymous: bool
) -> bytes:
    """An `H`."""
    name = client.encode()
    head = _HELLO.pack(b"H", nonce, VERSION, incarnation, attempt, anonymous, len(name))
    return head + name


def pack_submit(
    nonce: bytes,
    sequences: Sequence[int],
    keys: Sequence[bytes],
    values: Sequence[bytes],
    *,
    streamed: bool = False,
) -> bytes:
    """An `S`."""
    count = len(sequences)
    return b"".join(
        (
            _COLUMNS.pack(b"S", nonce, STREAMED if streamed else 0, count),
            struct.pack(f"<{count}Q", *sequences),
            struct.pack(f"<{2 * count}I", *map(len, keys), *map(len, values)),
            *keys,
            *values,
        )
    )


def pack_count(kind: bytes, nonce: bytes, number: int = 0) -> bytes:
    """An `A`, `T`, `K`, `P`, `B`, `O`, `G` or `U`."""
    return _COUNT.pack(kind, nonce, number)


def pack_query(kind: bytes, nonce: bytes, number: int, body: bytes) -> bytes:
    """A `Q`, `D` or `L`."""
    return _QUERY.pack(kind, nonce, number, len(body)) + body


def pack_welcome(nonce: bytes, floor: int, last: int, window: int) -> bytes:
    """A `W`."""
    return _WELCOME.pack(b"W", nonce, floor, last, window)


def pack_numbers(kind: bytes, nonce: bytes, sequences: Sequence[int], reason: int = 0) -> bytes:
    """A `C` or `F`."""
    count = len(sequences)
    return _COLUMNS.pack(kind, nonce, reason, count) + struct.pack(f"<{count}Q", *sequences)


def pack_replies(nonce: bytes, sequences: Sequence[int], outcomes: Sequence[bytes]) -> bytes:
    """An `R`."""
    count = len(sequences)
    return b"".join(
        (
            _COLUMNS.pack(b"R", nonce, 0, count),
            struct.pack(f"<{count}Q", *sequences),
            struct.pack(f"<{count}I", *map(len, outcomes)),
            *outcomes,
        )
    )


def pack_rejected(nonce: bytes, reason: int, text: str) -> bytes:
    """An `X`."""
    data = text.encode()[: (1 << 16) - 1]
    return _REJECTED.pack(b"X", nonce, reason, len(data)) + data


# ------------------------------------------------------------------ unpacking


def unpack_request(data: bytes) -> Request:
    """Decode a client's frame.

    Raises:
        FrameError: the bytes are not one.
    """
    kind = data[:1]
    try:
        if kind == b"S":
            return _submit(data)
        if kind == b"H":
            return _hello(data)
        if kind == b"Q":
            return _query(data)
        if kind in _OF_CLIENTS:
            return Count(*_COUNT.unpack(data))
    except (struct.error, UnicodeDecodeError) as error:
        raise FrameError(str(error)) from None
    raise FrameError("no such kind")


def unpack_answer(data: bytes) -> Answer:
    """Decode a server's frame.

    Raises:
        FrameError: the bytes are not one.
    """
    kind = data[:1]
    try:
        if kind == b"R":
            _, nonce, _, count = _COLUMNS.unpack_from(data)
            sequences, start = _sequences(data, count)
            (outcomes,) = _blobs(data, start, count, 1)
            return Replies(nonce, sequences, outcomes)
        if kind in (b"C", b"F"):
            _, nonce, reason, count = _COLUMNS.unpack_from(data)
            sequences, start = _sequences(data, count)
            if start == len(data):
                return Numbers(kind, nonce, reason, sequences)
        if kind == b"W":
            return Welcome(*_WELCOME.unpack(data)[1:])
        if kind in (b"D", b"L"):
            return _query(data)
        if kind in _OF_SERVERS:
            return Count(*_COUNT.unpack(data))
        if kind == b"X":
            _, nonce, reason, length = _REJECTED.unpack_from(data)
            if len(data) == _REJECTED.size + length:
                return Rejected(nonce, reason, data[_REJECTED.size :].decode())
    except (struct.error, UnicodeDecodeError) as error:
        raise FrameError(str(error)) from None
    raise FrameError("no such kind")


def _hello(data: bytes) -> Hello:
    _, nonce, version, incarnation, attempt, anonymous, length = _HELLO.unpack_from(data)
    name = data[_HELLO.size :]
    if version != VERSION:
        raise FrameError(f"version {version} of the protocol")
    if len(name) != length or not 0 < length <= MAX_CLIENT or b"\0" in name or anonymous > 1:
        raise FrameError("a malformed client id")
    return Hello(nonce, incarnation, attempt, bool(anonymous), name.decode())


def _query(data: bytes) -> Query:
    kind, nonce, number, length = _QUERY.unpack_from(data)
    body = data[_QUERY.size :]
    if len(body) != length or body[:1] != b"{":
        raise FrameError("not a query")
    _check_value(body)
    return Query(kind, nonce, number, body)


def _submit(data: bytes) -> Submit:
    _, nonce, flags, count = _COLUMNS.unpack_from(data)
    sequences, start = _sequences(data, count)
    if not count or min(sequences) < 1 or max(sequences) > MAX_SEQUENCE:
        raise FrameError("sequences out of range")
    keys, values = _blobs(data, start, count, 2)
    for key in keys:
        if key not in _keys:
            _check_key(key)
    for value in values:
        _check_value(value)
    return Submit(nonce, sequences, keys, values, flags == STREAMED)


def _sequences(data: bytes, count: int) -> tuple[tuple[int, ...], int]:
    if count > MAX_COUNT:
        raise FrameError("too many entries")
    column = struct.Struct(f"<{count}Q")
    return column.unpack_from(data, _COLUMNS.size), _COLUMNS.size + column.size


def _blobs(data: bytes, start: int, count: int, columns: int) -> list[list[bytes]]:
    """Cut the rest of a frame into columns of byte strings, whose lengths come first."""
    table = struct.Struct(f"<{columns * count}I")
    lengths = table.unpack_from(data, start)
    start += table.size
    if start + sum(lengths) != len(data):
        raise FrameError("lengths that do not add up")
    blobs = []
    for length in lengths:
        blobs.append(data[start : start + length])
        start += length
    return [blobs[column * count : (column + 1) * count] for column in range(columns)]


_keys: set[bytes] = set()
"""Keys that were checked lately, and are valid."""


def _check_key(key: bytes) -> None:
    try:
        sound = len(key) <= MAX_KEY and encode_key(decode_key(key)) == key
    except (TamiasError, RecursionError, OverflowError):
        sound = False
    if not sound:
        raise FrameError("not an encoded key")
    if len(key) <= 256:
        if len(_keys) >= _KNOWN_KEYS:
            _keys.clear()
        _keys.add(key)


def _check_value(value: bytes) -> None:
    try:
        orjson.loads(value)
    except orjson.JSONDecodeError:
        try:
            loads_json(value)
        except (ValueError, RecursionError):
            raise FrameError("not JSON") from None


# ------------------------------------------------------------------ outcomes


def outcome_of_outputs(outputs: Sequence[bytes | memoryview], generation: int = 0) -> bytes:
    """Encode a run's outputs, each as JSON text, and the generation that made them."""
    if generation:
        return b"\x05%b[%b]" % (GENERATION.pack(generation), b",".join(outputs))
    return b"\x01[%b]" % b",".join(outputs)


def outcome_of_failure(report: dict[str, object]) -> bytes:
    """Encode the outcome of a failed run."""
    return b"\x02" + json.dumps(report).encode()


FORGOTTEN_OUTCOME: Final = bytes((FORGOTTEN,))
MISMATCH_OUTCOME: Final = bytes((MISMATCH,))
