"""Inputs that wait, in offset order: in a slot, or parked while their shard moves.

The queue is a plain list. It is short (`Dispatcher.wanted` bounds it), so cutting a batch off its
front is one slice and one memmove, several times cheaper per item than popping a deque.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .item import Item


class InputQueue:
    """A queue of inputs.

    `queued_bytes` are the payload bytes of the queue. `suspects` counts the items with a level
    above 0, those in flight of a slot included: while it is 0, everything goes in bulk.
    `interrupted` are the offsets in the queue that a death interrupted: when they go out, these are
    retries. The first `owned` items are owned runs (`owned.py`), the others are inputs.
    """

    __slots__ = ("interrupted", "owned", "queue", "queued_bytes", "suspects")

    def __init__(self) -> None:
        self.queue: list[Item] = []
        self.queued_bytes = 0
        self.suspects = 0
        self.owned = 0
        self.interrupted: set[int] = set()

    def oldest(self) -> int | None:
        """The first input; None if there is none."""
        return self.queue[self.owned].offset if len(self.queue) > self.owned else None

    def put_owned(self, items: list[Item]) -> None:
        """Queue owned runs behind those that are queued, in front of all inputs."""
        self.queue[self.owned : self.owned] = items
        self.owned += len(items)
        self.queued_bytes += sum(item.size for item in items)
        self.suspects += sum(1 for item in items if item.deaths)

    def drop_owned(self, shard: int | None = None) -> list[Item]:
        """Remove the owned runs of a shard (None: of all) and return them."""
        owned = self.queue[: self.owned]
        dropped = [item for item in owned if shard is None or item.shard == shard]
        if dropped:
            kept = [item for item in owned if shard is not None and item.shard != shard]
            self.queue[: self.owned] = kept
            self.owned = len(kept)
            self.queued_bytes -= sum(item.size for item in dropped)
            self.suspects -= sum(1 for item in dropped if item.deaths)
            self.interrupted.difference_update([item.offset for item in dropped])
        return dropped

    def drop(self, offsets: Iterable[int]) -> list[Item]:
        """Remove the queued inputs with these offsets and return them."""
        unwanted = set(offsets)
        dropped = [item for item in self.queue if item.offset in unwanted]
        if dropped:
            self.queue[:] = [item for item in self.queue if item.offset not in unwanted]
            self.queued_bytes -= sum(item.size for item in dropped)
            self.interrupted -= unwanted
        return dropped

    def transfer(self, chosen: Callable[[Item], bool], other: InputQueue) -> None:
        """Move some inputs of the queue, in their order, to the front of another's inputs."""
        items = [item for item in self.queue if chosen(item)]
        if not items:
            return
        interrupted = {item.offset for item in items} & self.interrupted
        self.drop(item.offset for item in items)
        self.suspects -= sum(1 for item in items if item.deaths)
        other.put_first(items, interrupted)

    def transfer_all(self, other: InputQueue) -> None:
        """Move all inputs of the queue to the front of another's."""
        self.transfer(lambda _: True, other)

    def put_first(self, items: list[Item], interrupted: set[int]) -> None:
        """Put inputs in front of the others; `interrupted` are those of them that are retries.

        Of their keys nothing earlier may be in the queue, and nothing later in flight.
        """
        self.queue[self.owned : self.owned] = items
        self.queued_bytes += sum(item.size for item in items)
        self.suspects += sum(1 for item in items if item.deaths)
        self.interrupted |= interrupted


class ParkedQueue(InputQueue):
    """Where the inputs of a shard wait while it is on its way from one slot to another."""

    __slots__ = ()
