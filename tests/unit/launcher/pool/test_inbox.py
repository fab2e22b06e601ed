"""What the inbox answers to workers: real sockets, registry, dispatcher and delivery."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, TypeVar

import pytest
import zmq

from support.launcher.checkpoints import SavedCheckpoints
from tamias.agent.hooks import Hooks
from tamias.launcher.delivery.checkpointed import CheckpointedDelivery
from tamias.launcher.delivery.source import Position
from tamias.launcher.dispatch.dispatcher import Dispatcher
from tamias.launcher.dispatch.instructions import ReleaseShard, StartWorker, TakeShard
from tamias.launcher.hooks import LauncherHook
from tamias.launcher.pool.inbox import Inbox
from tamias.launcher.pool.transport import WorkerTransport
from tamias.launcher.sinks.collect import CollectSink
from tamias.launcher.workers.registry import WorkerRegistry
from tamias.launcher.workers.starter import Event, Starter
from tamias.store.records.outbox import encode_outputs
from tamias.worker import wire

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tamias.launcher.dispatch.instructions import Instruction
    from tamias.worker.process.boot import Assignment

Kind = TypeVar("Kind")
PATIENCE_MS = 10_000


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

    def __init__(self, state: Path, stack: ExitStack) -> None:
        (state / "run").mkdir()
        self.registry = WorkerRegistry(state)
        stack.callback(self.registry.close)
        address = f"ipc://{state}/socket"
        self.transport = WorkerTransport(address, stack)
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
            hooks=Hooks(LauncherHook),
        )
        self.sockets: list[zmq.Socket[bytes]] = []
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context.instance()
        for start in self.tick(StartWorker):
            self.registry.start(start, NoProcesses())
            self.dispatcher.started(start.slot, start.incarnation)
            worker = self.registry.current(start.slot)
            assert worker is not None
            socket = context.socket(zmq.DEALER)
            stack.callback(socket.close, linger=0)
            socket.setsockopt(zmq.ROUTING_ID, worker.identity)
            socket.setsockopt(zmq.RCVTIMEO, PATIENCE_MS)
            socket.connect(address)
            self.sockets.append(socket)
            self.hear(start.slot, wire.pack(wire.READY, {}))

    def _fail(self, error: Exception, generation: int) -> None:
        raise AssertionError(f"{error} of generation {generation}")

    def tick(self, kind: type[Kind]) -> list[Kind]:
        """Let the dispatcher decide; return the instructions of one kind."""
        instructions: list[Instruction] = self.dispatcher.tick(time.monotonic())
        return [each for each in instructions if isinstance(each, kind)]

    def hear(self, slot: int, message: bytes) -> None:
        """Have a worker send a message, and the inbox process it."""
        self.sockets[slot].send(message)
        assert self.transport.socket.poll(PATIENCE_MS)
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
        worker = self.registry.current(slot)
        assert worker is not None
        self.transport.send(worker.identity, wire.STOP)
        message = self.sockets[slot].recv()
        assert message == wire.STOP or self.sockets[slot].recv() == wire.STOP
        return message


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[Launcher]:
    with ExitStack() as stack:
        yield Launcher(tmp_path, stack)


def test_a_worker_that_takes_a_shard_gets_what_was_acknowledged_meanwhile(
    launcher: Launcher,
) -> None:
    launcher.delivery.reading(Position(0, 0))
    launcher.deliver(0, 5, offset=0)
    launcher.move(0, 1)
    assert launcher.delivery.save() == {0: 5}  # no worker has the shard now
    launcher.hear(1, wire.pack(wire.TAKEN, {"shard": 0}))
    message = launcher.received(1)
    assert message[:1] == wire.ACKNOWLEDGE
    assert wire.unpack(message) == {"0": 5}


def test_a_worker_that_takes_a_shard_without_acknowledged_records_gets_nothing(
    launcher: Launcher,
) -> None:
    launcher.move(0, 1)
    launcher.hear(1, wire.pack(wire.TAKEN, {"shard": 0}))
    assert launcher.received(1) == wire.STOP
