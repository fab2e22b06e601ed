"""One slot's share of the dispatcher: its queue, what is in flight, and its worker's life.

Only while suspects are around are items looked at one by one.
"""

from __future__ import annotations

from enum import Enum
from itertools import islice
from typing import TYPE_CHECKING

from ...store.records.offsets import LARGEST_OFFSET, is_owned
from .backoff import Backoff, FailureStreak
from .input_queue import InputQueue

if TYPE_CHECKING:
    from .counters import GenerationCounts
    from .item import Item
    from .quarantine import Quarantine


class Phase(Enum):
    """Where the slot's current incarnation is in its life."""

    DOWN = "down"
    ASKED = "asked"
    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"
    """Its slot is retired, and its worker was asked to end."""
    RETIRED = "retired"
    """There is no such slot any more; its number may be used again."""


class Slot(InputQueue):
    """The state of one slot.

    `flight` are the items that its worker has, with `flying_bytes` of payload. `window` is the
    worker's credit, in items; while most of it is in use, less than `gulp` of freed credit is not
    worth a message. `active` is how many runs it had under way at its last heartbeat, `completed`
    how many items it has completed, which measures its speed. A `retiring` slot ends when it has
    no shard.
    """

    __slots__ = (
        "active",
        "completed",
        "counts",
        "failures",
        "flight",
        "flying_bytes",
        "generation",
        "gulp",
        "incarnation",
        "number",
        "phase",
        "restart_at",
        "retiring",
        "started_at",
        "window",
    )

    def __init__(
        self,
        number: int,
        backoff: Backoff,
        counts: GenerationCounts,
        generation: int = 0,
        incarnation: int = 0,
    ) -> None:
        """`counts` are those of all slots of the generation."""
        super().__init__()
        self.number = number
        self.generation = generation
        self.counts = counts
        self.window = 0
        self.gulp = 0
        self.completed = 0
        self.active = 0
        self.flight: dict[int, Item] = {}
        self.flying_bytes = 0
        self.retiring = False
        self.phase = Phase.DOWN
        self.incarnation = incarnation
        self.restart_at = float("-inf")
        self.started_at = 0.0
        self.failures = FailureStreak(backoff)

    def oldest(self) -> int | None:
        """The first input that is queued or in flight; None if there is none."""
        queued = super().oldest()
        first = min(self.flight, default=None)
        if first is None or first > LARGEST_OFFSET:  # an owned run, or a retried dead letter
            return queued
        return first if queued is None else min(first, queued)

    def give_credit(self, window: int, batch: int) -> None:
        """Let so many items be in flight from now on, `batch` to a message."""
        self.window = window
        self.gulp = min(batch // 4, window // 16)

    def next_batch(self, limit: int, window_bytes: int) -> list[Item]:
        """Cut the next items to send off the queue, as many as credit allows, in bulk.

        Only correct while there are no suspects.
        """
        queue = self.queue
        flying = len(self.flight)
        batch = queue[: min(limit, self.window - flying)]
        sizes = [item.size for item in batch]
        size = sum(sizes)
        space = window_bytes - self.flying_bytes
        if size > space:
            while sizes and size > space:
                size -= sizes.pop()
            if not sizes and not flying:  # larger than any window: it goes alone
                sizes.append(batch[0].size)
                size = sizes[0]
            del batch[len(sizes) :]
        self._launch(batch, size)
        return batch

    def next_suspects(self, limit: int, window_bytes: int, quarantine: Quarantine) -> list[Item]:
        """The same while there are suspects: never more in flight than the smallest company."""
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
        self.owned -= min(self.owned, len(batch))
        flight = self.flight
        for item in batch:
            flight[item.offset] = item
        self.queued_bytes -= size
        self.flying_bytes += size

    def return_flight(self) -> list[Item]:
        """Return all items in flight to the front of the queue, where they came from."""
        items = list(self.flight.values())  # in the order in which they were sent
        self.interrupted.update(self.flight)
        self.flight.clear()
        owned = [item for item in items if is_owned(item.offset)]
        inputs = [item for item in items if not is_owned(item.offset)] if owned else items
        self.queue[self.owned : self.owned] = inputs
        self.queue[:0] = owned
        self.owned += len(owned)
        self.queued_bytes += self.flying_bytes
        self.flying_bytes = 0
        return items

    def count_sent_again(self, batch: list[Item], quarantine: Quarantine) -> None:
        """Count those of the items that are sent which a death has interrupted."""
        again = [item for item in batch if item.offset in self.interrupted]
        self.interrupted.difference_update([item.offset for item in again])
        for item in again:
            if item.rejection is not None:
                continue  # it is not run again
            if quarantine.company(item) == 1:
                self.counts.retries += 1
            else:
                self.counts.requeued += 1

    def count_rejected(self, batch: list[Item]) -> None:
        """Count those of the items that are sent which are rejected."""
        # Counted when they go out, not when they are rejected: a worker may turn out to have
        # committed one in the very life that ended in the rejection.
        for item in batch:
            suspicion = item.suspicion
            if item.rejection is not None and suspicion is not None and not suspicion.sent:
                suspicion.sent = True
                self.counts.rejected += 1

    def count_suspects(self) -> None:
        """Count again after levels changed, or items were dropped, outside the bulk paths."""
        self.suspects = sum(1 for item in self.queue if item.deaths) + sum(
            1 for item in self.flight.values() if item.deaths
        )
