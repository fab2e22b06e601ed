"""What a worker reports to the launcher once a second."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..waiting.announcer import counts_to_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..engine.engine import Engine
    from ..metrics import WorkerMetrics
    from ..runs.group_commit import GroupCommit, ShardWriter
    from ..waiting.announcer import Announcer

__all__ = ["HEARTBEAT_SECONDS", "heartbeat"]

HEARTBEAT_SECONDS: Final = 1.0
"""Between two of them."""


def heartbeat(
    engine: Engine,
    group: GroupCommit,
    announcer: Announcer,
    writers: Iterable[ShardWriter],
    *,
    lag: float,
    last: bool,
) -> dict[str, Any]:
    """The body of the message.

    Args:
        engine: runs, and what they have counted.
        group: the commits.
        announcer: knows what waits in the shards.
        writers: the shards that the worker has.
        lag: by how many seconds the event loop was late.
        last: whether no other heartbeat follows.
    """
    metrics: WorkerMetrics = engine.metrics
    metrics.events = group.events
    if engine.tracer is not None:
        metrics.measures.unwritten["events"] = engine.tracer.failed
    if engine.recordings is not None:
        metrics.measures.unwritten["recordings"] = engine.recordings.errors
    return {
        "active": engine.active,
        "overdue": engine.overdue(),
        "totals": metrics.totals(),
        "failures": metrics.failure_kinds.counts(),
        "notices": metrics.notices.counts(),
        "waiting": counts_to_json(announcer.counts()),
        "metrics": metrics.snapshot(),
        "measures": metrics.measures.snapshot(metrics.executed, group.events),
        "gauges": {"lag": lag, **_store_gauges(writers)},
        "last": last,
    }


def _store_gauges(writers: Iterable[ShardWriter]) -> dict[str, float]:
    """How much the worker's shards use together, and the fullest of them of its map."""
    uses = [writer.shard.map_use() for writer in writers]
    return {
        "store_bytes": float(sum(used for used, _ in uses)),
        "map_ratio": max((used / size for used, size in uses), default=0.0),
    }
