"""Addresses of memory fields: the key's prefix, then the field's dotted path in UTF-8.

LMDB's index takes keys up to 511 bytes. A longer address is cut, and a digest of the whole
address is added:

    first 483 bytes of the address | 0xFF | BLAKE2b-128 of the address        (500 bytes)

0xFF never occurs in UTF-8, and no prefix is that long, so a cut address cannot be mistaken for an
ordinary one. The full path of a cut address is kept in the database `names`, under that address.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

__all__ = [
    "CUT",
    "LONGEST_END",
    "MAX_ADDRESS",
    "SHORT_ENDS",
    "address",
    "cut",
    "decode_path",
    "encode_path",
    "end_of",
    "is_cut",
]

MAX_ADDRESS = 500
"""Longest address in bytes that is stored in full, and the length of all cut addresses."""

CUT = 483
"""The number of bytes that are kept of a longer address."""

LONGEST_END: Final = 256
"""An address with a path of no more bytes is stored in full, whatever its prefix."""

SHORT_ENDS: Final[dict[str, bytes]] = {}
"""Such paths, encoded: agents have few, and write each of them often (`end_of`)."""
_ENDS_KEPT: Final = 1024

_MARK = 0xFF


def encode_path(path: str) -> bytes:
    """Return a path in UTF-8; lone surrogates, which JSON can contain, are allowed."""
    try:
        return path.encode()
    except UnicodeEncodeError:
        return path.encode("utf-8", "surrogatepass")


def end_of(path: str) -> bytes:
    """Return a path as `encode_path` does, and keep it in `SHORT_ENDS` if it is short."""
    end = encode_path(path)
    if len(end) <= LONGEST_END and len(SHORT_ENDS) < _ENDS_KEPT:
        SHORT_ENDS[path] = end
    return end


def decode_path(data: bytes) -> str:
    """Inverse of `encode_path`."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("utf-8", "surrogatepass")


def address(prefix: bytes, path: str) -> bytes:
    """Return the address of the field `path` of the key with this prefix."""
    full = prefix + encode_path(path)
    return full if len(full) <= MAX_ADDRESS else cut(full)


def cut(full: bytes) -> bytes:
    """Return the stored form of an address of more than `MAX_ADDRESS` bytes."""
    return full[:CUT] + b"\xff" + blake2b(full, digest_size=16).digest()


def is_cut(stored: bytes) -> bool:
    """Return whether a stored address was cut."""
    return len(stored) == MAX_ADDRESS and stored[CUT] == _MARK
