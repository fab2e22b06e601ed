"""Caches encoded keys, so that encoding a key of few is only a dict lookup.

The cache is small: with many keys, finding one in a large dictionary takes longer than encoding it,
because the dictionary is in no cache of the processor. When it is full it stays as it is, and other
keys are encoded as they come; after many of those it begins anew, for the keys that come then.
"""

from __future__ import annotations

from typing import Any

from ...store.encoding.keys import encode_key

_ENTRIES = 1 << 12
_LONGEST = 256
_MISSES = 16 * _ENTRIES
"""After so many keys that were not in a full cache it begins anew."""

# Above this, a float may be an integer that orjson has rounded.
_EXACT = float(1 << 63)


class RoundedKeyError(ValueError):
    """A key read from JSON may have lost digits: read it again exactly."""


class KeyCache(dict[Any, bytes]):
    """``cache[key]`` is the encoded key, for any key.

    Only short strings are kept: ``1``, ``1.0`` and ``True`` are one key of a dict, but three keys
    here.

    Args:
        from_json: keys were read by orjson, which rounds integers beyond 64 bits.

    Raises:
        InputError, TypeError: the value cannot be a key.
        RoundedKeyError: `from_json`, and the key may have been rounded.
    """

    def __init__(self, *, from_json: bool = False) -> None:
        super().__init__()
        self._from_json = from_json
        self._misses = 0

    def __missing__(self, key: Any) -> bytes:
        encoded = encode_key(key)
        if type(key) is str:
            if len(self) >= _ENTRIES:
                self._misses += 1
                if self._misses >= _MISSES:
                    self._misses = 0
                    self.clear()
            elif len(key) <= _LONGEST:
                self[key] = encoded
        elif self._from_json and type(key) is float and abs(key) >= _EXACT:
            raise RoundedKeyError
        return encoded
