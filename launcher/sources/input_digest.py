"""A digest of a program's inputs, by which a later life recognises them.

Python's own `hash` and pickles differ from process to process for equal values: sets have no order,
and a pickle records which objects are shared. `marshal` in version 2 writes equal plain data alike,
shared or not. Values that are not plain data count by their type alone, sets by their size.
"""

from __future__ import annotations

import marshal
from hashlib import blake2b
from typing import Any, Final

_VERSION: Final = 2
_SETS: Final = (b"<", b">")
"""What marshal writes before a set; text may hold the same."""


class InputDigest:
    """The digest of the first `count` elements.

    Attributes:
        count: how many elements it covers.
    """

    def __init__(self) -> None:
        self.count = 0
        self._hash = blake2b(digest_size=16)

    def add(self, element: Any) -> None:
        """Add the next element."""
        self._hash.update(_stable(element))
        self.count += 1

    def hexdigest(self) -> str:
        """The digest so far."""
        return self._hash.hexdigest()


def _stable(element: Any) -> bytes:
    """Bytes that are equal in every process for equal elements."""
    try:
        data = marshal.dumps(element, _VERSION)
        if not any(mark in data for mark in _SETS):
            return data
    except ValueError:  # not plain data
        pass
    try:
        return marshal.dumps(_plain(element), _VERSION)
    except Exception:  # noqa: BLE001 (it contains itself, or methods of its class raise)
        return type(element).__qualname__.encode()


def _plain(value: Any) -> Any:
    """The value with stand-ins for what is not plain data."""
    if isinstance(value, dict):
        return [(_plain(key), _plain(item)) for key, item in value.items()]
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    kind = type(value)
    if kind in (str, bytes, int, float, bool, complex) or value is None:
        return value
    if isinstance(value, (set, frozenset)):
        return (kind.__qualname__, len(value))
    return kind.__qualname__
