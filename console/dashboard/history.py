"""How a job has stood in the last hour, as far as this dashboard has seen it."""

from __future__ import annotations

from array import array
from math import isnan, nan
from threading import Lock
from typing import Any, Final

__all__ = ["History", "queued_in"]

EVERY: Final = 2.0
MOST: Final = 1800
_SPARE: Final = 180
"""So many points are dropped together: moving all others for each one would be waste."""
_NAMES: Final = (
    "at",
    "rate",
    "events",
    "in_flight",
    "waiting",
    "suspended",
    "rss",
    "cpu",
    "lag",
    "workers",
)


def queued_in(worker: dict[str, Any]) -> int:
    """Inputs that have not begun, as `WorkerStatus.queued`."""
    in_flight = worker.get("in_flight", 0)
    running = min(worker.get("active", 0), in_flight)
    return int(in_flight - running + worker.get("waiting", 0))


class History:
    """Numbers of one job, of an hour; some while at rest have no value, as a line has a gap."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._columns = {name: array("d") for name in _NAMES}
        self._used: dict[int, float] = {}
        """CPU seconds by pid, at the last point."""
        self._was_running = False

    def add(self, status: dict[str, Any]) -> None:
        """Add what a status says, unless the last one was added just now."""
        now = float(status["at"])
        times = self._columns["at"]
        passed = now - times[-1] if times else EVERY
        if abs(passed) < EVERY * 0.9:
            return
        is_running = bool(status["running"])
        if is_running:
            self._append(self._point(status, now, passed))
        elif self._was_running:
            self._used.clear()
            self._append({"at": now})
        self._was_running = is_running

    def _point(self, status: dict[str, Any], now: float, passed: float) -> dict[str, float]:
        workers = status.get("workers", [])
        usages = [(worker.get("pid"), worker.get("usage") or {}) for worker in workers]
        used = {
            pid: usage.get("cpu_user", 0.0) + usage.get("cpu_system", 0.0)
            for pid, usage in usages
            if pid is not None
        }
        known = used.keys() & self._used.keys()
        spent = sum(max(0.0, used[pid] - self._used[pid]) for pid in known)
        self._used = used
        return {
            "at": now,
            "rate": float(status.get("rate") or 0.0),
            "events": float(status.get("events") or 0),
            "in_flight": float(sum(worker.get("in_flight", 0) for worker in workers)),
            "waiting": float(sum(map(queued_in, workers))),
            "suspended": float(status.get("waiting_runs") or 0),
            "rss": float(sum(usage.get("rss", 0) for _, usage in usages)),
            "cpu": spent / passed if known and passed > 0 else nan,
            "lag": max((float(worker.get("lag", 0.0)) for worker in workers), default=0.0),
            "workers": float(sum(pid is not None for pid, _ in usages)),
        }

    def _append(self, point: dict[str, float]) -> None:
        with self._lock:
            for name, column in self._columns.items():
                column.append(point.get(name, nan))
                if len(column) >= MOST + _SPARE:
                    del column[:_SPARE]

    def to_json(self) -> dict[str, list[float | None]]:
        """The columns; a point without values is a gap."""
        with self._lock:
            return {
                name: [None if isnan(value) else value for value in column[-MOST:]]
                for name, column in self._columns.items()
            }
