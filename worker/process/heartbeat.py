"""What a worker reports to the launcher once a second."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from ..waiting.announcer import counts_to_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..engine.engine import Engine
    from ..metrics import WorkerMetrics
    from ..runs.group_commit import GroupCommit, ShardWriter
    from ..waiting.announcer import Announcer

__all__ = ["HEARTBEAT_SECONDS", "MOST_EXECUTING", "Heartbeats"]

MOST_EXECUTING: Final = 8
"""So many of the runs under way are reported, the oldest first."""

HEARTBEAT_SECONDS: Final = 1.0
"""Between two of them."""
EARLY_SECONDS: Final = 0.1
"""The same where inputs have failed for good."""


class Heartbeats:
    """Makes the messages.

    Of metrics and measures they have what has changed since the one before, as totals: the
    launcher keeps the rest. No message is lost while both live.
    """

    def __init__(self, engine: Engine, group: GroupCommit, announcer: Announcer) -> None:
        """`engine` has the runs, `announcer` knows what waits in the shards."""
        self._engine = engine
        self._group = group
        self._announcer = announcer
        self._metrics: dict[str, Any] = {}
        self._measures: dict[str, Any] = {}
        self._failed = 0
        """The dead letters that were reported."""
        self._sent_at = 0.0

    def is_early(self, now: float) -> bool:
        """Whether one is to be sent before its time: what has failed may soon end the worker."""
        if self._engine.metrics.dead_letters == self._failed:
            return False
        return now - self._sent_at >= EARLY_SECONDS

    def next(self, writers: Iterable[ShardWriter], *, lag: float, last: bool) -> dict[str, Any]:
        """The body of the next message.

        Args:
            writers: the shards that the worker has.
            lag: by how many seconds the event loop was late.
            last: whether no other message follows.
        """
        engine, group = self._engine, self._group
        metrics: WorkerMetrics = engine.metrics
        metrics.events = group.events
        self._failed, self._sent_at = metrics.dead_letters, asyncio.get_running_loop().time()
        if engine.tracer is not None:
            metrics.measures.unwritten["events"] = engine.tracer.failed
        if engine.recordings is not None:
            metrics.measures.unwritten["recordings"] = engine.recordings.errors
        before, self._metrics = self._metrics, metrics.snapshot()
        changed = _changes(before, self._metrics)
        changed.setdefault("numOfEventProcessed", group.events)
        known, self._measures = (
            self._measures,
            metrics.measures.snapshot(group.events),
        )
        return {
            "active": engine.active,
            "overdue": engine.overdue(),
            "executing": engine.under_way(MOST_EXECUTING),
            "totals": metrics.totals(),
            "failures": metrics.failure_kinds.counts(),
            "notices": metrics.notices.counts(),
            "waiting": counts_to_json(self._announcer.counts()),
            "metrics": changed,
            "measures": {
                name: _changes(known.get(name, {}), values)
                for name, values in self._measures.items()
            },
            "gauges": {"lag": lag, **_store_gauges(writers)},
            "last": last,
        }


def _changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in now.items() if before.get(name) != value}


def _store_gauges(writers: Iterable[ShardWriter]) -> dict[str, float]:
    """How much the worker's shards use together, and the fullest of them of its map."""
    uses = [writer.shard.map_use() for writer in writers]
    return {
        "store_bytes": float(sum(used for used, _ in uses)),
        "map_ratio": max((used / size for used, size in uses), default=0.0),
    }
