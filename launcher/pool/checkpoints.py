"""Saving checkpoints, and letting workers forget what these cover."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ...worker import wire
from ..hooks import LauncherHook

if TYPE_CHECKING:
    from ...agent.hooks import Hooks
    from ..connection.transport import WorkerTransport
    from ..delivery.delivery import Delivery
    from ..dispatch.placement import Placement
    from ..workers.registry import WorkerRegistry


class CheckpointSaver:
    """Saves the checkpoints of one pool."""

    def __init__(
        self,
        delivery: Delivery,
        placement: Placement,
        registry: WorkerRegistry,
        transport: WorkerTransport,
        hooks: Hooks[LauncherHook],
    ) -> None:
        self._delivery = delivery
        self._placement = placement
        self._registry = registry
        self._transport = transport
        self._hooks = hooks

    def save(self) -> None:
        """Save a checkpoint if anything has changed, and acknowledge the outboxes that it covers.

        Raises:
            TamiasError: it cannot be saved.
        """
        delivery = self._delivery
        is_new = not delivery.is_saved
        began = time.monotonic()
        levels = delivery.save()
        if is_new:
            seconds = time.monotonic() - began
            self._hooks.call(
                LauncherHook.checkpoint_saved, delivery.events, delivery.outputs, seconds
            )
        if levels:
            self._acknowledge(levels)

    def _acknowledge(self, levels: dict[int, int]) -> None:
        by_slot: dict[int, dict[int, int]] = {}
        for shard, level in levels.items():
            slot = self._placement.owner(shard)
            if slot is not None:  # who takes a parked shard is told then
                by_slot.setdefault(slot.number, {})[shard] = level
        for number, acknowledged in by_slot.items():
            worker = self._registry.current(number)
            if worker is not None and worker.ready:
                self._transport.send(worker.identity, wire.pack(wire.ACKNOWLEDGE, acknowledged))
