"""Which slot has which shard, and how shards are shared out when there are more or fewer slots.

A shard belongs to exactly one slot. While it is on its way from one to another (`moves.py`) it is
in a *room* instead, whose number is below zero: nobody's, and where its inputs wait.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...store.encoding.keys import shard_of

if TYPE_CHECKING:
    from collections.abc import Sequence


class Placement:
    """The slot, or room, of every shard.

    Attributes:
        owners: slot or room by shard. To be changed by `put` only.
        routes: the same by encoded key.
    """

    __slots__ = ("owners", "routes")

    def __init__(self, shards: int, slots: Sequence[int]) -> None:
        """Share `shards` out over `slots`, in turn."""
        self.owners = [slots[shard % len(slots)] for shard in range(shards)]
        self.routes = SlotMap(self.owners)

    @property
    def shards(self) -> int:
        """How many shards there are."""
        return len(self.owners)

    def of(self, slot: int) -> list[int]:
        """The shards of a slot, ascending."""
        return [shard for shard, owner in enumerate(self.owners) if owner == slot]

    def put(self, shard: int, slot: int) -> None:
        """Give a shard to a slot, or into a room."""
        self.owners[shard] = slot
        self.routes.clear()


def rebalance(owners: Sequence[int], slots: Sequence[int]) -> list[tuple[int, int]]:
    """What has to move for `slots`, and nobody else, to share all shards evenly.

    Args:
        owners: the slot that has, or is about to get, each shard.
        slots: who shall have them; at least one.

    Returns:
        (shard, slot) pairs, as few as possible.
    """
    shards: dict[int, list[int]] = {slot: [] for slot in slots}
    homeless: list[int] = []
    for shard, owner in enumerate(owners):
        shards.get(owner, homeless).append(shard)
    least, over = divmod(len(owners), len(slots))
    # Those that have most already may keep the one that does not divide evenly.
    for rank, slot in enumerate(sorted(slots, key=lambda slot: -len(shards[slot]))):
        quota = least + (rank < over)
        homeless += shards[slot][quota:]
        del shards[slot][quota:]
    homeless.sort()
    moves = []
    for shard in homeless:
        slot = min(slots, key=lambda slot: len(shards[slot]))
        shards[slot].append(shard)
        moves.append((shard, slot))
    return moves


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
