"""The pool's end of the connections to its workers, by both transports."""

from __future__ import annotations

import os
import socket
import time
from contextlib import ExitStack, closing, suppress
from secrets import token_bytes
from typing import TYPE_CHECKING

import pytest
import zmq

from tamias.launcher.connection.listening import listen, new_address
from tamias.launcher.connection.short_waits import LEAST
from tamias.worker.connection.connecting import make_connection
from tamias.worker.connection.direct import socket_name
from tamias.worker.connection.frames import NoMessageError, frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tamias.worker.connection.launcher_connection import LauncherConnection

IDENTITY = b"i" * 16
SECONDS = 60.0


class Pool:
    """A transport, and workers that connect to it."""

    def __init__(self, stack: ExitStack, transport: str, users: list[int] | None = None) -> None:
        self.address = new_address(transport)
        self.transport = listen(self.address, stack, users or [os.geteuid()])
        self._stack = stack

    def worker(self, identity: bytes) -> LauncherConnection:
        """A worker that has connected."""
        worker = make_connection(self.address, os.getpid(), identity)
        self._stack.enter_context(closing(worker))
        worker.open()
        return worker

    def stranger(self) -> socket.socket:
        """A process that has connected, and sent nothing yet."""
        connection = self._stack.enter_context(socket.socket(socket.AF_UNIX))
        connection.settimeout(SECONDS)
        connection.connect(socket_name(self.address.removeprefix("ipc://")))
        return connection

    def received(self, count: int) -> list[tuple[bytes, object]]:
        """So many messages of workers; waits for them."""
        messages: list[tuple[bytes, object]] = []
        deadline = time.monotonic() + SECONDS
        while len(messages) < count:
            assert time.monotonic() < deadline
            self.transport.wait(0.1, [])
            messages += self.transport.receive()
        return messages

    def read(self, worker: LauncherConnection, count: int) -> list[bytes]:
        """So many messages that a worker receives; waits for them."""
        messages: list[bytes] = []
        deadline = time.monotonic() + SECONDS
        while len(messages) < count:
            assert time.monotonic() < deadline
            self.receive(turns=1)  # sends what there was no room for
            if worker.wait(0.05):
                messages += worker.receive()
        return messages

    def receive(self, turns: int = 3) -> list[tuple[bytes, object]]:
        """What arrives in so many turns of the loop."""
        messages: list[tuple[bytes, object]] = []
        for _ in range(turns):
            self.transport.wait(0.0, [])
            messages += self.transport.receive()
        return messages


@pytest.fixture(params=["direct", "zeromq"])
def pool(request: pytest.FixtureRequest) -> Iterator[Pool]:
    with ExitStack() as stack:
        yield Pool(stack, request.param)


@pytest.fixture
def direct() -> Iterator[Pool]:
    with ExitStack() as stack:
        yield Pool(stack, "direct")


def test_each_message_comes_with_the_identity_of_its_sender(pool: Pool) -> None:
    identities = [token_bytes(16) for _ in range(3)]
    workers = [pool.worker(identity) for identity in identities]
    for number, worker in enumerate(workers):
        worker.send(b"%d" % number)
    assert {*pool.received(3)} == {(identities[n], b"%d" % n) for n in range(3)}
    for identity in identities:
        pool.transport.send(identity, identity)
    assert [pool.read(worker, 1) for worker in workers] == [[each] for each in identities]


def test_what_comes_soon_comes_and_what_does_not_is_waited_for(pool: Pool) -> None:
    worker = pool.worker(IDENTITY)
    worker.send(b"ready")
    assert pool.received(1) == [(IDENTITY, b"ready")]
    for number in range(3 * LEAST):
        worker.send(b"%d" % number)
        found: list[object] = []
        while not found:
            pool.transport.wait(SECONDS, [], soon=True)
            found = [message for _, message in pool.transport.receive()]
        assert found == [b"%d" % number]
    for _ in range(2 * LEAST):  # these say nothing of how soon something comes
        pool.transport.wait(0.0, [], soon=True)
    for _ in range(2):
        began = time.monotonic()
        pool.transport.wait(0.05, [], soon=True)
        assert time.monotonic() - began >= 0.05
        assert list(pool.transport.receive()) == []


@pytest.mark.parametrize("transport", ["direct", "zeromq"])
def test_another_user_is_refused(transport: str) -> None:
    with ExitStack() as stack:
        pool = Pool(stack, transport, users=[os.geteuid() + 1])
        stranger = pool.stranger()
        with suppress(ConnectionError):
            stranger.send(IDENTITY + frame(b"x"))
        assert pool.receive() == []
        with suppress(ConnectionResetError):
            assert stranger.recv(1) == b""


def test_who_takes_the_identity_of_another_is_refused(direct: Pool) -> None:
    worker = direct.worker(IDENTITY)
    direct.receive()
    second = direct.stranger()
    second.send(IDENTITY)
    direct.receive()
    assert second.recv(1) == b""
    direct.transport.send(IDENTITY, b"for the first")
    assert worker.receive() == [b"for the first"]


def test_an_identity_may_come_in_pieces(direct: Pool) -> None:
    connection = direct.stranger()
    connection.send(IDENTITY[:5])
    assert direct.receive() == []
    connection.send(IDENTITY[5:] + frame(b"x"))
    assert direct.receive() == [(IDENTITY, b"x")]


def test_the_dead_are_read_to_the_end(direct: Pool) -> None:
    """Also one that has died before it was accepted."""
    worker = direct.worker(IDENTITY)
    for number in range(100):
        worker.send(b"%d" % number)
    worker.close()
    found = list(direct.transport.receive_all())
    assert found == [(IDENTITY, b"%d" % number) for number in range(100)]
    direct.transport.send(IDENTITY, b"to none")
    direct.receive()
    direct.worker(IDENTITY)  # nothing is left of the first


def test_what_there_is_no_room_for_is_sent_later_and_in_order(pool: Pool) -> None:
    worker = pool.worker(IDENTITY)
    worker.send(b"ready")
    pool.received(1)
    messages = [b"%d" % number * 100_000 for number in range(10)]
    for message in messages:
        pool.transport.send(IDENTITY, message)
    assert pool.read(worker, len(messages)) == messages


def test_an_urgent_message_overtakes_what_is_not_sent_yet(direct: Pool) -> None:
    worker = direct.worker(IDENTITY)
    direct.receive()
    for _ in range(10):
        direct.transport.send(IDENTITY, b"x" * 100_000)
    direct.transport.send(IDENTITY, b"urgent", urgent=True)
    found = direct.read(worker, 11)
    assert found.index(b"urgent") < 5


def test_a_worker_that_sends_much_does_not_keep_others_waiting(direct: Pool) -> None:
    busy, other = direct.worker(IDENTITY), direct.worker(b"o" * 16)
    direct.receive()
    busy.send(b"x" * 5_000_000)
    other.send(b"y")
    assert direct.receive(turns=1) == [(b"o" * 16, b"y")]


def test_a_message_of_two_parts_is_none() -> None:
    with ExitStack() as stack:
        pool = Pool(stack, "zeromq")
        context = stack.enter_context(zmq.Context())
        sender = stack.enter_context(context.socket(zmq.DEALER))
        sender.setsockopt(zmq.ROUTING_ID, IDENTITY)
        sender.connect(pool.address)
        sender.send_multipart([b"M", b"{}"])
        ((identity, error),) = pool.received(1)
        assert identity == IDENTITY
        assert isinstance(error, NoMessageError)
        assert "2 parts" in str(error)
