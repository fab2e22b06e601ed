"""Encodes keys that are neither texts nor integers, and decodes tuples.

Tuples may hold tuples. This module is never compiled: Python raises RecursionError in time, where
compiled code would use up the stack.
"""

from __future__ import annotations

import struct
from numbers import Integral
from typing import TYPE_CHECKING, Any, Final

from ...agent.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

_NAN: Final = b"d\x7f\xf8\x00\x00\x00\x00\x00\x00"
_pack_float: Final = struct.Struct(">cd").pack
_pack_length: Final = struct.Struct(">I").pack
_unpack_length: Final = struct.Struct(">I").unpack_from


def encode_other(key: Any, encode_key: Callable[[Any], bytes]) -> bytes:
    """Return the encoding of a key; `encode_key` encodes items of tuples.

    Raises:
        InputError: the key is of a type that keys cannot have.
    """
    if isinstance(key, bool):
        return b"t" if key else b"f"
    if isinstance(key, (bytes, bytearray, memoryview)):
        return b"b" + bytes(key)
    if isinstance(key, tuple):
        parts = [b"("]
        for item in key:
            part = encode_key(item)
            parts += (_pack_length(len(part)), part)
        return b"".join(parts)
    if isinstance(key, float):
        return _NAN if key != key else _pack_float(b"d", key + 0.0)  # noqa: PLR0124 - NaN test
    if isinstance(key, str):
        return encode_key(str.__str__(key))
    if isinstance(key, Integral):
        return b"i%x" % int(key)
    raise InputError(
        f"A key of type {type(key).__qualname__} cannot be used. Keys are str, bytes, bool, int, "
        "float, None or tuples of those: turn the key into one of them."
    )


def decode_items(data: bytes, decode_key: Callable[[bytes], Any]) -> tuple[Any, ...]:
    """Return the tuple whose items' lengths and encodings `data` has.

    Raises:
        ValueError: the items do not end where `data` ends.
    """
    items = []
    position = 0
    while position < len(data):
        (length,) = _unpack_length(data, position)
        position += 4
        if position + length > len(data):
            raise ValueError(length)
        items.append(decode_key(data[position : position + length]))
        position += length
    return tuple(items)
