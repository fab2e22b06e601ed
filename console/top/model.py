"""A pool as `tamias top` shows it, made of one status after the other.

Statuses have totals; what is shown are shares and rates, so the model keeps the last status. It
reads no clock and no file.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["ORDERS", "PoolView", "WorkerRow"]


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """One worker.

    Attributes:
        slot, pid, state, generation, shards: the worker; `pid` is None while there is none.
        cpu: of one core, 0 to 1 and more; None as long as there is one status only.
        rss, own: bytes in memory, and those that are its own; None if not known.
        lag: seconds by which its event loop was late.
        in_flight, queued: its inputs, and how many of them have not begun.
        executing: what it executes: `offset`, `key`, `action`, `since`.
        held: what holds it, empty if nothing does.
        restarts, last_death, last_death_at: of workers before it in the same slot.
    """

    slot: int
    pid: int | None
    state: str
    generation: int = 0
    shards: int = 0
    cpu: float | None = None
    rss: float | None = None
    own: float | None = None
    lag: float = 0.0
    in_flight: int = 0
    queued: int = 0
    executing: list[dict[str, Any]] = field(default_factory=list)
    held: str = ""
    restarts: int = 0
    last_death: str = ""
    last_death_at: float = 0.0

    @property
    def since(self) -> float:
        """When the oldest of what it executes has begun; infinity if it executes nothing."""
        begun = [float(each["since"]) for each in self.executing if each.get("since")]
        return min(begun, default=float("inf"))


_Key = tuple[Any, ...]

ORDERS: Final[dict[str, Callable[[WorkerRow], _Key]]] = {
    "worker": lambda row: (row.slot,),
    "cpu": lambda row: (-(row.cpu or 0.0), row.slot),
    "memory": lambda row: (-(row.rss or 0.0), row.slot),
    "lag": lambda row: (-row.lag, row.slot),
    "inputs": lambda row: (-row.in_flight, row.slot),
    "since": lambda row: (row.since, row.slot),
    "restarts": lambda row: (-row.restarts, row.slot),
}
"""The orders in which workers are shown, by name."""


class PoolView:
    """What is shown of a job.

    Attributes:
        status: the last status; empty if there is none.
        running: whether a launcher uses the state directory.
        order: one of `ORDERS`.
        selected: the slot of the selected worker, None if there are no workers.
    """

    def __init__(self) -> None:
        self.status: Mapping[str, Any] = {}
        self.running = False
        self.order = "worker"
        self.selected: int | None = None
        self.seen_at = 0.0
        """When the status was made, in seconds since the epoch: what it says was so then."""
        self._rows: list[WorkerRow] = []
        self._used: dict[int, tuple[float, float]] = {}
        """By pid, when its CPU time was read, and how many seconds it was."""
        self._shares: dict[int, float] = {}

    def update(self, status: Mapping[str, Any] | None, *, running: bool, now: float) -> None:
        """Take in a status that was read at a moment, seconds since the epoch."""
        self.running = running
        self.status = status or {}
        started, elapsed = self.status.get("started", now), self.status.get("elapsed", 0.0)
        self.seen_at = min(now, started + elapsed)
        workers = self.status.get("workers") or [] if running else []
        pids = {worker.get("pid") for worker in workers}
        self._used = {pid: used for pid, used in self._used.items() if pid in pids}
        self._shares = {pid: share for pid, share in self._shares.items() if pid in pids}
        self._rows = [self._row(worker, now) for worker in workers]
        slots = [row.slot for row in self.rows()]
        if self.selected not in slots:
            self.selected = slots[0] if slots else None

    def rows(self) -> list[WorkerRow]:
        """The workers, in order."""
        return sorted(self._rows, key=ORDERS[self.order])

    def row(self) -> WorkerRow | None:
        """The selected worker."""
        return next((row for row in self._rows if row.slot == self.selected), None)

    def move(self, steps: int) -> None:
        """Select another worker, so many lines further down."""
        slots = [row.slot for row in self.rows()]
        if self.selected in slots:
            place = slots.index(self.selected) + steps
            self.selected = slots[min(max(place, 0), len(slots) - 1)]

    def _row(self, worker: Mapping[str, Any], now: float) -> WorkerRow:
        usage = worker.get("usage") or {}
        in_flight = int(worker.get("in_flight", 0))
        running = min(int(worker.get("active", 0)), in_flight)
        return WorkerRow(
            worker["slot"],
            worker.get("pid"),
            worker.get("state", ""),
            worker.get("generation", 0),
            worker.get("shards", 0),
            self._share(worker.get("pid"), usage, now),
            usage.get("rss"),
            usage.get("own"),
            float(worker.get("lag", 0.0)),
            in_flight,
            in_flight - running + int(worker.get("waiting", 0)),
            list(worker.get("executing") or ()),
            worker.get("held", ""),
            int(worker.get("restarts", 0)),
            worker.get("last_death", ""),
            float(worker.get("last_death_at", 0.0)),
        )

    def _share(self, pid: int | None, usage: Mapping[str, float], now: float) -> float | None:
        if pid is None or "cpu_user" not in usage:
            return None
        seconds = usage["cpu_user"] + usage.get("cpu_system", 0.0)
        before = self._used.get(pid)
        if before is None:
            self._used[pid] = now, seconds
        elif seconds != before[1] or now - before[0] > 1.1:  # it is measured once a second
            if now > before[0]:
                self._shares[pid] = max(0.0, seconds - before[1]) / (now - before[0])
            self._used[pid] = now, seconds
        return self._shares.get(pid)

    def to_json(self) -> dict[str, Any]:
        """All that is shown, for scripts."""
        wanted = (
            *("phase", "degraded", "elapsed", "fraction", "events", "outputs", "rate", "retries"),
            *("deaths", "restarts", "failed", "dead_letters", "dead_letter_causes", "oldest_age"),
            *("waiting_runs", "timers", "questions", "generation", "hot_keys", "limits"),
        )
        return {
            "running": self.running,
            **{name: self.status.get(name) for name in wanted},
            "workers": [asdict(row) for row in self.rows()],
        }
