"""Keys as bytes, the same in every process and version.

A key's encoding starts with one byte for its type, so that `1`, `True`, `1.0` and `"1"` are four
keys. Encodings are stored, hashed to shards and compared as bytes; they must never change.

| type | encoding |
|---|---|
| `None` | `n` |
| `bool` | `t` or `f` |
| `int` | `i`, then the number in hexadecimal text |
| `float` | `d`, then IEEE 754 big endian; -0.0 becomes 0.0, all NaN are one key |
| `str` | `s`, then UTF-8 (lone surrogates pass) |
| `bytes` | `b`, then the bytes |
| `tuple` | `(`, then for each item its encoding's length (u32 big endian) and encoding |
| any, of a group | `g`, the group (u16 big endian), then the encoding of the key itself |
| another object | `p`, then its pickle; objects with the same pickle are the same key |

Only Flink makes keys of the last two kinds: it partitions keys into key groups. All keys of a group
are in one shard, so that the group can be moved as a whole.
"""

from __future__ import annotations

import pickle
import struct
from hashlib import blake2b
from typing import Any, Final
from zlib import crc32

from ...agent.errors import InputError
from .moved_classes import loads_pickle
from .nested_keys import decode_items, encode_other

__all__ = [
    "GROUP",
    "HASHED",
    "decode_key",
    "encode_key",
    "group_of",
    "key_prefix",
    "prefix_of",
    "shard_of",
]

GROUP: Final = b"g"
"""The first byte of a key with a group."""
_GROUP: Final = 0x67

_MAX_PLAIN: Final = 200
"""The longest encoded key that is used as a prefix in full; longer ones are hashed."""

HASHED: Final = 0xFF
"""The first byte of the prefix of a key that is too long for the store's keys: a hash."""
_HASHED_LENGTH: Final = 17
_unpack_float: Final = struct.Struct(">d").unpack


def encode_key(key: Any) -> bytes:
    """Return the encoding of a key: str, bytes, bool, int, float, None, or a tuple of those.

    Instances of subclasses, and integers of other libraries, are encoded as their base types.

    Raises:
        InputError: the key is of another type.
    """
    if type(key) is str:
        try:
            return b"s" + key.encode()
        except UnicodeEncodeError:
            return b"s" + key.encode("utf-8", "surrogatepass")
    if type(key) is int:
        return b"i%x" % key
    if key is None:
        return b"n"
    return encode_other(key, encode_key)


def decode_key(data: bytes) -> Any:
    """Return the key of which `data` is the encoding.

    Raises:
        InputError: `data` is not the encoding of a key.
    """
    tag, rest = data[:1], data[1:]
    try:
        if tag == b"s":
            return rest.decode("utf-8", "surrogatepass")
        if tag == b"i":
            return int(rest, 16)
        if tag == b"d":
            return _unpack_float(rest)[0]
        if tag == b"b":
            return rest
        if tag == b"(":
            return decode_items(rest, decode_key)
        if tag == GROUP:
            return decode_key(rest[2:])
        if tag == b"p":
            return loads_pickle(rest)
        if not rest:
            return {b"n": None, b"t": True, b"f": False}[tag]
    except (ValueError, KeyError, struct.error, pickle.UnpicklingError):
        pass
    raise InputError(f"{data[:40]!r} is not the encoding of a key.")


def shard_of(key_bytes: bytes, shards: int) -> int:
    """Return the number of the shard, below `shards`, that an encoded key belongs to.

    CRC-32, because zlib has it everywhere, with the same result, at 0.1 microseconds. Groups go to
    shards in turn, so that each shard gets as many of a task's consecutive groups.
    """
    if key_bytes[0] == _GROUP:
        return group_of(key_bytes) % shards
    return crc32(key_bytes) % shards


def group_of(key_bytes: bytes) -> int:
    """Return the group of an encoded key that has one."""
    return int.from_bytes(key_bytes[1:3], "big")


def key_prefix(key_bytes: bytes) -> bytes:
    """Return the prefix under which an encoded key's memory is stored.

    No prefix is the beginning of another, so one range scan finds the fields of exactly one
    key. A key too long for the index is replaced by a 128-bit hash; the shard keeps its
    full encoding beside it (`Batch.name_key`).
    """
    length = len(key_bytes)
    if length <= _MAX_PLAIN:
        return _LENGTHS[length] + key_bytes
    return bytes((HASHED,)) + blake2b(key_bytes, digest_size=16).digest()


_LENGTHS: Final = [bytes((length,)) for length in range(_MAX_PLAIN + 1)]


def prefix_of(address: bytes) -> bytes:
    """Return the `key_prefix` that an address begins with, or that a prefix is."""
    length = address[0]
    return address[: _HASHED_LENGTH if length == HASHED else length + 1]
