"""Which worker slot an input goes to: key to shard to slot, remembered for the keys in use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..store.keys import shard_of

if TYPE_CHECKING:
    from collections.abc import Sequence

_KEYS_KEPT: Final = 1 << 16


class SlotMap(dict[bytes, int]):
    """``map[key]`` is the slot that owns an encoded key, worked out on demand.

    Forgets all when it is full, so its memory is bounded. Whoever changes the owners clears it.
    """

    def __init__(self, owners: Sequence[int]) -> None:
        """`owners` is the slot of each shard, and may change."""
        super().__init__()
        self._owners = owners

    def __missing__(self, key: bytes) -> int:
        if len(self) >= _KEYS_KEPT:
            self.clear()
        owners = self._owners
        slot = self[key] = owners[shard_of(key, len(owners))]
        return slot
