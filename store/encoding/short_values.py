"""Short records of values that most memory has: integers, None, True and False, without `pickle`.

They are pickles, so whatever reads values reads them. But their bytes are made and read here, which
takes a third of the time. `pickle` puts a frame around an integer above 255, which makes it 15
bytes long or more; here it has 8:

    80 05 | J | the integer (4 bytes, little endian) | .

Short texts, whose form is another (`values`), are read here, too.
"""

from __future__ import annotations

import struct
from typing import Any, Final

__all__ = ["LONG", "dumps_integer", "loads_short"]


class Long:
    """The class of `LONG`."""

    __slots__ = ()


LONG: Final = Long()
"""What `loads_short` returns for all other records."""

_HEAD: Final = b"\x80\x05J"
_STOP: Final = b"."
_LEAST: Final = -(1 << 31)
_LARGEST: Final = (1 << 31) - 1
_LENGTH: Final = 8
_pack: Final = struct.Struct("<3si1s").pack
_unpack: Final = struct.Struct("<3xix").unpack

_SMALL: Final = [b"\x80\x05K%c." % number for number in range(256)]
"""Integers of one byte, as `pickle` makes them."""
_KNOWN: Final[dict[bytes, Any]] = {
    b"\x80\x05N.": None,
    b"\x80\x05\x88.": True,
    b"\x80\x05\x89.": False,
    **{record: number for number, record in enumerate(_SMALL)},
}
"""Values by their pickles."""

_TEXT: Final = 0xB4
_SHORT_TEXT: Final = 64


def dumps_integer(value: int) -> bytes | None:
    """The pickle of an integer; None for a large one."""
    if 0 <= value < len(_SMALL):
        return _SMALL[value]
    return _pack(_HEAD, value, _STOP) if _LEAST <= value <= _LARGEST else None


def loads_short(record: bytes) -> Any:
    """The value of a short record, which is immutable; `LONG` for another record."""
    length = len(record)
    if length == _LENGTH and record.startswith(_HEAD):
        return _unpack(record)[0]
    if length < _LENGTH and record in _KNOWN:
        return _KNOWN[record]
    if length < _SHORT_TEXT and record[0] == _TEXT:
        return record[1:].decode()
    return LONG
