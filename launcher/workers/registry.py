"""The worker processes of a pool, slot by slot, as the launcher knows them.

The registry starts them, finds each by its secret identity, and turns the end of one into a `Death`
with all that is known of it. The dispatcher decides which to start, the monitor which to kill.
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Final, Literal

from ...store.state.layout import StateLayout
from ...store.waiting.reading import WaitingCounts
from ...worker.beacon import Beacons
from ...worker.process.boot import Assignment
from ..dispatch.item import Death
from ..heartbeats.heartbeat import is_heartbeat
from ..heartbeats.killed_worker import completed, read_counts
from ..hooks import WorkerExit, WorkerInfo
from ..metrics.pool_metrics import PoolMetrics
from .interpreter import signal_name
from .procfs import oom_kills
from .starter import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from ..dispatch.instructions import StartWorker
    from .starter import Exited, Started, Starter

STACKS_BYTES: Final = 1 << 16
"""The largest part of a worker's stack dump that a dead letter holds."""


@dataclass(slots=True, frozen=True)
class Halt:
    """A request to a worker to begin nothing more, and what was known of the worker then."""

    at: float
    """When it was sent, monotonic."""
    heartbeat: dict[str, Any] | None
    executed: int | None
    """The input that its beacon has named."""


@dataclass(slots=True)
class WorkerHandle:
    """A slot's current process."""

    assignment: Assignment
    identity: bytes
    """Its routing id."""
    pid: int | None = None
    ready: bool = False
    generation: int = 0
    found: dict[int, list[int]] = field(default_factory=dict)
    """Offsets that it has announced, by shard, until it says that it has the shard."""
    found_sequences: dict[int, int] = field(default_factory=dict)
    """The last outbox record that it has announced, by shard, until it says that it has it."""
    shard_of_known: dict[int, int] | None = None
    """The shard of each input that is known, by offset, while the worker announces; else None."""
    found_failed: set[int] = field(default_factory=set)
    """Those of them that have failed finally."""
    unrelated: bool = False
    """Whether its death suspects no input."""
    halt: Halt | None = None
    """Set when it was asked to begin nothing more."""
    stop_by: float = 0.0
    """The time at which it is killed if it still runs; 0.0 if it was not asked to end."""
    is_rejected: bool = False
    """Whether it is killed because of what it has sent."""
    killed_for: str = ""
    """The reason for which the monitor has killed it; empty if it has not."""
    killed_cause: Literal["crash", "timeout", "memory"] = "crash"
    """The cause of that in a dead letter."""
    ended_by: str = ""
    """Why its process has ended: "crash", "timeout" or "memory"; "start": before it was ready;
    "unrelated": whatever it was doing."""
    heartbeat: dict[str, Any] | None = None
    heard_at: float = 0.0
    """When that came, monotonic."""
    asked: int = 0
    """The number of the last call that it has asked a permit for."""
    actions: list[str] = field(default_factory=list)
    """The names of the agent's actions, as its beacon numbers them."""
    waits: bool = False
    """Whether it reports what waits in its shards."""
    streams: bool = False
    """Whether it can send what calls write."""
    knows_streams: bool = False
    """Whether it was sent which inputs have streams."""
    held: str = ""
    """What holds its event loop, and for how long, if it stands still."""

    def info(self, pid: int) -> WorkerInfo:
        """The worker, as hooks receive it."""
        return WorkerInfo(*self.place, self.generation, pid)

    def exit_info(self, death: Death, *, expected: bool) -> WorkerExit:
        """The worker's end, as hooks receive it."""
        return WorkerExit(
            text=death.describe(),
            signal=death.signal,
            exit_code=death.exit_code,
            killed_for=self.killed_cause if self.killed_for else "",
            suspect=death.suspect,
            expected=expected,
        )

    @property
    def sent_last_heartbeat(self) -> bool:
        """Whether the heartbeat is the last one of a worker that ends normally."""
        return self.heartbeat is not None and self.heartbeat["last"]

    @property
    def place(self) -> tuple[int, int]:
        """Slot and incarnation."""
        return self.assignment.slot, self.assignment.incarnation


class WorkerRegistry:
    """The workers of one pool."""

    def __init__(self, state: Path) -> None:
        """`state` is the state directory, which holds beacons and stack dumps."""
        self.state = state
        self.beacons = Beacons(StateLayout(state).beacons)
        """The input that each worker executes, in shared memory that outlives it."""
        self._by_slot: dict[int, WorkerHandle] = {}
        self._by_identity: dict[bytes, WorkerHandle] = {}
        self._oom_kills = oom_kills()
        self.waiting_inputs = 0
        """The inputs that are kept in shards behind suspended runs, as of the last heartbeats."""
        self._former: Counter[str] = Counter()
        """The counts of former workers."""
        self._former_failures: dict[str, list[Any]] = {}
        self._former_notices: Counter[str] = Counter()
        self.metering = PoolMetrics()
        """What the workers have measured, and what their processes have used."""

    def __iter__(self) -> Iterator[WorkerHandle]:
        return iter(self._by_slot.values())

    def current(self, slot: int) -> WorkerHandle | None:
        """The slot's current worker, dead or alive; None before the first."""
        return self._by_slot.get(slot)

    def by_identity(self, identity: bytes) -> WorkerHandle | None:
        """The living worker with this routing id."""
        return self._by_identity.get(identity)

    def start(self, start: StartWorker, starter: Starter) -> None:
        """Start a worker in place of the slot's last one."""
        slot = start.slot
        old = self._by_slot.get(slot)
        if old is not None:
            self.metering.restarted(slot, old.ended_by or "start")
        self.remove(slot)
        self.beacons[slot].clear()
        assignment = Assignment(slot, start.incarnation, token_hex(16), start.shards)
        worker = WorkerHandle(
            assignment, bytes.fromhex(assignment.identity), generation=start.generation
        )
        self._by_slot[slot] = worker
        self._by_identity[worker.identity] = worker
        starter.start(assignment)

    def remove(self, slot: int) -> None:
        """Remove a slot's worker; what it has counted is kept."""
        old = self._by_slot.pop(slot, None)
        if old is None:
            return
        self._by_identity.pop(old.identity, None)
        self.waiting_inputs -= _waiting_inputs(old)
        self.metering.leave(slot, old.heartbeat)
        StateLayout(self.state).counts(slot).unlink(missing_ok=True)
        if old.heartbeat is not None:
            self._former.update(old.heartbeat["totals"])
            self._former_notices.update(old.heartbeat["notices"])
            self._former_failures = merge_failures(
                [self._former_failures, old.heartbeat["failures"]]
            )

    def record_start(self, event: Started) -> WorkerHandle | None:
        """Record the pid of a started worker; return it if it is its slot's current one."""
        worker = self._by_slot.get(event.assignment.slot)
        if worker is None or worker.assignment != event.assignment:
            return None
        worker.pid = event.pid
        if worker.is_rejected:
            _kill(event.pid)
        return worker

    def reject(self, worker: WorkerHandle, reason: str) -> None:
        """Kill a worker for this reason, and ignore what it sends from now on."""
        self._by_identity.pop(worker.identity, None)
        worker.is_rejected = True
        worker.killed_for = worker.killed_for or reason
        if worker.pid is not None:
            _kill(worker.pid)

    def record_exit(self, event: Exited) -> Death | None:
        """Record that a process has ended, and return how; None if its slot has another by now."""
        slot = event.assignment.slot
        worker = self._by_slot.get(slot)
        if worker is None or worker.assignment != event.assignment:
            return None
        self._by_identity.pop(worker.identity, None)
        was_ready, worker.ready = worker.ready, False
        worker.pid = None
        text, number, code = _describe(event.status)
        if number == signal.SIGKILL and self._oom_kills != (now := oom_kills()):
            self._oom_kills = now
            text += ", while the kernel killed processes because memory was short"
        self._complete_heartbeat(worker)
        unrelated = event.status is None or worker.unrelated
        if unrelated:
            worker.ended_by = "unrelated"
        else:
            worker.ended_by = worker.killed_cause if was_ready else "start"
        return Death(
            cause=worker.killed_cause,
            text=worker.killed_for or text,
            signal=number,
            exit_code=code,
            suspect=self.beacons[slot].offset,
            stacks=self.stacks(slot),
            worker_pid=event.pid,
            unrelated=unrelated,
        )

    def _complete_heartbeat(self, worker: WorkerHandle) -> None:
        """Add what a worker that was killed has counted since its last heartbeat."""
        if worker.sent_last_heartbeat:
            return
        counted = read_counts(StateLayout(self.state).counts(worker.assignment.slot))
        if counted is None:
            return
        heartbeat = completed(worker.heartbeat, counted)
        if is_heartbeat(heartbeat):  # its own code may have written into the file
            self.record_heartbeat(worker, heartbeat)

    def kill_generation(self, generation: int) -> None:
        """Kill the workers of a generation; no input is a suspect because of that."""
        for worker in self:
            if worker.generation == generation and worker.pid is not None:
                worker.unrelated = True
                _kill(worker.pid)

    @property
    def all_ready(self) -> bool:
        """Whether all workers are ready, and none was asked to end."""
        return all(worker.ready and not worker.stop_by for worker in self)

    def kill_overdue(self, now: float) -> None:
        """Kill workers that were asked to end and have not; `now` is monotonic."""
        for worker in self:
            if worker.stop_by and worker.pid is not None and now >= worker.stop_by:
                _kill(worker.pid)

    def processes(self) -> list[tuple[int, int, int]]:
        """Slot, incarnation and process id of each worker whose process runs."""
        return [(*worker.place, worker.pid) for worker in self if worker.pid is not None]

    def totals(self) -> Counter[str]:
        """Return the failures that all workers have counted, as of their last heartbeats.

        Only the workers can count these: tries of actions, inputs set aside or ignored.
        """
        totals = self._former.copy()
        for worker in self:
            if worker.heartbeat is not None:
                totals.update(worker.heartbeat["totals"])
        return totals

    def failures(self) -> dict[str, list[Any]]:
        """The inputs that have failed for good in this pool, by kind: see `FailureKinds`."""
        return merge_failures(
            [self._former_failures, *(beat["failures"] for beat in self.heartbeats())]
        )

    def notices(self) -> dict[str, int]:
        """How often workers have noticed each probable mistake of the agent, by text."""
        notices = self._former_notices.copy()
        for beat in self.heartbeats():
            notices.update(beat["notices"])
        return dict(notices)

    def record_heartbeat(self, worker: WorkerHandle, heartbeat: dict[str, Any]) -> None:
        """Record the last heartbeat of a worker."""
        self.waiting_inputs -= _waiting_inputs(worker)
        self.metering.record(worker.heartbeat, heartbeat)
        worker.heartbeat = heartbeat
        worker.heard_at = time.monotonic()
        self.waiting_inputs += _waiting_inputs(worker)

    def waiting(self) -> WaitingCounts:
        """What waits in the shards, as of the last heartbeats."""
        counts = [beat["waiting"] for beat in self.heartbeats() if beat.get("waiting")]
        return sum(map(waiting_counts, counts), WaitingCounts())

    def heartbeats(self) -> list[dict[str, Any]]:
        """Return the last heartbeat of each slot's worker."""
        return [worker.heartbeat for worker in self if worker.heartbeat is not None]

    def close(self) -> None:
        """Close the beacons, and remove what workers have counted; the starter ends them."""
        self.beacons.close()
        for worker in self:
            StateLayout(self.state).counts(worker.assignment.slot).unlink(missing_ok=True)

    def stacks(self, slot: int) -> str:
        """Return the stacks that a slot's worker has written."""
        try:
            return StateLayout(self.state).stacks(slot).read_text(errors="replace")[:STACKS_BYTES]
        except OSError:
            return ""


def waiting_counts(body: Mapping[str, Any]) -> WaitingCounts:
    """The counts of what waits in a message of a worker, which has been checked."""
    return WaitingCounts(
        body["runs"], body["inputs"], body["timers"], body["questions"], body["next"]
    )


def _waiting_inputs(worker: WorkerHandle) -> int:
    waiting = (worker.heartbeat or {}).get("waiting")
    return waiting["inputs"] if waiting else 0


def merge_failures(parts: list[dict[str, list[Any]]]) -> dict[str, list[Any]]:
    """The sum of several workers' failures, the most frequent kind first."""
    merged: dict[str, list[Any]] = {}
    for part in parts:
        for kind, (count, offset, error) in part.items():
            known = merged.setdefault(kind, [0, offset, error])
            known[0] += count
            if known[1] is None or (offset is not None and offset < known[1]):
                known[1:] = [offset, error]
    return dict(sorted(merged.items(), key=lambda item: -item[1][0]))


def _kill(pid: int) -> None:
    with suppress(OSError):
        os.kill(pid, signal.SIGKILL)


def _describe(status: int | None) -> tuple[str, int | None, int | None]:
    """Describe how a process ended; return the text, the signal and the exit code."""
    if status is None:
        return "died with its zygote", None, None
    if status == UNKNOWN:
        return "died, and other code in its zygote has taken its exit status", None, None
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return f"was killed by {signal_name(number)}", number, None
    code = os.WEXITSTATUS(status)
    return f"exited with code {code}", None, code
