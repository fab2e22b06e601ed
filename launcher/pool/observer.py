"""Collects the status of a running pool from its parts."""

from __future__ import annotations

import os
import time
from collections import deque
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ..dispatch.slot import Phase
from ..hooks import LauncherHook
from ..metrics.series import series_of
from .status import PoolStatus, WorkerStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...agent.hooks import Hooks
    from ...store.state.directory import StateDirectory
    from ...store.waiting.reading import WaitingCounts
    from ..delivery.delivery import Delivery
    from ..delivery.source import Source
    from ..dispatch.dispatcher import Dispatcher
    from ..workers.registry import WorkerRegistry


class Observer:
    """Keeps the status of a pool up to date, and publishes it.

    Attributes:
        status: the same object for the whole life of the pool.
        waiting: returns what waits, if that is known better than from heartbeats; set by the pool.
        limits: returns how the limits of calls stand; set by the pool.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        source: Source,
        delivery: Delivery,
        state: StateDirectory,
        show: Callable[[PoolStatus], None] | None,
        *,
        hooks: Hooks[LauncherHook],
    ) -> None:
        """`show` is called with each new status."""
        self._hooks = hooks
        self.waiting: Callable[[], WaitingCounts | None] = lambda: None
        self.limits: Callable[[], dict[str, Any]] = dict
        self._dispatcher = dispatcher
        self._source = source
        self._delivery = delivery
        self._state = state
        self._show = show
        self._rates: deque[tuple[float, int]] = deque(maxlen=20)
        self.status = PoolStatus(os.getpid(), time.time(), "starting")

    def update(
        self, phase: str, generation: int, registry: WorkerRegistry, now: float
    ) -> PoolStatus:
        """Bring the status up to date; `now` is monotonic."""
        status = self.status
        events = self._delivery.events
        dispatcher = self._dispatcher
        counters = dispatcher.counters
        self._rates.append((now, events))
        began, count = self._rates[0]
        status.phase = phase
        status.generation = generation
        self._set_degraded(dispatcher.breaker.describe(now))
        status.hook_errors = self._hooks.errors
        status.elapsed = time.time() - status.started
        status.fraction = self._source.fraction()
        status.events = events
        status.outputs = self._delivery.outputs
        status.rate = (events - count) / (now - began) if now > began else 0.0
        status.deaths = counters.deaths
        counts = registry.totals()
        status.retries = counters.retries + counts["retries"]
        status.requeued = counters.requeued
        status.dead_letters = counts["dead_letters"]
        status.ignored = counts["ignored"]
        status.failed = counters.failed
        status.failures = registry.failures()
        status.notices = registry.notices()
        status.moves = dispatcher.moves.done
        status.longest_pause = dispatcher.moves.longest
        # Counts of nothing are false, and heartbeats are older than what was reported at the end.
        reported = self.waiting()
        waiting = registry.waiting() if reported is None else reported
        status.waiting_runs = waiting.runs
        status.waiting_inputs = waiting.inputs
        status.timers = waiting.timers
        status.questions = waiting.questions
        status.next_due = waiting.next
        status.limits = self.limits()
        status.metrics = registry.metrics()
        status.workers = [
            self._worker(slot, registry)
            for slot in range(dispatcher.most_slots)
            if dispatcher.phase(slot) is not Phase.RETIRED
        ]
        status.series = series_of(status)
        return status

    def _set_degraded(self, why: str) -> None:
        before, self.status.degraded = self.status.degraded, why
        if bool(why) != bool(before):
            self._hooks.call(LauncherHook.degraded, why)

    def publish(self, phase: str, generation: int, registry: WorkerRegistry, now: float) -> None:
        """Update the status, and give it to the state directory, the hooks and `show`."""
        status = self.update(phase, generation, registry, now)
        record = asdict(status)
        self._state.write_status(record)
        self._hooks.call(LauncherHook.status_sampled, record)
        if self._show is not None:
            self._show(status)

    def _worker(self, slot: int, registry: WorkerRegistry) -> WorkerStatus:
        worker = registry.current(slot)
        beat = worker.heartbeat if worker is not None else None
        held = worker.held if worker is not None else ""
        active = beat["active"] if beat else 0
        if not active and worker is not None and registry.beacons[slot].offset is not None:
            active = 1  # a plain action, during which there are no heartbeats
        dispatcher = self._dispatcher
        return WorkerStatus(
            slot,
            worker.pid if worker is not None else None,
            dispatcher.phase(slot).value,
            dispatcher.incarnation(slot),
            dispatcher.in_flight(slot),
            dispatcher.waiting(slot),
            active,
            dispatcher.generation(slot),
            len(dispatcher.shards_of(slot)),
            held or (beat.get("overdue", "") if beat else ""),
        )
