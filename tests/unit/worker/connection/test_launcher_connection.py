"""A worker talks to its launcher, and to no other process that has its name."""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from contextlib import ExitStack, closing
from secrets import token_bytes
from typing import TYPE_CHECKING

import pytest

from tamias.agent.errors import WorkerStartError
from tamias.launcher.connection.listening import listen, new_address
from tamias.worker.connection.connecting import make_connection
from tamias.worker.connection.direct import socket_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tamias.launcher.connection.transport import WorkerTransport
    from tamias.worker.connection.launcher_connection import LauncherConnection

SECONDS = 60.0


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture(params=["direct", "zeromq"])
def address(request: pytest.FixtureRequest) -> str:
    return new_address(request.param)


@pytest.fixture
def transport(stack: ExitStack, address: str) -> WorkerTransport:
    return listen(address, stack, [os.geteuid()])


def connect(address: str, stack: ExitStack) -> tuple[LauncherConnection, bytes]:
    """A worker's connection, and its identity."""
    identity = token_bytes(16)
    connection = stack.enter_context(closing(make_connection(address, os.getpid(), identity)))
    connection.open()
    return connection, identity


def received(transport: WorkerTransport, count: int) -> list[tuple[bytes, object]]:
    """So many messages that the launcher receives."""
    messages: list[tuple[bytes, object]] = []
    deadline = time.monotonic() + SECONDS
    while len(messages) < count:
        assert time.monotonic() < deadline
        transport.wait(SECONDS, [])
        messages += transport.receive()
    return messages


def read(connection: LauncherConnection, count: int) -> list[bytes]:
    """So many messages that the worker receives."""
    messages: list[bytes] = []
    while len(messages) < count:
        assert connection.wait(SECONDS)
        messages += connection.receive()
    return messages


def sleep_until_readable(connection: LauncherConnection) -> None:
    """Wait as an event loop does."""
    assert select.select([connection.fileno()], [], [], SECONDS)[0]


def test_messages_go_both_ways_and_the_launchers_end_is_seen(address: str) -> None:
    with ExitStack() as workers:
        with ExitStack() as launcher:
            transport = listen(address, launcher, [os.geteuid()])
            connection, identity = connect(address, workers)
            assert connection.send(b"x")
            assert connection.send(b"")
            assert received(transport, 2) == [(identity, b"x"), (identity, b"")]
            transport.send(identity, b"y")
            assert read(connection, 1) == [b"y"]
            assert not connection.is_lost
        while not connection.is_lost:
            assert connection.wait(SECONDS)
            assert connection.receive() == []
        assert not connection.send(b"secret")


def test_what_was_sent_before_the_end_is_read(stack: ExitStack) -> None:
    address = new_address("direct")
    with ExitStack() as launcher:
        transport = listen(address, launcher, [os.geteuid()])
        connection, identity = connect(address, stack)
        connection.send(b"x")
        received(transport, 1)
        transport.send(identity, b"last")
    assert read(connection, 1) == [b"last"]


def test_another_process_is_refused_and_gets_nothing(address: str) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(socket_name(address.removeprefix("ipc://")))
        listener.listen()
        connection = make_connection(address, os.getppid(), token_bytes(16))
        with (
            closing(connection),
            pytest.raises(WorkerStartError, match=f"Process {os.getpid()} of user .* listens"),
        ):
            connection.open()
        assert not connection.send(b"secret")
        accepted, _ = listener.accept()
        with accepted:
            got = accepted.recv(100)
            assert b"secret" not in got
            assert got == b"" or address.startswith("ipc://")  # ZeroMQ's greeting


def test_without_a_launcher_there_is_no_connection(address: str) -> None:
    connection = make_connection(address, os.getpid(), token_bytes(16))
    with (
        closing(connection),
        pytest.raises(WorkerStartError, match="The launcher's socket is gone"),
    ):
        connection.open()


def test_a_worker_sends_more_than_there_is_room_for_without_waiting(
    transport: WorkerTransport, address: str, stack: ExitStack
) -> None:
    connection, identity = connect(address, stack)
    messages = [bytes([number]) * size for number, size in enumerate((5_000_000, 1, 0, 300_000, 7))]
    for message in messages:
        assert connection.send(message)  # nobody has read anything
    assert received(transport, 5) == [(identity, message) for message in messages]
    connection.send(b"direct again")
    assert received(transport, 1) == [(identity, b"direct again")]


def test_a_worker_that_closes_waits_until_all_is_read(
    transport: WorkerTransport, address: str, stack: ExitStack
) -> None:
    connection, identity = connect(address, stack)
    connection.send(b"x" * 1_000_000)
    closing_thread = threading.Thread(target=connection.close)
    closing_thread.start()
    messages = received(transport, 1)
    closing_thread.join()
    assert messages == [(identity, b"x" * 1_000_000)]


def test_a_loop_learns_of_messages_that_arrived_while_another_was_sent(
    transport: WorkerTransport, address: str, stack: ExitStack
) -> None:
    connection, identity = connect(address, stack)
    connection.send(b"ready")
    received(transport, 1)
    for number in range(200):
        transport.send(identity, b"%d" % number)
        connection.send(b"heartbeat")
        sleep_until_readable(connection)
        connection.send(b"heartbeat")  # takes what ZeroMQ's own descriptor had to report
        messages: list[bytes] = []
        while not messages:
            sleep_until_readable(connection)
            messages = connection.receive()
        assert messages == [b"%d" % number]
        received(transport, 2)


def test_a_connection_that_was_never_open_can_be_closed_twice(address: str) -> None:
    connection = make_connection(address, os.getpid(), token_bytes(16))
    connection.close()
    connection.close()
