"""What a running pool looks like from outside.

The pool updates a `PoolStatus` a few times a second, for callers in the same process, and writes it
to `status.json` in the state directory for other processes (`tamias status`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Final

from ...store.waiting.reading import WaitingCounts


@dataclass(slots=True)
class WorkerStatus:
    """One slot."""

    slot: int
    pid: int | None
    state: str
    """"down", "asked", "starting", "ready" or "stopping"."""
    incarnation: int
    in_flight: int
    waiting: int
    active: int = 0
    """Runs that are executed, as of the last heartbeat."""
    generation: int = 0
    shards: int = 0
    """How many shards it has."""
    held: str = ""
    """What holds its event loop for longer than a minute, or what it has waited for during five;
    empty if there is nothing."""
    began: float = 0.0
    """When its process began, in seconds since the epoch."""
    usage: dict[str, float] = field(default_factory=dict)
    """What the slot's processes have used, as the kernel counts it, and what the present one has
    now (`ProcessUsages.of_slot`)."""
    lag: float = 0.0
    """Seconds by which its event loop was late at the last heartbeat, or is late now."""
    user_seconds: float = 0.0
    """How long the agent's code has been executed in this slot."""
    executing: list[dict[str, Any]] = field(default_factory=list)
    """Some of the runs that are executed: `offset`, `key` and `action` as text, and `since`, in
    seconds since the epoch."""
    restarts: int = 0
    """How many workers were started in this slot after the first."""
    last_death: str = ""
    """How the last worker of this slot has ended that was not told to; empty if none has."""
    last_death_at: float = 0.0
    """When that was, in seconds since the epoch."""
    credit: int = 0
    """How many more inputs it may be sent now."""
    runs: int = 0
    """Runs that have ended in this slot."""

    @property
    def running(self) -> int:
        """Runs that are executed."""
        return min(self.active, self.in_flight)

    @property
    def queued(self) -> int:
        """Inputs that have not begun, in the worker or in the launcher."""
        return self.in_flight - self.running + self.waiting


@dataclass(slots=True)
class PoolStatus:
    """The pool as a whole. Times are seconds, `started` is since the epoch."""

    pid: int
    started: float
    phase: str
    """"starting", "running", "draining" (after a signal), "stopping", and in the end "finished",
    "interrupted" or "failed"."""
    core: str = ""
    """Whether tamias is compiled in the launcher's process, in words (`store/compiled.py`)."""
    degraded: str = ""
    """Why the pool is degraded (too many failures of workers); empty if it is not."""
    elapsed: float = 0.0
    fraction: float | None = None
    """How much of the input has been read, where that is known."""
    events: int = 0
    """Inputs done, over all lives of the job."""
    outputs: int = 0
    rate: float = 0.0
    """Inputs per second, over the last few seconds."""
    retries: int = 0
    """Attempts beyond an input's first: it failed, or is suspected of having killed its worker."""
    requeued: int = 0
    """Inputs sent again because the worker that they had been sent to died."""
    deaths: int = 0
    dead_letters: int = 0
    """Inputs set aside in this life, as counted in the workers' heartbeats."""
    ignored: int = 0
    failed: int = 0
    """Inputs that have failed for good in this life: set aside or ignored."""
    failures: dict[str, list[Any]] = field(default_factory=dict)
    """Inputs that have failed for good in this life, by kind, the most frequent first: the count,
    and offset and error of the first."""
    notices: dict[str, int] = field(default_factory=dict)
    """Probable mistakes of the agent, by text: how often each was noticed."""
    moves: int = 0
    """How many shards have moved from one worker to another."""
    longest_pause: float = 0.0
    """Seconds that the inputs of a shard have waited for its move, at most."""
    waiting_runs: int = 0
    """Runs that are suspended in the store."""
    waiting_inputs: int = 0
    """Inputs that are kept in the store behind these."""
    timers: int = 0
    """Events that are scheduled."""
    questions: int = 0
    """Questions that suspended runs have asked."""
    next_due: float | None = None
    """When the next of them is due, in seconds since the epoch; None if none is by the clock."""
    generation: int = 0
    """The current generation."""
    reload: dict[str, Any] | None = None
    """How the last reload stands, or has ended: `generation`, `stage`, `reason` and more."""
    limits: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Calls with limits, by the name of the limit: how many were granted in this life, wait and are
    under way, the state of the breaker and how often it has opened, the tokens and the money that
    were used in all lives."""
    hook_errors: int = 0
    """How often a hook of the launcher has raised."""
    oldest_age: float | None = None
    """Seconds since the oldest of the inputs was read that are not done; None if there is none."""
    restarts: dict[str, int] = field(default_factory=dict)
    """How many workers were started again, by why the one before has ended."""
    dead_letter_causes: dict[str, int] = field(default_factory=dict)
    """Inputs that have failed for good in this life, by cause."""
    hot_keys: list[list[Any]] = field(default_factory=list)
    """The keys with the most inputs, as text, and about how many each had."""
    measures: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What all workers have measured of themselves, by measure and label: see
    `worker/metering/shapes.py`. Monitoring systems get all as series (`metrics.series`)."""
    histograms: dict[str, list[float]] = field(default_factory=dict)
    """Of each histogram of the agent the sum, and the counts of the buckets of
    `worker.buckets.FIXED_BOUNDS`."""
    gauges: list[str] = field(default_factory=list)
    """The names of those of the agent's metrics that are gauges."""
    generations: dict[str, dict[str, int]] = field(default_factory=dict)
    """What the workers of each generation have done; those before the last ones are added up."""
    former_slots: dict[str, dict[str, Any]] = field(default_factory=dict)
    """`usage`, `user_seconds`, `runs` and `restarts` of slots that there are no more."""
    store: dict[str, float] = field(default_factory=dict)
    """How many bytes the shards use together, and how much of its map the fullest uses."""
    workers: list[WorkerStatus] = field(default_factory=list)
    metrics: dict[str, Any] = field(default_factory=dict)
    """The agent's metrics by name, of all workers that the pool has had (`metrics.ledger`)."""

    @property
    def waiting(self) -> WaitingCounts:
        """What waits in the store."""
        return WaitingCounts(
            self.waiting_runs, self.waiting_inputs, self.timers, self.questions, self.next_due
        )

    def describe_drain(self) -> str:
        """What a first signal does, for the user who has sent it."""
        running = sum(worker.running for worker in self.workers)
        queued = sum(worker.queued for worker in self.workers)
        parts = ["stopping"]
        if running:
            runs = "1 run that is" if running == 1 else f"{running:,} runs that are"
            parts = [f"stopping after {runs} executed"]
        if queued:
            inputs = "1 queued input goes" if queued == 1 else f"{queued:,} queued inputs go"
            parts.append(f"{inputs} back, to be done when the job is resumed")
        return "; ".join([*parts, "interrupt again to stop at once"])

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> PoolStatus:
        """The status that `dataclasses.asdict` made into JSON. Raises TypeError or KeyError."""
        return cls(**{**data, "workers": [WorkerStatus(**worker) for worker in data["workers"]]})

    def to_json(self) -> dict[str, Any]:
        """The status as JSON; inverse of `from_json`.

        What is inside is not copied, because that takes long: it must not be changed.
        """
        data = {name: getattr(self, name) for name in _FIELDS}
        data["workers"] = [
            {name: getattr(worker, name) for name in _WORKER_FIELDS} for worker in self.workers
        ]
        return data


_FIELDS: Final = tuple(each.name for each in fields(PoolStatus))
_WORKER_FIELDS: Final = tuple(each.name for each in fields(WorkerStatus))
