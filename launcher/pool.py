"""The pool: the loop that joins a source, the workers and a sink.

Decisions are made elsewhere, by pure machines (`dispatch.py`, `checkpoint.py`); this shell carries
them out. One turn of the loop: read inputs as far as the dispatcher wants them, do what it says,
wait for a socket, take in what has arrived, and from time to time save a checkpoint and tell the
observer how things stand. There is one thread, and nothing here looks into a payload.

Exactly once, from the pool's side. A worker's outbox record goes to the sink first, then into a
checkpoint, and only when that is saved is the worker told that it may forget the record. Whatever
dies in between, the record comes again, and the watermark knows which of its inputs the sink has.
"""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import zmq

from ..agent.errors import AgentFailedError, LeaseHeldError, WorkerStartError, error_named
from ..store.crashpoints import reach
from ..worker import wire
from .crew import Crew
from .dispatch import Dispatcher
from .item import GiveUp, Item, Send, Start, Verdict
from .signals import Signals
from .starters import BootFailed, Born, Gone, Unborn, make_starter
from .status import PoolStatus, WorkerStatus, merge_metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..agent.errors import TamiasError
    from ..store.directory import StateDirectory
    from ..worker.boot import Boot
    from .crew import Worker
    from .delivery import Delivery
    from .item import Instruction
    from .launch import Launch
    from .sources.base import Source
    from .starters import Event, Starter

CHECKPOINT_SECONDS: Final = 0.1
STATUS_SECONDS: Final = 0.25
READ_AT_ONCE: Final = 1024
READ_FIRST: Final = 16
"""Before anything is known of how large the inputs are."""
STOP_SECONDS: Final = 10.0
BACKLOG_BYTES: Final = 64 << 20
"""A sink that holds back more than this for the sake of order stops the source."""

_LOG: Final = logging.getLogger("tamias.pool")


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """What a pool is told about itself."""

    slots: int
    window: int = 2048
    batch: int = 256
    max_attempts: int = 3
    run_timeout: float = 0.0
    start_method: str = "zygote"
    launch: Launch | None = None
    """The workers' interpreter; None for the launcher's."""
    on_status: Callable[[PoolStatus], None] | None = None
    handle_signals: bool = True
    """Whether SIGINT and SIGTERM drain the pool; only possible in the main thread."""


class Pool:
    """One life of a job. `run` may be called once."""

    def __init__(
        self,
        boot: Boot,
        source: Source,
        delivery: Delivery,
        state: StateDirectory,
        settings: PoolSettings,
    ) -> None:
        """`delivery` is open, and `source` stands where its checkpoint says."""
        self._boot = boot
        self._source = source
        self._delivery = delivery
        self._state = state
        self._settings = settings
        self._slots = settings.slots
        self._dispatcher = Dispatcher(
            settings.slots,
            shards=boot.shards,
            window=settings.window,
            batch=settings.batch,
            max_attempts=settings.max_attempts,
        )
        self._slot_of = self._dispatcher.placement.routes
        self._heard: set[int] = set()
        """Slots whose worker has told what it found in its outboxes."""
        self._failure: TamiasError | None = None
        self._signals = 0
        self._starved = False
        """Whether there is room for inputs, but none has arrived."""
        self._polled: list[int] = []
        self._draining = False
        self._clock = time.monotonic
        self._next_checkpoint = 0.0
        self._next_status = 0.0
        self._rates: deque[tuple[float, int]] = deque(maxlen=20)
        self.status = PoolStatus(os.getpid(), time.time(), "starting")

    # -- the loop -----------------------------------------------------------------------------

    def run(self) -> bool:
        """Work until the source is exhausted and everything is delivered.

        Returns whether that is so: False means that a signal has ended it early, resumably.

        Raises:
            AgentFailedError: an action failed, and `on_error` is "fail".
            WorkerStartError: workers do not start.
            TamiasError: anything else that cannot be survived.
        """
        with ExitStack() as stack:
            if self._settings.handle_signals:
                stack.enter_context(Signals(self._on_signal))
            self._open(stack)
            try:
                self._loop()
                finished = self._failure is None and not self._draining
            except BaseException:
                self._status("failed")
                raise
            self._status("stopping")
            self._stop_workers()
            if self._failure is not None:
                self._status("failed")
                raise self._failure
            self._status("finished" if finished else "interrupted")
            return finished

    def _open(self, stack: ExitStack) -> None:
        state = self._state.path
        (state / "run").mkdir(exist_ok=True)
        context = zmq.Context(1)
        stack.callback(context.term)
        self._socket = context.socket(zmq.ROUTER)
        stack.callback(self._socket.close, linger=0)
        self._socket.set_hwm(0)  # bounded by the dispatcher's credit, not here
        self._poller = zmq.Poller()
        self._poller.register(self._socket, zmq.POLLIN)
        self._socket.bind(self._boot.address)
        log = stack.enter_context((state / "logs" / "pool.log").open("ab"))
        self._starter: Starter = make_starter(
            self._settings.start_method, self._boot, log, self._settings.launch
        )
        stack.callback(self._starter.close)
        self._crew = Crew(state, self._slots, self._starter)
        stack.callback(self._crew.close)

    def _loop(self) -> None:
        now = self._clock()
        self._status("running")
        while True:
            self._feed()
            for instruction in self._dispatcher.tick(now):
                self._carry_out(instruction)
            if self._failure is not None or self._at_end():
                break
            self._wait(now)
            now = self._clock()
            self._take_messages(now)
            self._take_events(now)
            if self._settings.run_timeout:
                self._crew.kill_overdue(self._settings.run_timeout)
            if now >= self._next_checkpoint:
                self._save_checkpoint(now)
            if now >= self._next_status:
                self._status("draining" if self._draining else "running")
        self._save_checkpoint(now)

    def _at_end(self) -> bool:
        dispatcher = self._dispatcher
        if self._draining:
            return self._signals > 1 or not any(map(dispatcher.in_flight, range(self._slots)))
        # What an earlier life has left in the outboxes may be of inputs that are in no source any
        # more: dead letters that it retried. So every worker is heard before the end.
        return self._source.exhausted and dispatcher.idle and len(self._heard) == self._slots

    def _wait(self, now: float) -> None:
        deadline = self._dispatcher.next_deadline(now)
        until = min(self._next_status, self._next_checkpoint)
        if deadline is not None:
            until = min(until, deadline)
        if self._settings.run_timeout:
            until = min(until, now + self._settings.run_timeout / 10)
        self._poll_also(
            [*self._starter.descriptors(), self._source.fileno()]
            if self._starved
            else self._starter.descriptors()
        )
        with suppress(InterruptedError):
            self._poller.poll(max(0, int((until - now) * 1000) + (until > now)))

    def _poll_also(self, descriptors: Sequence[int | None]) -> None:
        """Have these polled besides the socket, and none of those polled before."""
        if descriptors == self._polled:
            return
        for descriptor in self._polled:
            with suppress(KeyError):
                self._poller.unregister(descriptor)
        self._polled = [descriptor for descriptor in descriptors if descriptor is not None]
        for descriptor in self._polled:
            self._poller.register(descriptor, zmq.POLLIN)

    # -- inputs -------------------------------------------------------------------------------

    def _wants(self) -> int:
        if self._draining or self._delivery.sink.backlog > BACKLOG_BYTES:
            return 0
        return self._dispatcher.wanted()

    def _feed(self) -> None:
        source = self._source
        checkpoint = self._delivery.checkpoint
        self._starved = False
        while not source.exhausted and (wanted := self._wants()) > 0:
            position = source.position
            records = source.read(min(wanted, READ_AT_ONCE if position.offset else READ_FIRST))
            if not records:
                self._starved = not source.exhausted
                return
            checkpoint.mark(position)
            slot_of = self._slot_of
            items = [
                Item(offset, key, payload, slot_of[key])
                if fault is None
                else Item(offset, key, payload, slot_of[key], verdict=Verdict("bad-input", fault))
                for offset, (key, payload, fault) in enumerate(records, position.offset)
            ]
            if position.offset < checkpoint.watermark.high:  # an earlier life was here
                done = checkpoint.watermark
                items = [item for item in items if item.offset not in done]
            self._dispatcher.submit(items)

    # -- instructions -------------------------------------------------------------------------

    def _carry_out(self, instruction: Instruction) -> None:
        if isinstance(instruction, Send):
            self._send(instruction)
        elif isinstance(instruction, Start):
            self._crew.start(instruction.slot, instruction.incarnation)
            self._dispatcher.started(instruction.slot, instruction.incarnation)
        elif isinstance(instruction, GiveUp):
            log = self._state.path / "logs" / "pool.log"
            self._fail(
                WorkerStartError(instruction.reason, hint=f"What the workers printed is in {log}.")
            )

    def _send(self, instruction: Send) -> None:
        items = instruction.items
        verdicts = {
            item.offset: {
                "cause": item.verdict.cause,
                "error": item.verdict.error,
                "attempts": item.verdict.attempts,
                "signal": item.verdict.signal,
                "stacks": item.verdict.stacks,
                "worker_pid": item.verdict.worker_pid,
            }
            for item in items
            if item.verdict is not None
        }
        message = wire.pack_inputs(
            [item.offset for item in items],
            [item.key for item in items],
            [item.payload for item in items],
            verdicts,
        )
        worker = self._crew.at(instruction.slot)
        if worker is not None:
            self._tell(worker, message)

    # -- messages -----------------------------------------------------------------------------

    def _take_messages(self, now: float) -> None:
        receive = self._socket.recv_multipart
        while True:
            try:
                identity, *rest = receive(zmq.NOBLOCK)
            except zmq.Again:
                return
            worker = self._crew.known_as(identity)
            if worker is None or len(rest) != 1:
                continue  # an earlier incarnation's last words, or nobody's
            message = rest[0]
            kind = message[:1]
            if kind == wire.DONE:
                self._done(worker, message)
            elif kind == wire.METRICS:
                worker.heartbeat = wire.unpack(message)
            elif kind == wire.READY:
                self._ready(worker)
            elif kind == wire.FAILED:
                self._agent_failed(wire.unpack(message))
            elif kind == wire.FATAL:
                self._fatal(worker, wire.unpack(message), now)

    def _tell(self, worker: Worker, message: bytes) -> None:
        reach("tell.before")
        self._socket.send(worker.identity, zmq.SNDMORE)
        reach("tell.inside")
        self._socket.send(message)
        reach("tell.after")

    def _ready(self, worker: Worker) -> None:
        worker.ready = True
        self._heard.add(worker.assignment.slot)
        self._dispatcher.ready(*worker.place, worker.recovered or ())
        worker.recovered = None

    def _done(self, worker: Worker, message: bytes) -> None:
        for shard, sequence, record in wire.unpack_done(message):
            outputs = self._delivery.accept(shard, sequence, record)
            if worker.recovered is not None:
                worker.recovered.extend(outputs.offsets)
            else:
                self._dispatcher.completed(*worker.place, outputs.offsets)

    def _agent_failed(self, report: dict[str, Any]) -> None:
        where = f"action {report['action']!r}" if report["action"] else "the agent"
        self._fail(
            AgentFailedError(
                f"{where} failed on input {report['offset']} (key {report['key']}): "
                f"{report['error']}",
                user_traceback=report["traceback"],
                offset=report["offset"],
                key=report["key"],
            )
        )

    def _fatal(self, worker: Worker, body: dict[str, Any], now: float) -> None:
        error = error_named(body["type"], body["message"], body["hint"])
        if isinstance(error, LeaseHeldError):
            # A predecessor that is slow to die: the dispatcher tries again, but not for ever.
            self._dispatcher.start_failed(*worker.place, now, str(error))
        else:
            self._fail(error)

    def _fail(self, error: TamiasError) -> None:
        if self._failure is None:
            self._failure = error

    # -- births and deaths --------------------------------------------------------------------

    def _take_events(self, now: float) -> None:
        for event in self._starter.poll():
            self._on_event(event, now)

    def _on_event(self, event: Event, now: float) -> None:
        if isinstance(event, Born):
            self._crew.born(event)
        elif isinstance(event, Gone):
            self._take_messages(now)  # what it still had to say comes before its death
            death = self._crew.bury(event)
            if death is not None:
                if not self._failure and not self._draining:
                    _LOG.warning(
                        "worker %d (pid %d) %s", event.assignment.slot, event.pid, death.text
                    )
                self._dispatcher.died(
                    event.assignment.slot, event.assignment.incarnation, now, death
                )
        elif isinstance(event, Unborn):
            self._dispatcher.start_failed(
                event.assignment.slot, event.assignment.incarnation, now, event.text
            )
        elif isinstance(event, BootFailed):
            traceback = f"\n\n{event.traceback.rstrip()}" if event.traceback else ""
            self._fail(error_named(event.type, event.message + traceback, event.hint))

    # -- checkpoints --------------------------------------------------------------------------

    def _save_checkpoint(self, now: float) -> None:
        self._next_checkpoint = now + CHECKPOINT_SECONDS
        trims = self._delivery.save()
        by_slot: dict[int, dict[int, int]] = {}
        for shard, level in trims.items():
            by_slot.setdefault(shard % self._slots, {})[shard] = level
        for slot, levels in by_slot.items():
            worker = self._crew.at(slot)
            if worker is not None and worker.ready:
                self._tell(worker, wire.pack(wire.ACKNOWLEDGE, levels))

    # -- the end ------------------------------------------------------------------------------

    def _on_signal(self) -> None:
        self._signals += 1
        self._draining = True
        self._dispatcher.drain()

    def _stop_workers(self) -> None:
        """Let ready workers leave in order; the starter's close takes the rest."""
        if self._signals > 1:
            return
        leaving = {worker.pid for worker in self._crew if worker.ready}
        for worker in self._crew:
            if worker.ready:
                self._tell(worker, wire.STOP)
        deadline = self._clock() + STOP_SECONDS
        while leaving and self._clock() < deadline and self._signals < 2:
            poller = zmq.Poller()
            for descriptor in self._starter.descriptors():
                poller.register(descriptor, zmq.POLLIN)
            with suppress(InterruptedError):
                poller.poll(100)
            for event in self._starter.poll():
                if isinstance(event, Gone):
                    leaving.discard(event.pid)
            self._take_messages(self._clock())  # the last counts of those that are gone, too

    # -- looking on ---------------------------------------------------------------------------

    def _status(self, phase: str) -> None:
        now = self._clock()
        self._next_status = now + STATUS_SECONDS
        status = self.status
        totals = self._delivery.checkpoint.totals
        statistics = self._dispatcher.statistics
        self._rates.append((now, totals.events))
        began, count = self._rates[0]
        status.phase = phase
        status.elapsed = time.time() - status.started
        status.fraction = self._source.fraction()
        status.events = totals.events
        status.outputs = self._delivery.sink.outputs
        status.rate = (totals.events - count) / (now - began) if now > began else 0.0
        status.deaths = statistics.deaths
        counts = self._crew.totals()
        status.retries = statistics.retries + counts["retries"]
        status.dead_letters = counts["dead_letters"]
        status.ignored = counts["ignored"]
        status.metrics = merge_metrics([beat["metrics"] for beat in self._crew.heartbeats()])
        status.workers = [self._worker_status(slot) for slot in range(self._slots)]
        self._state.write_status(asdict(status))
        if self._settings.on_status is not None:
            self._settings.on_status(status)

    def _worker_status(self, slot: int) -> WorkerStatus:
        worker = self._crew.at(slot)
        beat = worker.heartbeat if worker is not None else None
        return WorkerStatus(
            slot,
            worker.pid if worker is not None else None,
            self._dispatcher.phase(slot).value,
            self._dispatcher.incarnation(slot),
            self._dispatcher.in_flight(slot),
            self._dispatcher.waiting(slot),
            beat["active"] if beat else 0,
        )
