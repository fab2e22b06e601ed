"""Which items of a chunk live: one bit for each place, and how many those are.

    number of places (u16) | of these live (u16) | CRC-32 (u32) | bits, the lowest place first

Little endian, as all of an index. The bits are 1 for what lives.
"""

from __future__ import annotations

import struct
from typing import Final
from zlib import crc32

__all__ = ["MOST_PLACES", "all_live", "flags_of", "is_live", "is_sound", "numbers_of", "without"]

MOST_PLACES: Final = 4096
"""No chunk has more items."""
_NUMBERS: Final = struct.Struct("<HH")
_BITS_AT: Final = 8
_FLAGS: Final = tuple(bytes(byte >> bit & 1 for bit in range(8)) for byte in range(256))


def _encode(places: int, live: int, bits: bytes) -> bytes:
    numbers = _NUMBERS.pack(places, live)
    return numbers + crc32(bits, crc32(numbers)).to_bytes(4, "little") + bits


def all_live(places: int) -> bytes:
    """The bitmap of a new chunk."""
    return _encode(places, places, ((1 << places) - 1).to_bytes((places + 7) // 8, "little"))


def numbers_of(bitmap: bytes) -> tuple[int, int]:
    """How many places there are, and how many live; none if it is cut short."""
    if len(bitmap) < _BITS_AT:
        return 0, 0
    places, live = _NUMBERS.unpack_from(bitmap)
    return places, live


def is_live(bitmap: bytes, place: int) -> bool:
    """Whether the item at a place lives."""
    return bool(bitmap[_BITS_AT + place // 8] >> place % 8 & 1)


def without(bitmap: bytes, place: int) -> bytes:
    """The bitmap after the death of an item that lived."""
    places, live = _NUMBERS.unpack_from(bitmap)
    bits = bytearray(bitmap[_BITS_AT:])
    bits[place // 8] &= ~(1 << place % 8)
    return _encode(places, live - 1, bytes(bits))


def flags_of(bitmap: bytes) -> bytearray:
    """A byte for each place: 1 if it lives, else 0."""
    places, _ = _NUMBERS.unpack_from(bitmap)
    flags = bytearray().join(_FLAGS[byte] for byte in bitmap[_BITS_AT:])
    del flags[places:]
    return flags


def is_sound(bitmap: bytes) -> bool:
    """Whether the bytes are those of a bitmap."""
    if len(bitmap) < _BITS_AT:
        return False
    places, _ = _NUMBERS.unpack_from(bitmap)
    crc = crc32(bitmap[_BITS_AT:], crc32(bitmap[: _NUMBERS.size]))
    return (
        0 < places <= MOST_PLACES
        and len(bitmap) == _BITS_AT + (places + 7) // 8
        and int.from_bytes(bitmap[_NUMBERS.size : _BITS_AT], "little") == crc
    )
