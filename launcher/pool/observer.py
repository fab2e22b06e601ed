"""Collects the status of a running pool from its parts."""

from __future__ import annotations

import os
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final, cast

from ...store.compiled import described_core
from ...worker.metering.shapes import SECOND
from ...worker.process.heartbeat import HEARTBEAT_SECONDS
from ..dispatch.slot import Phase
from ..hooks import LauncherHook
from ..metrics.input_ages import InputAges
from ..metrics.top_keys import TopKeys
from .status import PoolStatus, WorkerStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ...agent.hooks import Hooks
    from ...store.state.directory import StateDirectory
    from ...store.waiting.reading import WaitingCounts
    from ..delivery.delivery import Delivery
    from ..delivery.source import Source
    from ..dispatch.dispatcher import Dispatcher
    from ..metrics.pool_metrics import PoolMetrics
    from ..workers.registry import WorkerHandle, WorkerRegistry


SUMS_SECONDS: Final = 1.0
"""Between two sums of what workers have reported, which they do once a second."""
LONGEST_SECONDS: Final = 10.0
MOST_OF_LOOP: Final = 0.01
"""The share of the loop's time that sums may take: of many workers with many actions and metrics
they are made less often."""


class Observer:
    """Keeps the status of a pool up to date, and publishes it.

    Attributes:
        status: the same object for the whole life of the pool.
        waiting: returns what waits, if that is known better than from heartbeats; set by the pool.
        limits: returns how the limits of calls stand; set by the pool.
        ages, top_keys: when inputs were read, and of which keys; set by the pool.
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
        self.ages = InputAges()
        self.top_keys = TopKeys()
        self._next_sums = 0.0
        self._summed_in = ""
        self.status = PoolStatus(os.getpid(), time.time(), "starting", core=described_core())

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
        registry.metering.usages.sample(registry.processes(), now)
        slots = range(dispatcher.most_slots)
        status.workers = [
            self._worker(slot, registry, now)
            for slot in slots
            if dispatcher.phase(slot) is not Phase.RETIRED
        ]
        present = {worker.slot for worker in status.workers}
        status.former_slots = {
            str(slot): {
                "usage": registry.metering.usages.of_slot(slot),
                **_of_slot(registry.metering, slot, None),
            }
            for slot in registry.metering.all_slots() - present
        }
        if now >= self._next_sums or status.phase != self._summed_in:
            self._summed_in = status.phase
            began = time.thread_time()
            self._sum(status, registry, now)
            pause = (time.thread_time() - began) / MOST_OF_LOOP
            self._next_sums = now + min(max(SUMS_SECONDS, pause), LONGEST_SECONDS)
        return status

    def _sum(self, status: PoolStatus, registry: WorkerRegistry, now: float) -> None:
        """Add up what workers have measured."""
        dispatcher, metering = self._dispatcher, registry.metering
        beats = registry.heartbeats()
        status.metrics, status.histograms, status.gauges = metering.metrics(beats)
        status.measures = metering.measures(beats)
        status.dead_letter_causes = cast("dict[str, int]", status.measures.get("dead_letters", {}))
        status.restarts = dict(metering.restarts)
        status.generations = dispatcher.counters.by_generation()
        status.oldest_age = self.ages.age(self._oldest(), now)
        status.hot_keys = [list(pair) for pair in self.top_keys.top()]
        gauges = [beat.get("gauges", {}) for beat in beats]
        status.store = {
            "bytes": sum(each.get("store_bytes", 0.0) for each in gauges),
            "map_ratio": max((each.get("map_ratio", 0.0) for each in gauges), default=0.0),
        }

    def _oldest(self) -> int | None:
        """The first input that was read and is not done."""
        dispatcher = self._dispatcher
        slots = map(dispatcher.slot_state, range(dispatcher.most_slots))
        queues = (*slots, *dispatcher.moves.parked)
        return min(
            (first for queue in queues if (first := queue.oldest()) is not None), default=None
        )

    def _set_degraded(self, why: str) -> None:
        before, self.status.degraded = self.status.degraded, why
        if bool(why) != bool(before):
            self._hooks.call(LauncherHook.degraded, why)

    def publish(self, phase: str, generation: int, registry: WorkerRegistry, now: float) -> None:
        """Update the status, and give it to the state directory, the hooks and `show`."""
        status = self.update(phase, generation, registry, now)
        record = status.to_json()
        self._state.write_status(record)
        self._hooks.call(LauncherHook.status_sampled, record)
        if self._show is not None:
            self._show(status)

    def _worker(self, slot: int, registry: WorkerRegistry, now: float) -> WorkerStatus:
        worker = registry.current(slot)
        beat = worker.heartbeat if worker is not None else None
        held = worker.held if worker is not None else ""
        active = beat["active"] if beat else 0
        if not active and worker is not None and registry.beacons[slot].offset is not None:
            active = 1  # a plain action, during which there are no heartbeats
        dispatcher, metering = self._dispatcher, registry.metering
        phase, state = dispatcher.phase(slot), dispatcher.slot_state(slot)
        lag = 0.0
        if beat and worker is not None and worker.ready:
            late = now - worker.heard_at - HEARTBEAT_SECONDS
            lag = max(beat.get("gauges", {}).get("lag", 0.0), late)
        return WorkerStatus(
            slot,
            worker.pid if worker is not None else None,
            phase.value,
            dispatcher.incarnation(slot),
            dispatcher.in_flight(slot),
            dispatcher.waiting(slot),
            active,
            dispatcher.generation(slot),
            len(dispatcher.shards_of(slot)),
            held or (beat.get("overdue", "") if beat else ""),
            began=metering.usages.began(slot),
            usage=metering.usages.of_slot(slot),
            lag=lag,
            executing=self._executing(slot, worker, registry),
            credit=max(0, state.window - len(state.flight)) if phase is Phase.READY else 0,
            **_of_slot(metering, slot, beat),
        )

    def _executing(
        self, slot: int, worker: WorkerHandle | None, registry: WorkerRegistry
    ) -> list[dict[str, Any]]:
        if worker is None or worker.pid is None:
            return []
        return registry.metering.executing.of(
            *worker.place,
            registry.beacons[slot],
            reported=(worker.heartbeat or {}).get("executing", ()),
            flight=self._dispatcher.slot_state(slot).flight,
            actions=worker.actions,
            now=time.time(),
        )


def _of_slot(
    metering: PoolMetrics, slot: int, heartbeat: Mapping[str, Any] | None
) -> dict[str, Any]:
    """What the workers of a slot have done, as fields of the status."""
    measures = heartbeat.get("measures") if heartbeat else None
    totals = metering.slots.totals(slot, measures)
    text, at = metering.last_deaths.get(slot, ("", 0.0))
    return {
        "user_seconds": totals["user_ns"] / SECOND,
        "runs": totals["runs"],
        "restarts": metering.restarts_of[slot],
        "last_death": text,
        "last_death_at": at,
    }
