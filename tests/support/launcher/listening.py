"""The part of a pool that listens to workers, without a pool: the test speaks for the workers."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, TypeVar

from support.launcher.checkpoints import SavedCheckpoints
from tamias.agent.hooks import Hooks
from tamias.launcher.connection.listening import listen
from tamias.launcher.delivery.checkpointed import CheckpointedDelivery
from tamias.launcher.dispatch.dispatcher import Dispatcher
from tamias.launcher.dispatch.instructions import ReleaseShard, SendItems, StartWorker, TakeShard
from tamias.launcher.dispatch.item import Item
from tamias.launcher.hooks import LauncherHook
from tamias.launcher.pool.inbox import Inbox
from tamias.launcher.sinks.collect import CollectSink
from tamias.launcher.workers.registry import WorkerRegistry
from tamias.launcher.workers.starter import Event, Starter
from tamias.store.records.outbox import encode_outputs
from tamias.worker import wire
from tamias.worker.connection.connecting import make_connection

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import ExitStack
    from pathlib import Path

    from tamias.launcher.dispatch.instructions import Instruction
    from tamias.launcher.workers.registry import WorkerHandle
    from tamias.worker.connection.launcher_connection import LauncherConnection
    from tamias.worker.process.boot import Assignment

Kind = TypeVar("Kind")
PATIENCE_SECONDS = 60.0


class NoProcesses(Starter):
    """Starts nothing: the test speaks for the workers."""

    def start(self, assignment: Assignment) -> None:
        """Start nothing."""

    def descriptors(self) -> Sequence[int]:
        """None."""
        return ()

    def poll(self) -> list[Event]:
        """Nothing happens."""
        return []

    def close(self) -> None:
        """Nothing is left."""

    @property
    def pids(self) -> Sequence[int]:
        """None."""
        return ()


class Launcher:
    """Two ready workers, of one shard each, and the part of a pool that listens to them."""

    def __init__(self, state: Path, stack: ExitStack, policy: str = "dead-letter") -> None:
        self.policy = policy
        self.failures: list[Exception] = []
        (state / "run").mkdir()
        self.registry = WorkerRegistry(state)
        stack.callback(self.registry.close)
        address = f"{state}/socket"
        self.transport = listen(address, stack, {os.geteuid()})
        self.dispatcher = Dispatcher(2, shards=2)
        self.delivery = CheckpointedDelivery(CollectSink(), SavedCheckpoints())
        self.delivery.open()
        stack.callback(self.delivery.close)
        self.inbox = Inbox(
            self.transport,
            self.registry,
            self.dispatcher,
            self.delivery,
            self._fail,
            policy=lambda _: self.policy,
            hooks=Hooks(LauncherHook),
        )
        self.connections: list[LauncherConnection] = []
        for start in self.tick(StartWorker):
            self.registry.start(start, NoProcesses())
            self.dispatcher.started(start.slot, start.incarnation)
            worker = self.registry.current(start.slot)
            assert worker is not None
            connection = make_connection(address, os.getpid(), worker.identity)
            stack.callback(connection.close)
            connection.open()
            self.connections.append(connection)
            self.hear(start.slot, wire.pack(wire.READY, {"shards": [start.slot]}))

    def _fail(self, error: Exception, generation: int) -> None:
        del generation
        self.failures.append(error)

    def worker(self, slot: int) -> WorkerHandle:
        """The worker of a slot."""
        worker = self.registry.current(slot)
        assert worker is not None
        return worker

    def send_input(self, offset: int, shard: int) -> None:
        """Have an input read, and sent to the shard's worker."""
        self.dispatcher.submit([Item(offset, b"k", b"p", shard)])
        assert [item.offset for send in self.tick(SendItems) for item in send.items] == [offset]

    def tick(self, kind: type[Kind]) -> list[Kind]:
        """Let the dispatcher decide; return the instructions of one kind."""
        instructions: list[Instruction] = self.dispatcher.tick(time.monotonic())
        return [each for each in instructions if isinstance(each, kind)]

    def hear(self, slot: int, message: bytes) -> None:
        """Have a worker send a message, and the inbox process it."""
        self.connections[slot].send(message)
        for _ in range(2):  # the connection is accepted first
            self.transport.wait(0.0, [])
            self.inbox.receive(time.monotonic())

    def deliver(self, shard: int, sequence: int, offset: int) -> None:
        """Have the shard's first owner report an outbox record with an input without outputs."""
        record = encode_outputs([offset], [0], [])
        self.hear(shard, wire.pack_done([(shard, sequence, record)]))

    def move(self, shard: int, slot: int) -> None:
        """Move a shard away from its first owner."""
        self.dispatcher.move(shard, slot)
        assert [each.shard for each in self.tick(ReleaseShard)] == [shard]
        self.hear(shard, wire.pack(wire.RELEASED, {"shard": shard}))
        assert [each.slot for each in self.tick(TakeShard)] == [slot]

    def received(self, slot: int) -> bytes:
        """The next message to a worker, behind which comes nothing else."""
        self.transport.send(self.worker(slot).identity, wire.STOP)
        messages: list[bytes] = []
        while wire.STOP not in messages:
            assert self.connections[slot].wait(PATIENCE_SECONDS)
            messages += self.connections[slot].receive()
        assert len(messages) <= 2
        return messages[0]
