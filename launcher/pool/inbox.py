"""Receives the messages of workers, and passes each to the part of the pool that handles it.

An outbox record goes to the delivery, and its offsets to the dispatcher as completed. Records that
a worker finds in the outbox of a shard that it takes are kept until it has announced all of them.

A worker that sends what it cannot have sent is killed, as if it had crashed (`messages`).
"""

from __future__ import annotations

import logging
from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from ...agent import errors
from ...agent.errors import (
    AgentFailedError,
    LeaseHeldError,
    StoreError,
    StoreFullError,
    StoreUnwritableError,
)
from ...agent.failures.error_json import error_from_json
from ...store.faults import is_writable
from ...worker import wire
from ..connection.messages import (
    BadMessageError,
    as_message,
    check_admit,
    check_announced,
    due_items,
    has_input,
    may_announce,
    records_of,
    unpack,
    unpack_records,
)
from ..garbage import hold
from ..hooks import LauncherHook
from ..workers.registry import waiting_counts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ...agent.errors import TamiasError
    from ...agent.hooks import Hooks
    from ...store.waiting.reading import WaitingCounts
    from ..connection.transport import Received, WorkerTransport
    from ..delivery.delivery import Delivery
    from ..dispatch.dispatcher import Dispatcher
    from ..limits.pool_limits import PoolLimits
    from ..workers.registry import WorkerHandle, WorkerRegistry

_LOG: Final = logging.getLogger("tamias.pool")


class Inbox:
    """Receives the workers' messages.

    Attributes:
        announced_shards: the shards whose outboxes have been announced at least once.
    """

    def __init__(
        self,
        transport: WorkerTransport,
        registry: WorkerRegistry,
        dispatcher: Dispatcher,
        delivery: Delivery,
        fail: Callable[[TamiasError, int], None],
        *,
        policy: Callable[[int], str],
        hooks: Hooks[LauncherHook],
    ) -> None:
        """`fail` is called with an error that ends the pool, and the generation that caused it.

        `policy` returns the `on_error` of a generation.
        """
        self._policy = policy
        self._sequences: dict[int, int] = {}
        """By shard, the sequence of the last outbox record."""
        self._transport = transport
        self._registry = registry
        self._dispatcher = dispatcher
        self._delivery = delivery
        self._fail = fail
        self._hooks = hooks
        self._noticed: set[str] = set()
        self.announced_shards: set[int] = set()
        self.on_acquired: Callable[[WorkerHandle, Sequence[int]], None] | None = None
        """Called with each worker that has got shards, and with these."""
        self.on_rest: Callable[[int, dict[int, WaitingCounts]], None] | None = None
        """Called with a round's number, and the shards that are reported in it."""
        self.on_answered: Callable[[dict[str, Any]], None] | None = None
        """Called with the reply to an answer."""
        self.limits: PoolLimits | None = None
        """Gets what workers ask for calls with limits."""
        self.on_streamed: Callable[[dict[str, Any]], None] | None = None
        """Called with what calls have written."""
        self.on_ready: Callable[[WorkerHandle, float], None] | None = None
        """Called with each worker that has become ready, before it gets inputs."""
        self.pending_settings: dict[int, bytes] = {}
        """By generation, changed settings that its workers get before their first inputs."""

    def receive(self, now: float) -> None:
        """Process messages that have arrived; `now` is monotonic. Never waits."""
        self._process_all(self._transport.receive(), now)

    def receive_all(self, now: float) -> None:
        """Process all messages that have arrived, before the end of their sender is processed."""
        self._process_all(self._transport.receive_all(), now)

    def _process_all(self, messages: Iterable[tuple[bytes, Received]], now: float) -> None:
        for identity, message in messages:
            worker = self._registry.by_identity(identity)
            if worker is None:
                continue  # an earlier incarnation of a slot, or no worker at all
            try:
                self._process(worker, as_message(message), now)
            except BadMessageError as error:
                self._registry.reject(worker, f"was killed: {error}")

    def _process(self, worker: WorkerHandle, message: bytes, now: float) -> None:
        kind = message[:1]
        if kind == wire.DONE:
            self._done(worker, message)
        elif kind == wire.METRICS:
            before = worker.heartbeat
            heartbeat = unpack(message)
            self._registry.record_heartbeat(worker, heartbeat)
            overdue = heartbeat.get("overdue", "")
            if overdue and not (before and before.get("overdue")):
                _LOG.warning("worker %d %s", worker.assignment.slot, overdue)
            if heartbeat["notices"]:
                self._notice(heartbeat["notices"])
            self._dispatcher.observed(*worker.place, heartbeat["active"])
        elif kind == wire.DUE:
            items = due_items(worker, message, self._dispatcher)
            self._delivery.due([(item.offset, item.key) for item in items])
            self._dispatcher.due(*worker.place, items)
        elif kind == wire.STREAMED:
            self._streamed(unpack(message))
        elif kind == wire.FOUND:
            self._found(worker, message)
        else:
            self._process_rare(worker, kind, unpack(message), now)

    def _streamed(self, body: dict[str, Any]) -> None:
        if self.on_streamed is not None:
            self.on_streamed(body)

    def _notice(self, texts: Iterable[str]) -> None:
        """Report each notice of workers once."""
        for text in texts:
            if text not in self._noticed:
                self._noticed.add(text)
                self._hooks.call(LauncherHook.noticed, text)

    def _process_rare(
        self, worker: WorkerHandle, kind: bytes, body: dict[str, Any], now: float
    ) -> None:
        if kind == wire.ADMIT:
            self._admit(worker, body)
        elif kind == wire.READY:
            self._ready(worker, body, now)
        elif kind == wire.AT_REST:
            self._at_rest(worker, body)
        elif kind == wire.ANSWERED and self.on_answered is not None:
            self.on_answered(body)
        elif kind == wire.RELEASED:
            self._dispatcher.released(*worker.place, body["shard"])
        elif kind == wire.TAKEN:
            self._taken(worker, body, now)
            self._acquired(worker, [body["shard"]], body)
        elif kind == wire.HALTED:
            self._has_halted(worker)
        elif kind == wire.FAILED:
            self._agent_failed(worker, body, now)
        elif kind == wire.FATAL:
            self._fatal(worker, body, now)

    def _admit(self, worker: WorkerHandle, body: dict[str, Any]) -> None:
        check_admit(worker, body, self._dispatcher)
        if self.limits is not None:
            self.limits.admit(worker, body)

    def _acquired(self, worker: WorkerHandle, shards: Sequence[int], body: dict[str, Any]) -> None:
        """A worker has got shards, in which calls have used what its message says."""
        if self.limits is not None:
            self.limits.announce(shards, body.get("usage", {}))
        if self.on_acquired is not None:
            self.on_acquired(worker, shards)

    def _done(self, worker: WorkerHandle, message: bytes) -> None:
        records = records_of(worker, message, self._dispatcher, self._sequences)
        for record in records:
            self._delivery.accept(record)
            if record.outputs.failed:
                self._report_failed(worker, record.outputs.failed)
            self._dispatcher.completed(*worker.place, record.outputs.offsets)
        hold(-sum([len(record.outputs.offsets) for record in records]))

    def _report_failed(self, worker: WorkerHandle, offsets: list[int]) -> None:
        """Count and report inputs that have failed for good; the worker has them in flight."""
        self._dispatcher.counters.of(worker.generation).failed += len(offsets)
        flight = self._dispatcher.slot_state(worker.assignment.slot).flight
        items = map(flight.get, offsets)
        self._hooks.call(
            LauncherHook.dead_letters,
            Counter(
                item.rejection.cause if item and item.rejection else "failed" for item in items
            ),
        )

    def _report_found_failed(self, worker: WorkerHandle, completed: list[int]) -> None:
        """Report those inputs that a worker found to be done in outboxes and that have failed."""
        failed = worker.found_failed.intersection(completed)
        if failed:
            self._dispatcher.counters.recovered_failed += len(failed)
            self._hooks.call(LauncherHook.dead_letters, {"failed": len(failed)})

    def _found(self, worker: WorkerHandle, message: bytes) -> None:
        records = unpack_records(message)
        check_announced(worker, records, self._dispatcher)
        for record in records:
            self._delivery.accept(record)
            worker.found.setdefault(record.shard, []).extend(record.outputs.offsets)
            worker.found_failed.update(record.outputs.failed)

    def _ready(self, worker: WorkerHandle, body: dict[str, Any], now: float) -> None:
        if worker.ready:
            raise BadMessageError("it was ready already")
        worker.ready = True
        worker.waits = body.get("waits") is True
        worker.streams = body.get("streams") is True
        worker.actions = body.get("actions", [])
        for shard in worker.assignment.shards:
            self._has_announced(worker, shard, body)
        found, worker.found = worker.found, {}
        if worker.generation in self.pending_settings:
            self._transport.send(worker.identity, self.pending_settings[worker.generation])
        done = self._dispatcher.ready(*worker.place, chain.from_iterable(found.values()))
        self._report_found_failed(worker, done)
        # Hooks see the start of a process first: without a pid it is not reported yet.
        if worker.pid is not None:
            self._hooks.call(LauncherHook.worker_ready, worker.info(worker.pid))
        if self.on_ready is not None:
            self.on_ready(worker, now)
        self._acquired(worker, worker.assignment.shards, body)

    def _has_announced(self, worker: WorkerHandle, shard: int, body: dict[str, Any]) -> None:
        """A worker has announced the outbox of a shard: its next record follows the last one.

        That may have been removed, in a life of which nothing is known here: the worker says it.
        """
        self.announced_shards.add(shard)
        worker.shard_of_known = None
        found = worker.found_sequences.pop(shard, 0)
        last = body.get("sequences", {}).get(str(shard), 0)
        self._sequences[shard] = max(found, last, self._delivery.acknowledged(shard) or 0)

    def _taken(self, worker: WorkerHandle, body: dict[str, Any], now: float) -> None:
        shard = body["shard"]
        if not may_announce(worker, shard, self._dispatcher):
            raise BadMessageError(f"it has taken shard {shard}, which it was not asked to take")
        self._has_announced(worker, shard, body)
        moves = self._dispatcher.moves
        before = moves.last
        done = self._dispatcher.taken(*worker.place, shard, now, worker.found.pop(shard, ()))
        self._report_found_failed(worker, done)
        if moves.last is not before and moves.last is not None:
            self._hooks.call(LauncherHook.shard_moved, *moves.last)
        level = self._delivery.acknowledged(shard)
        if level is not None:  # saved while no worker had the shard
            self._transport.send(worker.identity, wire.pack(wire.ACKNOWLEDGE, {shard: level}))

    def _at_rest(self, worker: WorkerHandle, body: dict[str, Any]) -> None:
        has = self._dispatcher.shards_of(worker.assignment.slot)
        shards = {int(shard): waiting_counts(counts) for shard, counts in body["shards"].items()}
        if self.on_rest is not None:
            self.on_rest(body["round"], {n: shards[n] for n in has if n in shards})

    def _has_halted(self, worker: WorkerHandle) -> None:
        if worker.halt is None:
            raise BadMessageError("it has halted, and was not asked to")
        self._dispatcher.returned(*worker.place)

    def _agent_failed(self, worker: WorkerHandle, report: dict[str, Any], now: float) -> None:
        if not has_input(worker, report["offset"], self._dispatcher):
            raise BadMessageError("it reported the failure of an input that it was not sent")
        policy = self._policy(worker.generation)
        settings = self.pending_settings.get(worker.generation)
        if settings is not None:
            policy = wire.unpack(settings)["on_error"]
        if policy != "fail":
            raise BadMessageError("it reported a failure that does not end this job")
        where = f"action {report['action']!r}" if report["action"] else "the agent"
        what = report.get("what", f"input {report['offset']}")
        error = AgentFailedError(
            f"{where} failed on {what} (key {report['key']}): {report['error']}",
            user_traceback=report["traceback"],
            offset=report["offset"],
            key=report["key"],
        )
        self._fail(error, worker.generation)
        # The worker has halted. If the pool goes on, another worker gets its inputs.
        worker.unrelated = True
        self._transport.request_stop(worker, now)

    def _fatal(self, worker: WorkerHandle, body: dict[str, Any], now: float) -> None:
        error = error_from_json(body)
        if not worker.ready and (isinstance(error, LeaseHeldError) or not _is_ours(body)):
            # The predecessor is slow to die, or the machine is short of something: the dispatcher
            # tries again, a few times.
            self._dispatcher.start_failed(*worker.place, now, str(error))
        elif worker.ready and not self._ends_the_job(error, body):
            self._registry.reject(worker, f"could not go on: {error.message}")
        else:
            self._fail(error, worker.generation)
            worker.unrelated = True

    def _ends_the_job(self, error: TamiasError, body: dict[str, Any]) -> bool:
        """Whether a worker's error is one that its successor would meet, too.

        If its own process is the cause (its limits, its memory), that is the worker's death and no
        more; so is a full disk on which there is room.
        """
        if body.get("own_cause") or not _is_ours(body):
            return False
        if isinstance(error, (StoreFullError, StoreUnwritableError)):
            return not is_writable(self._registry.state)
        return isinstance(error, StoreError) and not isinstance(error, LeaseHeldError)


def _is_ours(body: dict[str, Any]) -> bool:
    """Whether a FATAL message carries an error that tamias raises on purpose."""
    return hasattr(errors, body["type"])
