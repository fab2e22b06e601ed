"""Which worker slot an input goes to: key to shard to slot, remembered for the keys in use."""

from __future__ import annotations

from typing import Final

from ..store.keys import shard_of

_KEYS_KEPT: Final = 1 << 16


class SlotMap(dict[bytes, int]):
    """``map[key]`` is the slot that owns an encoded key, worked out on demand.

    Forgets all when it is full, so its memory is bounded.
    """

    def __init__(self, shards: int, slots: int) -> None:
        super().__init__()
        self._shards = shards
        self._slots = slots

    def __missing__(self, key: bytes) -> int:
        if len(self) >= _KEYS_KEPT:
            self.clear()
        slot = self[key] = shard_of(key, self._shards) % self._slots
        return slot
