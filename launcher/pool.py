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
import signal
import time
from collections import Counter, deque
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Final

import zmq

from ..agent import errors
from ..agent.errors import AgentFailedError, PoolError, TamiasError, WorkerStartError
from ..store.crashpoints import reach
from ..store.keys import shard_of
from ..worker import wire
from ..worker.beacon import Beacons
from ..worker.boot import Assignment
from ..worker.process import stacks_path
from .dispatch import Dispatcher
from .item import Death, GiveUp, Item, Send, Start, Verdict
from .starters import BootFailed, Born, Gone, Unborn, make_starter
from .status import PoolStatus, WorkerStatus, merge_metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ..store.directory import StateDirectory
    from ..worker.boot import Boot
    from .delivery import Delivery
    from .item import Instruction
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
_KEYS_CACHED: Final = 1 << 16

_LOG: Final = logging.getLogger("tamias.pool")


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """What a pool is told about itself."""

    slots: int
    window: int = 1024
    batch: int = 256
    max_attempts: int = 3
    run_timeout: float = 0.0
    start_method: str = "zygote"
    on_status: Callable[[PoolStatus], None] | None = None
    handle_signals: bool = True
    """Whether SIGINT and SIGTERM drain the pool; only possible in the main thread."""


@dataclass(slots=True)
class _Worker:
    """What the shell knows of a slot's current process."""

    assignment: Assignment
    identity: bytes
    pid: int | None = None
    recovered: list[int] | None = None
    """Offsets announced before it was ready."""
    ready: bool = False
    fatal: TamiasError | None = None
    killed_for: str = ""
    """Why the pool has killed it, if it has."""
    heartbeat: dict[str, Any] | None = None


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
            window=settings.window,
            batch=settings.batch,
            max_attempts=settings.max_attempts,
        )
        self._workers: dict[int, _Worker] = {}
        self._by_identity: dict[bytes, _Worker] = {}
        self._slot_of = _SlotMap(boot.shards, settings.slots)
        self._past: Counter[str] = Counter()
        """What workers that are dead have counted."""
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
                stack.enter_context(_Signals(self._on_signal))
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
        self._beacons = Beacons(state / "run" / "beacons", self._slots)
        stack.callback(self._beacons.close)
        context = zmq.Context(1)
        stack.callback(context.term)
        self._socket = context.socket(zmq.ROUTER)
        stack.callback(self._socket.close, linger=0)
        self._socket.set_hwm(0)  # bounded by the dispatcher's credit, not here
        self._poller = zmq.Poller()
        self._poller.register(self._socket, zmq.POLLIN)
        self._socket.bind(self._boot.address)
        log = stack.enter_context(open(state / "logs" / "pool.log", "ab"))  # noqa: PTH123
        self._starter: Starter = make_starter(self._settings.start_method, self._boot, log)
        stack.callback(self._starter.close)

    def _loop(self) -> None:
        now = self._clock()
        self._status("running")
        while True:
            self._feed()
            for instruction in self._dispatcher.tick(now):
                self._carry_out(instruction, now)
            if self._failure is not None or self._at_end():
                break
            self._wait(now)
            now = self._clock()
            self._take_messages(now)
            self._take_events(now)
            self._watch(now)
            if now >= self._next_checkpoint:
                self._save_checkpoint(now)
            if now >= self._next_status:
                self._status("draining" if self._draining else "running")
        self._save_checkpoint(now)

    def _at_end(self) -> bool:
        dispatcher = self._dispatcher
        if self._draining:
            return self._signals > 1 or not any(map(dispatcher.in_flight, range(self._slots)))
        return self._source.exhausted and dispatcher.idle

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

    def _carry_out(self, instruction: Instruction, now: float) -> None:
        if isinstance(instruction, Send):
            self._send(instruction)
        elif isinstance(instruction, Start):
            self._start(instruction, now)
        elif isinstance(instruction, GiveUp):
            self._fail(WorkerStartError(instruction.reason, hint=self._see_log()))

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
        self._tell(self._workers[instruction.slot], message)

    def _start(self, instruction: Start, now: float) -> None:
        del now
        old = self._workers.get(instruction.slot)
        if old is not None:
            self._by_identity.pop(old.identity, None)
            if old.heartbeat is not None:
                self._past.update(old.heartbeat["totals"])
        self._beacons.clear(instruction.slot)
        assignment = Assignment(
            instruction.slot, self._slots, instruction.incarnation, token_hex(16)
        )
        worker = _Worker(assignment, bytes.fromhex(assignment.identity), recovered=[])
        self._workers[instruction.slot] = worker
        self._by_identity[worker.identity] = worker
        self._starter.start(assignment)
        self._dispatcher.started(instruction.slot, instruction.incarnation)

    # -- messages -----------------------------------------------------------------------------

    def _take_messages(self, now: float) -> None:
        receive = self._socket.recv_multipart
        while True:
            try:
                identity, *rest = receive(zmq.NOBLOCK)
            except zmq.Again:
                return
            worker = self._by_identity.get(identity)
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

    def _tell(self, worker: _Worker, message: bytes) -> None:
        reach("tell.before")
        self._socket.send(worker.identity, zmq.SNDMORE)
        reach("tell.inside")
        self._socket.send(message)
        reach("tell.after")

    def _ready(self, worker: _Worker) -> None:
        worker.ready = True
        assignment = worker.assignment
        self._dispatcher.ready(assignment.slot, assignment.incarnation, worker.recovered or ())
        worker.recovered = None

    def _done(self, worker: _Worker, message: bytes) -> None:
        assignment = worker.assignment
        for shard, sequence, record in wire.unpack_done(message):
            outputs = self._delivery.accept(shard, sequence, record)
            if worker.recovered is not None:
                worker.recovered.extend(outputs.offsets)
            else:
                self._dispatcher.completed(
                    assignment.slot, assignment.incarnation, outputs.offsets
                )

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

    def _fatal(self, worker: _Worker, body: dict[str, Any], now: float) -> None:
        error = _error(body["type"], body["message"], body["hint"])
        assignment = worker.assignment
        if isinstance(error, errors.LeaseHeldError):
            # A predecessor that is slow to die; the dispatcher tries again, a bounded number of times.
            self._dispatcher.start_failed(
                assignment.slot, assignment.incarnation, now, str(error)
            )
            return
        worker.fatal = error
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
            worker = self._workers.get(event.assignment.slot)
            if worker is not None and worker.assignment == event.assignment:
                worker.pid = event.pid
        elif isinstance(event, Gone):
            self._take_messages(now)  # what it still had to say comes before its death
            self._gone(event, now)
        elif isinstance(event, Unborn):
            self._dispatcher.start_failed(
                event.assignment.slot, event.assignment.incarnation, now, event.text
            )
        elif isinstance(event, BootFailed):
            traceback = f"\n\n{event.traceback.rstrip()}" if event.traceback else ""
            self._fail(_error(event.type, event.message + traceback, event.hint))

    def _gone(self, event: Gone, now: float) -> None:
        slot, incarnation = event.assignment.slot, event.assignment.incarnation
        worker = self._workers[slot]
        if worker.assignment != event.assignment:
            return
        self._by_identity.pop(worker.identity, None)
        text, number, code = _describe(event.status)
        suspect = self._beacons.executing(slot)
        if not self._failure and not self._draining:
            _LOG.warning("worker %d (pid %d) %s", slot, event.pid, worker.killed_for or text)
        death = Death(
            cause="timeout" if worker.killed_for else "crash",
            text=worker.killed_for or text,
            signal=number,
            exit_code=code,
            suspect=suspect,
            stacks=self._stacks(slot),
            worker_pid=event.pid,
            blameless=event.status is None,
        )
        worker.ready = False
        worker.pid = None
        self._dispatcher.died(slot, incarnation, now, death)

    def _stacks(self, slot: int) -> str:
        try:
            return stacks_path(self._boot.state, slot).read_text(errors="replace")[:65536]
        except OSError:
            return ""

    def _watch(self, now: float) -> None:
        """Kill workers whose synchronous action has outlived the run timeout."""
        limit = self._settings.run_timeout
        if not limit:
            return
        for slot, worker in self._workers.items():
            if not worker.ready or worker.pid is None or worker.killed_for:
                continue
            if self._beacons.executing_for(slot) > limit:
                worker.killed_for = f"was killed: a run took longer than run-timeout ({limit:g} s)"
                with suppress(OSError):
                    os.kill(worker.pid, signal.SIGUSR2)  # dump its stacks
                    time.sleep(0.05)
                    os.kill(worker.pid, signal.SIGKILL)
        del now

    # -- checkpoints --------------------------------------------------------------------------

    def _save_checkpoint(self, now: float) -> None:
        self._next_checkpoint = now + CHECKPOINT_SECONDS
        trims = self._delivery.save()
        by_slot: dict[int, dict[int, int]] = {}
        for shard, level in trims.items():
            by_slot.setdefault(shard % self._slots, {})[shard] = level
        for slot, levels in by_slot.items():
            worker = self._workers.get(slot)
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
        leaving = {worker.pid for worker in self._workers.values() if worker.ready}
        for worker in self._workers.values():
            if worker.ready:
                self._tell(worker, wire.STOP)
        deadline = self._clock() + STOP_SECONDS
        while leaving and self._clock() < deadline and self._signals < 2:
            poller = zmq.Poller()
            for descriptor in self._starter.descriptors():
                poller.register(descriptor, zmq.POLLIN)
            with suppress(InterruptedError):
                poller.poll(100)
            self._take_messages(self._clock())  # their last counts
            for event in self._starter.poll():
                if isinstance(event, Gone):
                    leaving.discard(event.pid)

    # -- looking on ---------------------------------------------------------------------------

    def _status(self, phase: str) -> None:
        now = self._clock()
        self._next_status = now + STATUS_SECONDS
        status = self.status
        totals = self._delivery.checkpoint.totals
        statistics = self._dispatcher.statistics
        self._rates.append((now, totals.events))
        began, count = self._rates[0]
        beats = [worker.heartbeat for worker in self._workers.values() if worker.heartbeat]
        status.phase = phase
        status.elapsed = time.time() - status.started
        status.fraction = self._source.fraction()
        status.events = totals.events
        status.outputs = self._delivery.sink.outputs
        status.rate = (totals.events - count) / (now - began) if now > began else 0.0
        status.deaths = statistics.deaths
        counts = sum((Counter(beat["totals"]) for beat in beats), self._past)
        status.retries = statistics.retries + counts["retries"]
        status.dead_letters = counts["dead_letters"]
        status.ignored = counts["ignored"]
        status.metrics = merge_metrics([beat["metrics"] for beat in beats])
        status.workers = [self._worker_status(slot) for slot in range(self._slots)]
        self._state.write_status(asdict(status))
        if self._settings.on_status is not None:
            self._settings.on_status(status)

    def _worker_status(self, slot: int) -> WorkerStatus:
        worker = self._workers.get(slot)
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

    def _see_log(self) -> str:
        return f"What the workers printed is in {self._state.path / 'logs' / 'pool.log'}."


class _SlotMap(dict[bytes, int]):
    """The slot that owns a key, worked out on demand; forgets all when full."""

    def __init__(self, shards: int, slots: int) -> None:
        self._shards = shards
        self._slots = slots

    def __missing__(self, key: bytes) -> int:
        if len(self) >= _KEYS_CACHED:
            self.clear()
        slot = self[key] = shard_of(key, self._shards) % self._slots
        return slot


class _Signals:
    """Calls back on SIGINT and SIGTERM while in its block; the old handlers come back after it."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback = callback

    def __enter__(self) -> None:
        self._old = {
            number: signal.signal(number, lambda *_: self._callback())
            for number in (signal.SIGINT, signal.SIGTERM)
        }

    def __exit__(self, *_: object) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)


def _describe(status: int | None) -> tuple[str, int | None, int | None]:
    """How a process ended: in words, by which signal, with which code."""
    if status is None:
        return "died with its zygote", None, None
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return f"was killed by {signal.Signals(number).name}", number, None
    code = os.WEXITSTATUS(status)
    return f"exited with code {code}", None, code


def _error(name: str, message: str, hint: str) -> TamiasError:
    """The error that another process has told about."""
    kind = getattr(errors, name, None)
    if isinstance(kind, type) and issubclass(kind, TamiasError):
        return kind(message, hint=hint)
    return PoolError(f"{name}: {message}", hint=hint)
