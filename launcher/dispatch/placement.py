"""Where each shard is, and how shards are shared out when there are more or fewer slots.

A shard belongs to exactly one slot. While it is on its way from one to another (`migration.py`) no
slot has it, and its inputs wait in a queue of their own: it is *parked*.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...store.encoding.keys import shard_of
from .slot import Slot

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .input_queue import InputQueue, ParkedQueue
    from .item import Item


_FEW: Final = 8
"""So few items are counted one by one, and not by shard."""


class Placement:
    """The one owner of the place of every shard.

    Attributes:
        queues: by shard, the queue in which its inputs wait. Changed by `put` and `park` only.
        appends: by shard, what appends an input to that queue.
        shard_of: the shard of an encoded key.
    """

    __slots__ = ("appends", "queues", "shard_of")

    def __init__(self, shards: int, slots: Sequence[Slot]) -> None:
        """Share `shards` out over `slots`, in turn."""
        self.queues: list[InputQueue] = [slots[shard % len(slots)] for shard in range(shards)]
        self.appends: list[Callable[[Item], None]] = [queue.queue.append for queue in self.queues]
        self.shard_of = ShardMap(shards)

    @property
    def shards(self) -> int:
        """How many shards there are."""
        return len(self.queues)

    def owner(self, shard: int) -> Slot | None:
        """The slot that has a shard; None while it is parked."""
        queue = self.queues[shard]
        return queue if isinstance(queue, Slot) else None

    @property
    def owners(self) -> list[int | None]:
        """The number of the slot that has each shard; None for one that is parked."""
        owners = map(self.owner, range(self.shards))
        return [None if slot is None else slot.number for slot in owners]

    def of(self, slot: Slot) -> list[int]:
        """The shards of a slot, ascending."""
        return [shard for shard, queue in enumerate(self.queues) if queue is slot]

    def queue_items(self, items: Sequence[Item]) -> int:
        """Put items into the queues of their shards; return how many bytes they have."""
        if len(items) < _FEW:
            for item in items:
                self.appends[item.shard](item)
                self.queues[item.shard].queued_bytes += item.size
            return sum([item.size for item in items])
        sizes = [0] * len(self.queues)
        appends = self.appends
        for item in items:
            shard = item.shard
            appends[shard](item)
            sizes[shard] += item.size
        for queue, size in zip(self.queues, sizes, strict=True):
            queue.queued_bytes += size
        return sum(sizes)

    def put(self, shard: int, slot: Slot) -> None:
        """Give a shard to a slot."""
        self._set(shard, slot)

    def park(self, shard: int, queue: ParkedQueue) -> None:
        """Take a shard from its slot; its inputs go to this queue from now on."""
        self._set(shard, queue)

    def _set(self, shard: int, queue: InputQueue) -> None:
        self.queues[shard] = queue
        self.appends[shard] = queue.queue.append


def rebalance(owners: Sequence[int], slots: Sequence[int]) -> list[tuple[int, int]]:
    """Plan the moves after which `slots`, and no others, share all shards evenly.

    Args:
        owners: the slot that has, or is about to get, each shard.
        slots: the slots that shall have them; at least one.

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


_KEYS_KEPT: Final = 1 << 12
"""With more, finding one in memory costs more than computing it."""


class ShardMap(dict[bytes, int]):
    """``map[key]`` is the shard of an encoded key, computed on demand.

    Drops everything when it is full, so its memory is bounded.
    """

    def __init__(self, shards: int) -> None:
        super().__init__()
        self._shards = shards

    def __missing__(self, key: bytes) -> int:
        if len(self) >= _KEYS_KEPT:
            self.clear()
        shard = self[key] = shard_of(key, self._shards)
        return shard
