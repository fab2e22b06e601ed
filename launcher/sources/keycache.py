"""Caches encoded keys, so that encoding a recent key is only a dict lookup."""

from __future__ import annotations

from typing import Any

from ...store.encoding.keys import encode_key

_ENTRIES = 1 << 16
_LONGEST = 256

# Above this, a float may be an integer that orjson has rounded.
_EXACT = float(1 << 63)


class RoundedKeyError(ValueError):
    """A key read from JSON may have lost digits: read it again exactly."""


class KeyCache(dict[Any, bytes]):
    """``cache[key]`` is the encoded key, for any key.

    Only short strings are kept: ``1``, ``1.0`` and ``True`` are one key of a dict, but three keys
    here. All are dropped when there are too many, so that the memory is bounded.

    Args:
        from_json: keys were read by orjson, which rounds integers beyond 64 bits.

    Raises:
        InputError, TypeError: the value cannot be a key.
        RoundedKeyError: `from_json`, and the key may have been rounded.
    """

    def __init__(self, *, from_json: bool = False) -> None:
        super().__init__()
        self._from_json = from_json

    def __missing__(self, key: Any) -> bytes:
        encoded = encode_key(key)
        if type(key) is str:
            if len(key) <= _LONGEST:
                if len(self) >= _ENTRIES:
                    self.clear()
                self[key] = encoded
        elif self._from_json and type(key) is float and abs(key) >= _EXACT:
            raise RoundedKeyError
        return encoded
