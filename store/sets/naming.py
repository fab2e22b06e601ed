"""Which memory sets a shard has, and how messages name them."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from ...agent.errors import TamiasError
from ..encoding.keys import decode_key
from .changes import SetName
from .records import SETTINGS, owner_of, set_address, split_address

if TYPE_CHECKING:
    from collections.abc import Iterator

    import lmdb

__all__ = ["set_label", "sets_in"]

_BEHIND: Final = b"\xff"
"""Sorts behind all kinds of records, and names are UTF-8."""
_NOT_SHOWN: Final = (b"p", b"g")
"""The first bytes of keys that may need the user's classes to be read."""
_PLAIN: Final = 200
"""An owner whose first byte is not more is the prefix of a key that is stored in full."""


def set_label(name: SetName) -> str:
    """A set as messages name it."""
    if name.owner[0] == 0:
        return f"The shared memory set {name.name!r}"
    key = name.owner.hex()
    if name.owner[0] <= _PLAIN and name.owner[1:2] not in _NOT_SHOWN:
        with suppress(TamiasError):
            key = repr(decode_key(name.owner[1:]))
    return f"The memory set {name.name!r} of the key {key}"


def sets_in(
    transaction: lmdb.Transaction[Any], table: Any, owner: bytes | None = None, start: bytes = b""
) -> Iterator[SetName]:
    """Yield the sets of an owner, or of all from an address on: those that have settings."""
    if table is None:
        return
    with transaction.cursor(table) as cursor:
        first = owner or start
        present = cursor.set_range(first) if first else cursor.first()
        while present:
            key = bytes(cursor.key())
            if owner and owner_of(key) != owner:
                return
            found_owner, name, _ = split_address(key)
            address = set_address(found_owner, name)
            if transaction.get(address + SETTINGS, None, table) is not None:
                yield SetName(found_owner, name)
            present = cursor.set_range(address + _BEHIND)
