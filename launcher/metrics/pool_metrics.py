"""All that a pool measures: what its workers report, what their processes use, why they restart."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from .executing import ExecutingRuns
from .ledger import MetricLedger
from .measure_ledger import MeasureLedger, merged
from .process_usage import ProcessUsages
from .slot_ledger import SlotLedger

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .ledger import MetricSummary
    from .measure_ledger import Measured

__all__ = ["PoolMetrics"]


class PoolMetrics:
    """The metrics of one pool.

    Attributes:
        usages: what the workers' processes have used.
        slots: what the workers of each slot have done.
        restarts: how many workers were started again, by why the one before has ended.
        restarts_of: the same by slot.
        last_deaths: by slot, how its last worker has ended that was not told to, and when.
        executing: what workers execute.
    """

    def __init__(self) -> None:
        self.usages = ProcessUsages()
        self.slots = SlotLedger()
        self.restarts: Counter[str] = Counter()
        self.restarts_of: Counter[int] = Counter()
        self.last_deaths: dict[int, tuple[str, float]] = {}
        self.executing = ExecutingRuns()
        self._metrics = MetricLedger()
        self._measures = MeasureLedger()

    @staticmethod
    def record(before: Mapping[str, Any] | None, heartbeat: dict[str, Any]) -> None:
        """Complete a worker's heartbeat, which has what has changed since the one before."""
        known = {} if before is None else before
        heartbeat["metrics"] = {**known.get("metrics", {}), **heartbeat["metrics"]}
        changed = heartbeat.get("measures", {})
        heartbeat["measures"] = merged(known.get("measures", {}), changed)

    def all_slots(self) -> set[int]:
        """The slots of which anything is known."""
        return {*self.usages.slots, *self.slots.slots, *self.restarts_of}

    def restarted(self, slot: int, cause: str) -> None:
        """A slot gets another worker, because of how the one before has ended."""
        self.restarts[cause] += 1
        self.restarts_of[slot] += 1

    def leave(self, slot: int, heartbeat: Mapping[str, Any] | None) -> None:
        """Keep what a slot's worker, which has ended, has reported last."""
        self.usages.leave(slot)
        if heartbeat is not None:
            self._metrics.leave(heartbeat["metrics"])
            measures = heartbeat.get("measures", {})
            self._measures.leave(measures)
            self.slots.leave(slot, measures)

    def metrics(self, heartbeats: Iterable[Mapping[str, Any]]) -> MetricSummary:
        """The agent's metrics, of all workers."""
        return self._metrics.summary(beat["metrics"] for beat in heartbeats)

    def measures(self, heartbeats: Iterable[Mapping[str, Any]]) -> Measured:
        """What all workers have measured of themselves."""
        return self._measures.totals(beat.get("measures", {}) for beat in heartbeats)
