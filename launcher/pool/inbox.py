"""Receives the messages of workers, and passes each to the part of the pool that handles it.

An outbox record goes to the delivery, and its offsets to the dispatcher as completed. Records that
a worker finds in the outbox of a shard that it takes are kept until it has announced all of them.
"""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING, Any

import zmq

from ...agent.errors import AgentFailedError, LeaseHeldError
from ...agent.failures.error_json import error_from_json
from ...worker import wire
from ..hooks import LauncherHook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ...agent.errors import TamiasError
    from ...agent.hooks import Hooks
    from ..delivery.delivery import Delivery
    from ..dispatch.dispatcher import Dispatcher
    from ..workers.registry import WorkerHandle, WorkerRegistry
    from .transport import WorkerTransport


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
        hooks: Hooks[LauncherHook],
    ) -> None:
        """`fail` is called with an error that ends the pool, and the generation that caused it."""
        self._transport = transport
        self._registry = registry
        self._dispatcher = dispatcher
        self._delivery = delivery
        self._fail = fail
        self._hooks = hooks
        self._noticed: set[str] = set()
        self.announced_shards: set[int] = set()
        self.on_ready: Callable[[WorkerHandle, float], None] | None = None
        """Called with each worker that has become ready, before it gets inputs."""
        self.pending_settings: dict[int, bytes] = {}
        """By generation, changed settings that its workers get before their first inputs."""

    def receive(self, now: float) -> None:
        """Process all messages that have arrived; `now` is monotonic. Never waits."""
        receive = self._transport.receive
        while True:
            try:
                identity, *rest = receive(zmq.NOBLOCK)
            except zmq.Again:
                return
            worker = self._registry.by_identity(identity)
            if worker is None or len(rest) != 1:
                continue  # an earlier incarnation of a slot, or no worker at all
            message = rest[0]
            kind = message[:1]
            if kind == wire.DONE:
                self._done(worker, message)
            elif kind == wire.METRICS:
                worker.heartbeat = heartbeat = wire.unpack(message)
                if heartbeat["notices"]:
                    self._notice(heartbeat["notices"])
                self._dispatcher.observed(*worker.place, heartbeat["active"])
            else:
                self._process_rare(worker, kind, message, now)

    def _notice(self, texts: Iterable[str]) -> None:
        """Report each notice of workers once."""
        for text in texts:
            if text not in self._noticed:
                self._noticed.add(text)
                self._hooks.call(LauncherHook.noticed, text)

    def _process_rare(self, worker: WorkerHandle, kind: bytes, message: bytes, now: float) -> None:
        if kind == wire.FOUND:
            self._found(worker, message)
        elif kind == wire.READY:
            self._ready(worker)
            if self.on_ready is not None:
                self.on_ready(worker, now)
        elif kind == wire.RELEASED:
            self._dispatcher.released(*worker.place, wire.unpack(message)["shard"])
        elif kind == wire.TAKEN:
            self._taken(worker, wire.unpack(message)["shard"], now)
        elif kind == wire.FAILED:
            self._agent_failed(worker, wire.unpack(message), now)
        elif kind == wire.FATAL:
            self._fatal(worker, wire.unpack(message), now)

    def _done(self, worker: WorkerHandle, message: bytes) -> None:
        for shard, sequence, record in wire.unpack_done(message):
            outputs = self._delivery.accept(shard, sequence, record)
            if outputs.failed:
                self._report_failed(worker, outputs.failed)
            self._dispatcher.completed(*worker.place, outputs.offsets)

    def _report_failed(self, worker: WorkerHandle, offsets: list[int]) -> None:
        """Count and report inputs that have failed for good; the worker has them in flight."""
        self._dispatcher.counters.of(worker.generation).failed += len(offsets)
        items = (self._dispatcher.flying(worker.assignment.slot, offset) for offset in offsets)
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
            self._hooks.call(LauncherHook.dead_letters, {"failed": len(failed)})

    def _found(self, worker: WorkerHandle, message: bytes) -> None:
        for shard, sequence, record in wire.unpack_done(message):
            outputs = self._delivery.accept(shard, sequence, record)
            worker.found.setdefault(shard, []).extend(outputs.offsets)
            worker.found_failed.update(outputs.failed)

    def _ready(self, worker: WorkerHandle) -> None:
        worker.ready = True
        self.announced_shards.update(worker.assignment.shards)
        found, worker.found = worker.found, {}
        if worker.generation in self.pending_settings:
            self._transport.send(worker.identity, self.pending_settings[worker.generation])
        done = self._dispatcher.ready(*worker.place, chain.from_iterable(found.values()))
        self._report_found_failed(worker, done)
        # Hooks see the start of a process first: without a pid it is not reported yet.
        if worker.pid is not None:
            self._hooks.call(LauncherHook.worker_ready, worker.info(worker.pid))

    def _taken(self, worker: WorkerHandle, shard: int, now: float) -> None:
        self.announced_shards.add(shard)
        moves = self._dispatcher.moves
        before = moves.last
        done = self._dispatcher.taken(*worker.place, shard, now, worker.found.pop(shard, ()))
        self._report_found_failed(worker, done)
        if moves.last is not before and moves.last is not None:
            self._hooks.call(LauncherHook.shard_moved, *moves.last)
        level = self._delivery.acknowledged(shard)
        if level is not None:  # saved while no worker had the shard
            self._transport.send(worker.identity, wire.pack(wire.ACKNOWLEDGE, {shard: level}))

    def _agent_failed(self, worker: WorkerHandle, report: dict[str, Any], now: float) -> None:
        where = f"action {report['action']!r}" if report["action"] else "the agent"
        error = AgentFailedError(
            f"{where} failed on input {report['offset']} (key {report['key']}): {report['error']}",
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
        if isinstance(error, LeaseHeldError):
            # The predecessor is slow to die: the dispatcher tries again, a few times.
            self._dispatcher.start_failed(*worker.place, now, str(error))
        else:
            self._fail(error, worker.generation)
            worker.unrelated = True
