"""The vectors of a chunk as bytes: small ones to search, and halves to rescore what is found.

Both are kept in *pieces*, so that a database finds room for them wherever some pages are free. The
first piece of each is a head; the others have whole rows, as many as fit. The head:

    version (u16) | dimensions (u16) | rows (u32) | items of the chunk (u32) | CRC-32 (u32)

and of the small ones, behind it:

    scales (f32 for each row) | places of the items (u16)

The sum is of the numbers before it, what is behind it, and the other pieces. Rows are of i8, or of
f16. A row is a vector of unit length; times its scale, the i8 are its numbers. An item without a
vector has no row. Rows ascend by place. They are moved between chunks as they are, never converted
again, so nothing here needs numpy.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Sequence

    Buffer = bytes | memoryview

__all__ = [
    "LONGEST_PIECE",
    "BrokenChunkError",
    "VectorRows",
    "counts_in",
    "decode_rows",
    "encode_rows",
    "halves_in_piece",
    "rows_in_piece",
]

LONGEST_PIECE: Final = 32 * 4096 - 16
"""Bytes: what is as long takes whole pages of a database, with its own head of a page."""
_HALVES_PIECE: Final = 4 * 4096 - 16

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
        small: rows of i8, in pieces of which all but the last have as many.
        halves: rows of f16, likewise; empty when only the rest was decoded.
    """

    dims: int
    items: int
    places: Sequence[int]
    scales: Buffer
    small: Sequence[Buffer]
    halves: Sequence[Buffer]

    def half(self, row: int) -> bytes:
        """The f16 of a row."""
        return bytes(_row(self.halves, 2 * self.dims, row))

    def picked(self, rows: Sequence[int]) -> tuple[bytes, bytes, bytes]:
        """Scales, i8 and f16 of some rows."""
        dims = self.dims
        if len(rows) == len(self.places):
            return bytes(self.scales), b"".join(self.small), b"".join(self.halves)
        return (
            b"".join(self.scales[4 * row : 4 * row + 4] for row in rows),
            b"".join(_row(self.small, dims, row) for row in rows),
            b"".join(_row(self.halves, 2 * dims, row) for row in rows),
        )


def _row(pieces: Sequence[Buffer], size: int, row: int) -> Buffer:
    in_piece = len(pieces[0]) // size
    start = row % in_piece * size
    return pieces[row // in_piece][start : start + size]


def encode_rows(rows: VectorRows) -> tuple[list[bytes], list[bytes]]:
    """The pieces of a chunk's vectors: of the small ones, and of the halves."""
    places = struct.pack(f"<{len(rows.places)}H", *rows.places)
    return (
        _pieces(rows, bytes(rows.scales) + places, rows.small, rows_in_piece(rows.dims)),
        _pieces(rows, b"", rows.halves, halves_in_piece(rows.dims) * 2),
    )


def rows_in_piece(dims: int) -> int:
    """How many rows of i8 a piece has."""
    return max(1, LONGEST_PIECE // dims)


def halves_in_piece(dims: int) -> int:
    """How many rows of f16 a piece has; single ones are read, so pieces are short."""
    return max(1, _HALVES_PIECE // (2 * dims))


def _pieces(rows: VectorRows, more: bytes, body: Sequence[Buffer], in_piece: int) -> list[bytes]:
    joined = b"".join(body)
    head = _HEAD.pack(_VERSION, rows.dims, len(rows.places), rows.items, 0)[:_CRC_AT]
    crc = crc32(joined, crc32(more, crc32(head)))
    size = in_piece * rows.dims
    return [
        b"".join((head, crc.to_bytes(4, "little"), more)),
        *(joined[start : start + size] for start in range(0, len(joined), size)),
    ]


def decode_rows(
    small: Sequence[Buffer], halves: Sequence[Buffer] | None = None, *, check: bool = True
) -> VectorRows:
    """Inverse of `encode_rows`, without copies; `halves` may be left out.

    Args:
        small: the pieces of the small ones.
        halves: the pieces of the halves.
        check: whether the sums of all bytes are compared, too.

    Raises:
        BrokenChunkError: they are damaged.
    """
    dims, count, items = _head(small, "the vectors", check=check)
    at = _HEAD.size + 4 * count
    head = memoryview(small[0])
    if len(head) != at + 2 * count:
        raise BrokenChunkError("the vectors have another length than their head says")
    if check:
        _check_lengths(small, dims, count, rows_in_piece(dims), "the vectors")
    elif sum(map(len, small)) != len(head) + dims * count:
        raise BrokenChunkError("the vectors have another length than their head says")
    if halves is not None:
        what = "the rescoring vectors"
        if _head(halves, what, check=check) != (dims, count, items):
            raise BrokenChunkError(f"{what} are those of another chunk")
        _check_lengths(halves, 2 * dims, count, halves_in_piece(dims), what)
    return VectorRows(
        dims,
        items,
        head[at:].cast("H"),
        head[_HEAD.size : at],
        small[1:],
        () if halves is None else halves[1:],
    )


def counts_in(head: Buffer) -> tuple[int, int]:
    """Dimensions and rows, from the first bytes of small ones. Raises struct.error."""
    _, dims, rows, _, _ = _HEAD.unpack_from(head)
    return dims, rows


def _check_lengths(
    pieces: Sequence[Buffer], size: int, count: int, in_piece: int, what: str
) -> None:
    """Compare the lengths of all pieces behind the head with what they have to be."""
    whole, rest = divmod(count, in_piece)
    expected = [in_piece * size] * whole + [rest * size] * (rest > 0)
    if [len(piece) for piece in pieces[1:]] != expected:
        raise BrokenChunkError(f"{what} have another length than their head says")


def _head(pieces: Sequence[Buffer], what: str, *, check: bool) -> tuple[int, int, int]:
    if not pieces or len(pieces[0]) < _HEAD.size:
        raise BrokenChunkError(f"{what} are cut short")
    version, dims, rows, items, crc = _HEAD.unpack_from(pieces[0])
    if version != _VERSION or not dims or rows > items:
        raise BrokenChunkError(f"{what} begin with numbers that make no sense")
    if check:
        head = memoryview(pieces[0])
        found = crc32(head[_HEAD.size :], crc32(head[:_CRC_AT]))
        for piece in pieces[1:]:
            found = crc32(piece, found)
        if found != crc:
            raise BrokenChunkError(f"{what} have another checksum than their head says")
    return dims, rows, items
