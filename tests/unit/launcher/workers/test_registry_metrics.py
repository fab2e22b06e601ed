"""What a worker has counted stays in the pool's metrics when the slot gets another worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.launcher.listening import NoProcesses
from tamias.launcher.dispatch.instructions import StartWorker
from tamias.launcher.workers.registry import WorkerRegistry
from tamias.worker.metrics import WorkerMetrics

if TYPE_CHECKING:
    from pathlib import Path


def test_a_successor_begins_at_what_its_predecessor_has_counted(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    registry = WorkerRegistry(tmp_path)
    try:
        for incarnation in (1, 2, 3):
            registry.start(StartWorker(0, incarnation, [0], 0), NoProcesses())
            worker = registry.current(0)
            assert worker is not None
            assert registry.metering.metrics(registry.heartbeats()).totals.get("orders", 0) == 5 * (
                incarnation - 1
            )
            metrics = WorkerMetrics([])
            metrics.agent.get_counter("orders").inc(5)
            beat = {"totals": {}, "notices": {}, "failures": {}, "metrics": metrics.snapshot()}
            registry.record_heartbeat(worker, beat)
            assert (
                registry.metering.metrics(registry.heartbeats()).totals["orders"] == 5 * incarnation
            )
    finally:
        registry.close()
