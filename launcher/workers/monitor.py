"""Samples each worker from time to time, and carries out what its watchdog decides.

`watchdog.py` decides what a sample means; the monitor takes the samples and acts. A sample costs a
few microseconds per worker and second: the beacon is read from shared memory, and the kernel is
only asked about a worker whose pulse has not changed, or whose memory has a limit. Zygotes are
sampled, too: a stopped zygote forks no workers, nor does one that hangs in the agent's import.

The pool carries out the actions that concern it as a whole: replace a worker without interrupting
it, continue without one that does not die, end.
"""

from __future__ import annotations

import logging
import os
import signal
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from ...agent.config.options import PoolOptions
from ...agent.config.values import AUTO
from ...agent.errors import ConfigError, TamiasError
from ...store.encoding.keys import decode_key
from ...store.lease import Lease
from ...store.state.layout import StateLayout
from ...worker.process.machine import pool_memory
from ..dispatch.owned import describe_run
from . import procfs
from .footprint import EXACT_SECONDS, Footprint
from .held import held_place, held_stack, own_frames
from .watchdog import (
    DUMP_SECONDS,
    HELD_SECONDS,
    INSPECTION_SECONDS,
    Action,
    Sample,
    Watchdog,
    WatchLimits,
    mebibytes,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from ...agent.config.configuration import Configuration
    from ..dispatch.dispatcher import Dispatcher
    from .generation import Generation
    from .registry import WorkerHandle, WorkerRegistry
    from .starter import Starter

MOST_NAMED: Final = 3
"""Inputs in flight that a message names."""
START_SECONDS: Final = 0.1
"""The time after which a worker without a process is looked for again, if memory is limited."""
STACKS_SECONDS: Final = 1.0
"""The longest that a report waits for the stacks of a worker that goes on."""
QUICK_SECONDS: Final = 0.01
"""The time between two samples of a worker that is being killed."""

_LOG: Final = logging.getLogger("tamias.pool")


@dataclass(slots=True)
class _Watched:
    """A process with its watchdog."""

    watchdog: Watchdog
    due: float
    pid: int | None = None
    report: Action | None = None
    """The report that is due when the worker has written its stacks."""
    report_at: float = 0.0
    """When it is due without them."""
    footprint: Footprint = field(default_factory=Footprint)


class Monitor:
    """Watches the workers of a pool.

    Attributes:
        next_inspection: when `inspect` is due, in monotonic seconds.
    """

    def __init__(
        self,
        registry: WorkerRegistry,
        dispatcher: Dispatcher,
        state: Path,
        limits: WatchLimits,
        *,
        replace_slot: Callable[[int], object],
        abandon: Callable[[WorkerHandle, int, float], None],
        fail: Callable[[TamiasError], None],
    ) -> None:
        """Watch the workers of a registry.

        `state` is the state directory, in which leases are broken if necessary. `replace_slot`
        replaces a slot's worker between two runs, `abandon` treats a worker that cannot die as
        killed, `fail` ends the pool.
        """
        self._registry = registry
        self._dispatcher = dispatcher
        self._state = state
        self._limits = limits
        self._replace_slot = replace_slot
        self._abandon = abandon
        self._fail = fail
        self._workers: dict[bytes, _Watched] = {}
        self._zygotes: dict[int, _Watched] = {}
        self._summed_at = 0.0
        """When all workers were measured together."""
        self.next_inspection = 0.0

    @property
    def limits(self) -> WatchLimits:
        """The limits on each worker. May be set at any time, with effect at once."""
        return self._limits

    @limits.setter
    def limits(self, limits: WatchLimits) -> None:
        self._limits = limits
        for watched in self._workers.values():
            watched.watchdog.limits = limits
        self.next_inspection = 0.0

    def inspect(self, now: float, generations: Iterable[Generation]) -> None:
        """Sample all processes that are due."""
        self.next_inspection = now + INSPECTION_SECONDS
        self._share_memory()
        workers = {worker.identity: worker for worker in self._registry}
        for identity in [known for known in self._workers if known not in workers]:
            del self._workers[identity]
        for worker in workers.values():
            watched = self._watched(worker, now)
            if now >= watched.due:
                self._inspect(worker, watched, now)
            self.next_inspection = min(self.next_inspection, watched.due)
        self._check_together(now)
        self._inspect_zygotes(generations, now)

    def inspect_ready(self, worker: WorkerHandle, now: float) -> None:
        """Measure the memory of a worker that has just become ready, before its first input."""
        if self._limits.on_memory:
            watched = self._watched(worker, now)
            self._inspect(worker, watched, now, fresh=True)
            self.next_inspection = min(self.next_inspection, watched.due)

    # -- workers ------------------------------------------------------------------------------

    def _watched(self, worker: WorkerHandle, now: float) -> _Watched:
        watched = self._workers.get(worker.identity)
        if watched is None:
            watched = self._workers[worker.identity] = _Watched(Watchdog(self._limits, now), now)
        return watched

    def _inspect(
        self, worker: WorkerHandle, watched: _Watched, now: float, *, fresh: bool = False
    ) -> None:
        slot = worker.assignment.slot
        if worker.pid is None:  # not started yet, or dead: its zygote is watched
            watched.due = now + (START_SECONDS if self._limits.memory else INSPECTION_SECONDS)
            return
        if watched.pid is None:  # the time before its process existed does not count
            watched.pid, watched.watchdog = worker.pid, Watchdog(self._limits, now)
        working = bool(self._dispatcher.in_flight(slot) or self._dispatcher.waiting(slot))
        sample = self._sample(worker, worker.pid, watched, now)
        action = watched.watchdog.process(replace(sample, fresh=True) if fresh else sample)
        if watched.report is not None and (
            now >= watched.report_at or held_stack(self._registry.stacks(slot))
        ):
            self._report_held(worker, watched.report)
            watched.report = None
        if watched.watchdog.held < HELD_SECONDS:
            worker.held = ""
        if action is not None and action.do == "report":
            watched.report, watched.report_at = action, now + STACKS_SECONDS
            self._request_stacks(slot, worker.pid)
            watched.due = now + DUMP_SECONDS
            return
        if action is not None:
            self._carry_out(action, worker, worker.pid, now)
        pause = self._limits.pause(working=working)
        if self._limits.memory:
            busy = working or not worker.ready
            pause = min(pause, watched.footprint.pause(self._limits.memory, busy=busy))
        if watched.report is not None:
            pause = min(pause, DUMP_SECONDS)
        watched.due = now + (QUICK_SECONDS if watched.watchdog.is_dying else pause)

    def _sample(self, worker: WorkerHandle, pid: int, watched: _Watched, now: float) -> Sample:
        slot = worker.assignment.slot
        beacon = self._registry.beacons[slot]
        pulse = beacon.pulse
        asked = procfs.process_state(pid) if watched.watchdog.is_silent(pulse) else None
        beat = worker.heartbeat
        return Sample(
            at=now,
            ready=worker.ready,
            offset=beacon.offset,
            executing=beacon.seconds,
            asynchronous=beacon.is_async,
            pulse=pulse,
            beat=beacon.beat_at,
            state=asked.state if asked is not None else "",
            ticks=asked.ticks if asked is not None else 0,
            runs=beat["metrics"]["numOfEventProcessed"] if beat is not None else 0,
            memory=self._memory(pid, watched, now) if self._limits.on_memory else 0,
            stacks=watched.watchdog.is_dying and bool(self._registry.stacks(slot)),
        )

    def _memory(self, pid: int, watched: _Watched, now: float) -> int:
        """Return the worker's memory; 0 if it is below all limits, or was measured just before."""
        limits, footprint = self._limits, watched.footprint
        set_limits = [limit for limit in (limits.memory, limits.memory_soft) if limit]
        memory = footprint.measure(
            pid, now, min(set_limits), max(set_limits), children=limits.auto is not None
        )
        return footprint.estimate if watched.watchdog.is_dying else memory

    def _share_memory(self) -> None:
        """Divide the memory that the pool may have between as many workers as there are."""
        slots = self._dispatcher.slots()
        generations = {self._dispatcher.generation(slot) for slot in slots}
        limits = self._limits.with_share(len(slots) // max(1, len(generations)))
        if limits is not self._limits:
            self.limits = limits

    def _check_together(self, now: float) -> None:
        """Kill the largest worker if all together have more than the pool may have.

        That is only possible where shares cannot be smaller. No input is suspected, because each
        worker is within its limit.
        """
        auto = self._limits.auto
        if auto is None or now - self._summed_at < EXACT_SECONDS:
            return
        watched = [known for known in self._workers.values() if known.pid is not None]
        if sum(known.footprint.estimate for known in watched) <= auto.together:
            return
        self._summed_at = now
        sizes = {
            identity: known.footprint.measure_exactly(known.pid, now)
            for identity, known in self._workers.items()
            if known.pid is not None
        }
        together = sum(sizes.values())
        if together <= auto.together:
            return
        largest = max(sizes, key=sizes.__getitem__)
        for worker in self._registry:
            if worker.identity == largest and worker.pid is not None and not worker.killed_for:
                worker.unrelated = True
                worker.killed_cause = "memory"
                worker.killed_for = (
                    f"was killed: all workers together had {mebibytes(together)} of memory, more"
                    f" than the {mebibytes(auto.together)} that a pool may have here, and it had"
                    f" the most ({mebibytes(sizes[largest])})"
                )
                _send(worker.pid, signal.SIGKILL)

    def _carry_out(self, action: Action, worker: WorkerHandle, pid: int, now: float) -> None:
        slot = worker.assignment.slot
        if action.do == "dump":
            self._record_cause(worker, action)
            _send(pid, signal.SIGUSR2)
        elif action.do == "kill":
            self._record_cause(worker, action)
            _send(pid, signal.SIGKILL)
        elif action.do == "fence":
            self._fence(worker, pid, now)
        elif action.do == "replace":
            what = self._under_way(slot, action)
            # Memory breaches warn; scheduled recycling is info.
            level = logging.WARNING if action.cause == "memory" else logging.INFO
            _LOG.log(level, "worker %d (pid %d) is replaced: %s, %s", slot, pid, action.why, what)
            self._replace_slot(slot)
        else:
            hint = "Raise the limit, or leave it out."
            self._fail(ConfigError(f"{action.why[:1].upper()}{action.why[1:]}.", hint=hint))

    def _record_cause(self, worker: WorkerHandle, action: Action) -> None:
        """Record why it is killed, for its dead letter."""
        if not worker.killed_for:
            what = self._under_way(worker.assignment.slot, action) if worker.ready else "starting"
            worker.killed_for = f"was killed: {action.why}, {what}"
            worker.killed_cause = action.cause

    def _under_way(self, slot: int, action: Action) -> str:
        """Describe the run that is in flight."""
        if action.offset is not None:
            item = self._dispatcher.slot_state(slot).flight.get(action.offset)
            key = f" (key {decode_key(item.key)!r})" if item is not None else ""
            seconds = f" for {action.seconds:.1f} s" if action.seconds else ""
            return f"executing {describe_run(action.offset)}{key}{seconds}"
        count = self._dispatcher.in_flight(slot)
        named = [
            f"{describe_run(item.offset).removeprefix('input ')} (key {decode_key(item.key)!r})"
            for item in self._dispatcher.flights(slot, MOST_NAMED)
        ]
        names = f" ({', '.join(named)}{', ...' if count > MOST_NAMED else ''})" if named else ""
        return f"with {count} input{'' if count == 1 else 's'} in flight{names}, executing none"

    def _request_stacks(self, slot: int, pid: int) -> None:
        """Have a worker that goes on write its stacks, and nothing else into that file."""
        if procfs.catches(pid, signal.SIGUSR2):  # or user code has replaced the handler
            with suppress(OSError):
                os.truncate(StateLayout(self._state).stacks(slot), 0)
            _send(pid, signal.SIGUSR2)

    def _report_held(self, worker: WorkerHandle, action: Action) -> None:
        """Report what holds a worker's event loop, and where."""
        slot = worker.assignment.slot
        stack = held_stack(self._registry.stacks(slot))
        if action.offset is None:
            what = "something that was left on the event loop"
        else:
            item = self._dispatcher.slot_state(slot).flight.get(action.offset)
            key = f" (key {decode_key(item.key)!r})" if item is not None else ""
            what = f"{describe_run(action.offset)}{key}"
        place = held_place(stack)
        worker.held = f"held by {what} for {action.seconds:.0f} s{', ' + place if place else ''}"
        _LOG.warning(
            "worker %d (pid %d) does nothing else: %s. Nothing ends that without run-timeout.%s",
            slot,
            worker.pid,
            worker.held,
            "".join(f"\n{line}" for line in own_frames(stack)),
        )

    def report_left(self) -> None:
        """Report the inputs that are in flight when `drain-timeout` has passed."""
        for worker in self._registry:
            slot = worker.assignment.slot
            if worker.pid is None or not self._dispatcher.in_flight(slot):
                continue
            beacon = self._registry.beacons[slot]
            action = Action("report", "", offset=beacon.offset, seconds=beacon.seconds)
            _LOG.warning(
                "worker %d (pid %d) is ended after drain-timeout, %s; they are done again when the"
                " job is resumed",
                slot,
                worker.pid,
                worker.held or self._under_way(slot, action),
            )

    def _fence(self, worker: WorkerHandle, pid: int, now: float) -> None:
        """Break the leases of a process that cannot die, and continue without it."""
        slot = worker.assignment.slot
        _LOG.error(
            "worker %d (pid %d) does not die: its leases are broken, and if it comes back it will"
            " write nothing",
            slot,
            pid,
        )
        try:
            for path in sorted(StateLayout(self._state).shards.iterdir()):
                if Lease.last_holder(path / "lease") == pid:
                    Lease.break_(path / "lease")
        except TamiasError as error:
            self._fail(error)
            return
        self._abandon(worker, pid, now)

    # -- zygotes ------------------------------------------------------------------------------

    def _inspect_zygotes(self, generations: Iterable[Generation], now: float) -> None:
        limits = WatchLimits(
            start_timeout=self._limits.start_timeout,
            stop_timeout=self._limits.stop_timeout,
            auto=self._limits.auto,
        )
        living = {pid: gen.starter for gen in generations for pid in gen.starter.pids}
        for pid in [known for known in self._zygotes if known not in living]:
            del self._zygotes[pid]
        for pid, starter in living.items():
            watched = self._zygotes.get(pid)
            if watched is None:
                watched = self._zygotes[pid] = _Watched(Watchdog(limits, now), now)
            if now >= watched.due:
                self._inspect_zygote(pid, starter, watched, now)
                pause = limits.pause(working=False)
                if limits.auto is not None and not starter.is_warm:
                    pause = min(pause, watched.footprint.pause(limits.auto.together, busy=True))
                watched.due = now + (QUICK_SECONDS if watched.watchdog.is_dying else pause)
            self.next_inspection = min(self.next_inspection, watched.due)

    def _inspect_zygote(self, pid: int, starter: Starter, watched: _Watched, now: float) -> None:
        asked = procfs.process_state(pid)
        if asked is None:
            return
        auto = self._limits.auto
        memory = 0 if auto is None else procfs.memory_at_most(pid)
        watched.footprint.estimate = memory
        if auto is not None and memory > auto.together:
            memory = procfs.memory(pid)
        action = watched.watchdog.process(
            Sample(
                now,
                ready=starter.is_warm,
                state=asked.state,
                ticks=asked.ticks,
                memory=memory if auto is not None and memory > auto.together else 0,
                stacks=True,  # they go into the log, of all workers
            )
        )
        if action is None:
            return
        if action.do == "dump":
            starter.give_up(action.why)
            _send(pid, signal.SIGUSR2)
        elif action.do == "kill":
            _LOG.warning("the zygote (pid %d) is killed: %s", pid, action.why)
            _send(pid, signal.SIGKILL)


def _send(pid: int, number: signal.Signals) -> None:
    with suppress(OSError):
        os.kill(pid, number)


def watch_limits(config: Configuration) -> WatchLimits:
    """Return the limits that a configuration sets on each worker.

    Raises:
        ConfigError: the soft limit on memory is above the hard one.
    """
    limit = config.get(PoolOptions.MEMORY_LIMIT)
    soft = config.get(PoolOptions.MEMORY_SOFT_LIMIT)
    auto = pool_memory() if limit == AUTO else None
    hard = auto.share(1) if auto is not None else int(limit)
    if auto is None and hard and soft > hard:
        raise ConfigError(
            f"memory-soft-limit ({soft}) is above memory-limit ({hard}).",
            hint="A worker is to be replaced before it is killed: make it smaller.",
        )
    return WatchLimits(
        run_timeout=config.get(PoolOptions.RUN_TIMEOUT),
        start_timeout=config.get(PoolOptions.START_TIMEOUT),
        stop_timeout=config.get(PoolOptions.STOP_TIMEOUT),
        memory=hard,
        memory_soft=soft,
        auto=auto,
        recycle_runs=config.get(PoolOptions.RECYCLE_RUNS),
        recycle_after=config.get(PoolOptions.RECYCLE_AFTER),
    )
