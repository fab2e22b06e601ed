"""Carries out what the dispatcher decides about workers, and reports to it what becomes of them."""

from __future__ import annotations

import signal
import time
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from ...agent.errors import WorkerStartError
from ...store.state.layout import StateLayout
from ...worker import wire
from ..connection.packing import pack_items
from ..dispatch.instructions import (
    GiveUp,
    ReleaseShard,
    SendItems,
    StartWorker,
    StopWorker,
    TakeShard,
)
from ..dispatch.slot import Phase
from ..hooks import LauncherHook
from ..workers.registry import Halt
from ..workers.starter import BootFailed, Exited, Started, StartFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...agent.errors import TamiasError
    from ...agent.hooks import Hooks
    from ..connection.transport import WorkerTransport
    from ..dispatch.dispatcher import Dispatcher
    from ..dispatch.instructions import Instruction
    from ..dispatch.item import Death
    from ..limits.pool_limits import PoolLimits
    from ..workers.generation import Generation, Generations
    from ..workers.registry import WorkerHandle, WorkerRegistry
    from ..workers.starter import Event
    from .inbox import Inbox


BUSY_SECONDS: Final = 0.1
"""A worker whose beacon names the same input for so long executes a plain action."""


class Fail(Protocol):
    """Called with an error that ends the pool."""

    def __call__(self, error: TamiasError, generation: int | None = None) -> None:
        """`generation` is the one whose process failed, if it was one."""


class WorkerControl:
    """Starts, feeds and ends the workers of one pool."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        generations: Generations,
        registry: WorkerRegistry,
        transport: WorkerTransport,
        inbox: Inbox,
        *,
        hooks: Hooks[LauncherHook],
        fail: Fail,
        is_ending: Callable[[], bool],
    ) -> None:
        """`is_ending` returns whether the pool is about to end, so that deaths are expected."""
        self._dispatcher = dispatcher
        self._generations = generations
        self._registry = registry
        self._transport = transport
        self._inbox = inbox
        self._hooks = hooks
        self._fail = fail
        self._is_ending = is_ending
        self.limits: PoolLimits | None = None
        """Is told of workers that have ended."""

    # -- instructions -------------------------------------------------------------------------

    def dispatch(self, now: float) -> None:
        """Carry out the dispatcher's instructions."""
        leaving = self._dispatcher.leaving
        for instruction in self._dispatcher.tick(now):
            self._carry_out(instruction, now)
        if leaving:
            for worker in list(self._registry):
                if self._dispatcher.phase(worker.assignment.slot) is Phase.RETIRED:
                    self._registry.remove(worker.assignment.slot)

    def _carry_out(self, instruction: Instruction, now: float) -> None:
        if isinstance(instruction, SendItems):
            receiver = self._registry.current(instruction.slot)
            if receiver is not None:
                self._transport.send(receiver.identity, pack_items(instruction.items))
            return
        if isinstance(instruction, StartWorker):
            starter = self._generations[instruction.generation].starter
            self._registry.start(instruction, starter)
            self._dispatcher.started(instruction.slot, instruction.incarnation)
            return
        if isinstance(instruction, GiveUp):
            log = StateLayout(self._registry.state).pool_log
            self._fail(
                WorkerStartError(instruction.reason, hint=f"What the workers printed is in {log}.")
            )
            return
        worker = self._registry.current(instruction.slot)
        if worker is None:
            return
        if isinstance(instruction, ReleaseShard):
            message = wire.pack(wire.RELEASE, {"shard": instruction.shard})
            self._transport.send(worker.identity, message)
        elif isinstance(instruction, TakeShard):
            message = wire.pack(wire.TAKE, {"shard": instruction.shard})
            self._transport.send(worker.identity, message)
        elif isinstance(instruction, StopWorker):
            self._transport.request_stop(worker, now)

    def halt(self, now: float) -> None:
        """Have all workers begin nothing more; each reports when all that it has begun is done."""
        for worker in self._registry:
            slot = worker.assignment.slot
            if worker.halt is None and self._dispatcher.in_flight(slot):
                executed = self._registry.beacons[slot].offset
                worker.halt = Halt(now, worker.heartbeat, executed)
                self._registry.beacons[slot].halt()  # before all that is in the socket's buffer
                self._transport.send(worker.identity, wire.HALT, urgent=True)

    def executed_is_known(self, now: float) -> bool:
        """Whether all workers that halt have said how many runs they execute.

        A plain action keeps its worker from that; then its beacon names one input all the time.
        """
        return all(map(partial(self._has_said, now), self._registry))

    def _has_said(self, now: float, worker: WorkerHandle) -> bool:
        slot, halt = worker.assignment.slot, worker.halt
        if halt is None or not self._dispatcher.in_flight(slot):
            return True
        executed = self._registry.beacons[slot].offset
        is_busy = executed is not None and executed == halt.executed
        return worker.heartbeat is not halt.heartbeat or (is_busy and now >= halt.at + BUSY_SECONDS)

    # -- starts and exits ---------------------------------------------------------------------

    def poll(self, now: float) -> None:
        """Process what has happened to worker processes since the last call; never waits."""
        for generation, event in self._generations.poll():
            self._on_event(generation, event, now)

    def _on_event(self, generation: Generation, event: Event, now: float) -> None:
        if isinstance(event, Started):
            worker = self._registry.record_start(event)
            if worker is not None:
                self._hooks.call(LauncherHook.worker_born, worker.info(event.pid))
                if worker.ready:  # its own message was faster than its starter's
                    self._hooks.call(LauncherHook.worker_ready, worker.info(event.pid))
        elif isinstance(event, Exited):
            self._inbox.receive_all(now)  # its last messages come before its death
            self._exited(event, now)
        elif isinstance(event, StartFailed):
            self._dispatcher.start_failed(
                event.assignment.slot, event.assignment.incarnation, now, event.text
            )
        elif isinstance(event, BootFailed):
            self._fail(event.error, generation.number)

    def _exited(self, event: Exited, now: float) -> None:
        slot, incarnation = event.assignment.slot, event.assignment.incarnation
        stopping = self._dispatcher.phase(slot) is Phase.STOPPING
        death = self.record_exit(event, expected=self._is_ending() or stopping)
        if death is not None:
            self._dispatcher.died(slot, incarnation, now, death)

    def record_exit(self, event: Exited, *, expected: bool) -> Death | None:
        """Record how a worker ended, and return that; None if its slot has another by now."""
        worker = self._registry.current(event.assignment.slot)
        if worker is not None and worker.assignment == event.assignment and self.limits is not None:
            self.limits.remove_worker(worker.identity)
        death = self._registry.record_exit(event)
        if worker is not None and death is not None:
            if not expected:
                slot, text = event.assignment.slot, death.describe()
                self._registry.metering.last_deaths[slot] = text, time.time()
            exit_ = worker.exit_info(death, expected=expected)
            self._hooks.call(LauncherHook.worker_gone, worker.info(event.pid), exit_)
        return death

    def abandon(self, worker: WorkerHandle, pid: int, now: float) -> None:
        """Go on without a worker that has no leases any more, and a SIGKILL pending."""
        self._inbox.receive_all(now)
        self._exited(Exited(worker.assignment, pid, signal.SIGKILL), now)
