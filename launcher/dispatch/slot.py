"""One slot's share of the dispatcher: its queue, what is in flight, and its worker's life.

The queue is a plain list in offset order. It is short (`wanted` bounds it), so cutting a batch off
its front is one slice and one memmove, several times cheaper per item than popping a deque. Only
while suspects are around are items looked at one by one.
"""

from __future__ import annotations

from enum import Enum
from itertools import islice
from typing import TYPE_CHECKING

from .backoff import Backoff, FailureStreak

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .counters import Tally
    from .item import Item
    from .quarantine import Quarantine


class Phase(Enum):
    """Where the slot's current incarnation is in its life."""

    DOWN = "down"
    ASKED = "asked"
    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"
    """Its slot is retired, and it has been told to end."""
    RETIRED = "retired"
    """There is no such slot any more; its number may be used again."""


class Slot:
    """The state of one slot.

    `suspects` counts the items with a level above 0 in queue and flight: while it is 0, everything
    goes in bulk. `queued_bytes` and `flying_bytes` are the payload bytes of both. `interrupted` are
    the offsets in the queue that a death interrupted: when they go out, these are retries.
    `window` is the credit of the slot's worker, in items; while most of it is in use, less than
    `gulp` of freed credit is not worth a message. `active` is how many runs it had under way when
    it was last heard of, `completed` how many items it has completed. A `retiring` slot is to end
    when it has no shard.
    """

    __slots__ = (
        "active",
        "completed",
        "flight",
        "flying_bytes",
        "generation",
        "gulp",
        "incarnation",
        "interrupted",
        "number",
        "phase",
        "queue",
        "queued_bytes",
        "restart_at",
        "retiring",
        "row",
        "started_at",
        "suspects",
        "tally",
        "window",
    )

    def __init__(
        self, number: int, backoff: Backoff, tally: Tally, generation: int = 0, incarnation: int = 0
    ) -> None:
        """`tally` is that of all slots of the generation."""
        self.number = number
        self.generation = generation
        self.tally = tally
        self.window = 0
        self.gulp = 0
        self.completed = 0
        self.active = 0
        self.queue: list[Item] = []
        self.flight: dict[int, Item] = {}
        self.queued_bytes = 0
        self.flying_bytes = 0
        self.suspects = 0
        self.interrupted: set[int] = set()
        self.retiring = False
        self.phase = Phase.DOWN
        self.incarnation = incarnation
        self.restart_at = float("-inf")
        self.started_at = 0.0
        self.row = FailureStreak(backoff)

    def give_credit(self, window: int, batch: int) -> None:
        """Let so many items be in flight from now on, `batch` to a message."""
        self.window = window
        self.gulp = min(batch // 4, window // 16)

    def take(self, limit: int, window_bytes: int) -> list[Item]:
        """Cut the next items to send off the queue, as many as credit allows, in bulk.

        Only correct while there are no suspects.
        """
        queue = self.queue
        flying = len(self.flight)
        batch = queue[: min(limit, self.window - flying)]
        sizes = [item.size for item in batch]
        size = sum(sizes)
        room = window_bytes - self.flying_bytes
        if size > room:
            while sizes and size > room:
                size -= sizes.pop()
            if not sizes and not flying:  # larger than any window: it goes alone
                sizes.append(batch[0].size)
                size = sizes[0]
            del batch[len(sizes) :]
        self._launch(batch, size)
        return batch

    def take_carefully(self, limit: int, window_bytes: int, quarantine: Quarantine) -> list[Item]:
        """The same while suspects are around: never more in flight than anyone's company allows."""
        flying = len(self.flight)
        company = quarantine.company
        # With a suspect in flight the set is small; without one the head decides first.
        allowed = company(self.queue[0])
        if flying >= allowed:
            return []
        allowed = min([allowed, *(company(item) for item in self.flight.values() if item.deaths)])
        batch: list[Item] = []
        size = 0
        for item in islice(self.queue, limit):
            allowed = min(allowed, company(item))
            if flying >= allowed:
                break
            if self.flying_bytes + size + item.size > window_bytes and flying:
                break
            batch.append(item)
            size += item.size
            flying += 1
        self._launch(batch, size)
        return batch

    def _launch(self, batch: list[Item], size: int) -> None:
        del self.queue[: len(batch)]
        flight = self.flight
        for item in batch:
            flight[item.offset] = item
        self.queued_bytes -= size
        self.flying_bytes += size

    def ground(self) -> list[Item]:
        """Return all items in flight to the front of the queue, where they came from."""
        items = list(self.flight.values())  # in the order in which they were sent
        self.interrupted.update(self.flight)
        self.flight.clear()
        self.queue[:0] = items
        self.queued_bytes += self.flying_bytes
        self.flying_bytes = 0
        return items

    def drop(self, offsets: Iterable[int]) -> list[Item]:
        """Remove the queued items with these offsets and return them."""
        gone = set(offsets)
        dropped = [item for item in self.queue if item.offset in gone]
        if dropped:
            self.queue[:] = [item for item in self.queue if item.offset not in gone]
            self.queued_bytes -= sum(item.size for item in dropped)
            self.interrupted -= gone
        return dropped

    def cut(self, chosen: Callable[[Item], bool], other: Slot) -> None:
        """Move some items of the queue, in their order, to the front of another's."""
        items = [item for item in self.queue if chosen(item)]
        if not items:
            return
        interrupted = {item.offset for item in items} & self.interrupted
        self.drop(item.offset for item in items)
        self.suspects -= sum(1 for item in items if item.deaths)
        other.put_first(items, interrupted)

    def put_first(self, items: list[Item], interrupted: set[int]) -> None:
        """Put items at the front of the queue; `interrupted` are those of them that are retries.

        Of their keys nothing earlier may be in the queue, and nothing later in flight.
        """
        self.queue[:0] = items
        self.queued_bytes += sum(item.size for item in items)
        self.suspects += sum(1 for item in items if item.deaths)
        self.interrupted |= interrupted

    def empty(self) -> tuple[list[Item], set[int]]:
        """Take everything out of the queue, as `put_first` wants it."""
        items, interrupted = self.queue[:], self.interrupted
        self.queue.clear()
        self.queued_bytes = 0
        self.suspects = 0
        self.interrupted = set()
        return items, interrupted

    def count_suspects(self) -> None:
        """Count again after levels changed, or items were dropped, outside the bulk paths."""
        self.suspects = sum(1 for item in self.queue if item.deaths) + sum(
            1 for item in self.flight.values() if item.deaths
        )
