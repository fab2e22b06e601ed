"""The pool's end of the connections to its workers."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack, closing
from secrets import token_bytes, token_hex
from typing import TYPE_CHECKING

import pytest

from tamias.launcher.connection.transport import WorkerTransport
from tamias.worker.connection.frames import frame
from tamias.worker.connection.launcher_connection import LauncherConnection, socket_name

if TYPE_CHECKING:
    from collections.abc import Iterator

IDENTITY = b"i" * 16


class Pool:
    """A transport, and workers that connect to it."""

    def __init__(self, stack: ExitStack, users: list[int] | None = None) -> None:
        self.address = f"@tamias-{token_hex(8)}"
        self.transport = WorkerTransport(self.address, stack, users or [os.geteuid()])
        self._stack = stack

    def worker(self, identity: bytes) -> LauncherConnection:
        """A worker that has connected."""
        worker = LauncherConnection(self.address, os.getpid(), identity)
        self._stack.enter_context(closing(worker))
        worker.open()
        return worker

    def stranger(self) -> socket.socket:
        """A process that has connected, and sent nothing yet."""
        connection = self._stack.enter_context(socket.socket(socket.AF_UNIX))
        connection.settimeout(10)
        connection.connect(socket_name(self.address))
        return connection

    def receive(self, turns: int = 3) -> list[tuple[bytes, object]]:
        """What arrives in so many turns of the loop."""
        messages: list[tuple[bytes, object]] = []
        for _ in range(turns):
            self.transport.wait(0.0, [])
            messages += self.transport.receive()
        return messages


@pytest.fixture
def pool() -> Iterator[Pool]:
    with ExitStack() as stack:
        yield Pool(stack)


def test_each_message_comes_with_the_identity_of_its_sender(pool: Pool) -> None:
    identities = [token_bytes(16) for _ in range(3)]
    workers = [pool.worker(identity) for identity in identities]
    for number, worker in enumerate(workers):
        worker.send(b"%d" % number)
    assert sorted(pool.receive()) == sorted((identities[n], b"%d" % n) for n in range(3))
    for identity in identities:
        pool.transport.send(identity, identity)
    assert [worker.receive() for worker in workers] == [[identity] for identity in identities]


def test_another_user_is_refused() -> None:
    with ExitStack() as stack:
        pool = Pool(stack, users=[os.geteuid() + 1])
        stranger = pool.stranger()
        stranger.send(IDENTITY + frame(b"x"))
        assert pool.receive() == []
        with pytest.raises(ConnectionResetError):
            stranger.recv(1)


def test_who_takes_the_identity_of_another_is_refused(pool: Pool) -> None:
    worker = pool.worker(IDENTITY)
    pool.receive()
    second = pool.stranger()
    second.send(IDENTITY)
    pool.receive()
    assert second.recv(1) == b""
    pool.transport.send(IDENTITY, b"for the first")
    assert worker.receive() == [b"for the first"]


def test_an_identity_may_come_in_pieces(pool: Pool) -> None:
    connection = pool.stranger()
    connection.send(IDENTITY[:5])
    assert pool.receive() == []
    connection.send(IDENTITY[5:] + frame(b"x"))
    assert pool.receive() == [(IDENTITY, b"x")]


def test_the_dead_are_read_to_the_end(pool: Pool) -> None:
    """Also one that has died before it was accepted."""
    worker = pool.worker(IDENTITY)
    for number in range(100):
        worker.send(b"%d" % number)
    worker.close()
    found = list(pool.transport.receive_all())
    assert found == [(IDENTITY, b"%d" % number) for number in range(100)]
    pool.transport.send(IDENTITY, b"to none")
    pool.receive()
    pool.worker(IDENTITY)  # nothing is left of the first


def test_what_there_is_no_room_for_is_sent_later_and_in_order(pool: Pool) -> None:
    worker = pool.worker(IDENTITY)
    pool.receive()
    messages = [b"%d" % number * 100_000 for number in range(10)]
    for message in messages:
        pool.transport.send(IDENTITY, message)
    found: list[bytes] = []
    while len(found) < len(messages):
        assert worker.wait(10)
        found += worker.receive()
        pool.receive()
    assert found == messages


def test_an_urgent_message_overtakes_what_is_not_sent_yet(pool: Pool) -> None:
    worker = pool.worker(IDENTITY)
    pool.receive()
    for _ in range(10):
        pool.transport.send(IDENTITY, b"x" * 100_000)
    pool.transport.send(IDENTITY, b"urgent", urgent=True)
    found: list[bytes] = []
    while len(found) < 11:
        assert worker.wait(10)
        found += worker.receive()
        pool.receive()
    assert found.index(b"urgent") < 5


def test_a_worker_that_sends_much_does_not_keep_others_waiting(pool: Pool) -> None:
    busy, other = pool.worker(IDENTITY), pool.worker(b"o" * 16)
    pool.receive()
    busy.send(b"x" * 5_000_000)
    other.send(b"y")
    assert pool.receive(turns=1) == [(b"o" * 16, b"y")]
