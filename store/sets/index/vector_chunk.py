"""The vectors of a chunk as bytes: small ones to search, and halves to rescore what is found.

    version (u16) | dimensions (u16) | rows (u32) | items of the chunk (u32) | CRC-32 (u32)

is the head of both values, and counts their bodies and the numbers before it. The bodies:

    scales (f32 for each row) | places of the items (u16) | rows of i8
    rows of f16

A row is a vector of unit length; times its scale, the i8 are its numbers. An item without a vector
has no row. Rows ascend by place. They are moved between chunks as they are, never converted again,
so nothing here needs numpy.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Sequence

    Buffer = bytes | memoryview

__all__ = [
    "BrokenChunkError",
    "VectorRows",
    "decode_rows",
    "encode_rows",
    "row_of_f16",
    "small_rows",
]

_HEAD: Final = struct.Struct("<HHIII")
_VERSION: Final = 1
_CRC_AT: Final = 12


class BrokenChunkError(ValueError):
    """The bytes are not those of a chunk; the message says in which way."""


class VectorRows(NamedTuple):
    """The vectors of a chunk.

    Attributes:
        dims: numbers of a vector.
        items: items of the chunk, with or without a vector.
        places: of each row, the place of its item in the chunk.
        scales: f32 for each row.
        small: rows of i8.
        halves: rows of f16; empty when only the rest was decoded.
    """

    dims: int
    items: int
    places: Sequence[int]
    scales: Buffer
    small: Buffer
    halves: Buffer

    def picked(self, rows: Sequence[int]) -> tuple[bytes, bytes, bytes]:
        """Scales, i8 and f16 of some rows."""
        dims = self.dims
        if len(rows) == len(self.places):
            return bytes(self.scales), bytes(self.small), bytes(self.halves)
        return (
            b"".join(self.scales[4 * row : 4 * row + 4] for row in rows),
            b"".join(self.small[dims * row : dims * (row + 1)] for row in rows),
            b"".join(self.halves[2 * dims * row : 2 * dims * (row + 1)] for row in rows),
        )


def encode_rows(rows: VectorRows) -> tuple[bytes, bytes]:
    """The two values of a chunk: the small ones, and the halves."""
    places = struct.pack(f"<{len(rows.places)}H", *rows.places)
    small = b"".join((rows.scales, places, rows.small))
    return _with_head(rows, small), _with_head(rows, rows.halves)


def _with_head(rows: VectorRows, body: Buffer) -> bytes:
    head = _HEAD.pack(_VERSION, rows.dims, len(rows.places), rows.items, 0)[:_CRC_AT]
    return b"".join((head, crc32(body, crc32(head)).to_bytes(4, "little"), body))


def decode_rows(small: Buffer, halves: Buffer | None = None, *, check: bool = True) -> VectorRows:
    """Inverse of `encode_rows`, without copies; `halves` may be left out.

    Args:
        small: the first value.
        halves: the second value.
        check: whether the sums of all bytes are compared, too.

    Raises:
        BrokenChunkError: they are damaged.
    """
    dims, count, items = _head(small, "the vectors", check=check)
    body = memoryview(small)[_HEAD.size :]
    if len(body) != count * (4 + 2 + dims):
        raise BrokenChunkError("the vectors have another length than their head says")
    at = 4 * count
    places = body[at : at + 2 * count].cast("H")
    half_rows: Buffer = b""
    if halves is not None:
        if _head(halves, "the rescoring vectors", check=check) != (dims, count, items):
            raise BrokenChunkError("the rescoring vectors are those of another chunk")
        half_rows = memoryview(halves)[_HEAD.size :]
        if len(half_rows) != 2 * count * dims:
            raise BrokenChunkError("the rescoring vectors have another length than their head says")
    return VectorRows(dims, items, places, body[:at], body[at + 2 * count :], half_rows)


def small_rows(value: Buffer, /, *, check: bool = True) -> VectorRows:
    """Inverse of `encode_rows`, of the first value alone."""
    return decode_rows(value, check=check)


def row_of_f16(halves: Buffer, dims: int, row: int) -> Buffer:
    """One row of the second value, of which nothing else is read."""
    start = _HEAD.size + 2 * dims * row
    found = halves[start : start + 2 * dims]
    if len(found) != 2 * dims:
        raise BrokenChunkError("the rescoring vectors are cut short")
    return found


def _head(value: Buffer, what: str, *, check: bool) -> tuple[int, int, int]:
    if len(value) < _HEAD.size:
        raise BrokenChunkError(f"{what} are cut short")
    version, dims, rows, items, crc = _HEAD.unpack_from(value)
    if version != _VERSION or not dims or rows > items:
        raise BrokenChunkError(f"{what} begin with numbers that make no sense")
    if check:
        view = memoryview(value)
        if crc32(view[_HEAD.size :], crc32(view[:_CRC_AT])) != crc:
            raise BrokenChunkError(f"{what} have another checksum than their head says")
    return dims, rows, items
