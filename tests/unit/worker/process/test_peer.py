"""A worker talks to its launcher, and to no other process that has its name."""

from __future__ import annotations

import os
import time
from contextlib import closing
from secrets import token_hex
from typing import TYPE_CHECKING

import pytest
import zmq

from tamias.agent.errors import WorkerStartError
from tamias.worker.process.peer import LauncherConnection

if TYPE_CHECKING:
    from collections.abc import Iterator

Sockets = tuple[str, "zmq.Socket[bytes]", "zmq.Socket[bytes]"]


@pytest.fixture
def sockets() -> Iterator[Sockets]:
    """An address, a ROUTER that will listen there, and a DEALER."""
    with zmq.Context(1) as context:
        router, dealer = context.socket(zmq.ROUTER), context.socket(zmq.DEALER)
        yield f"ipc://@tamias-{token_hex(8)}", router, dealer
        for each in (router, dealer):
            each.close(linger=0)


def wait_until_lost(connection: LauncherConnection) -> None:
    """Wait for ZeroMQ's own thread to see the end: until then a message is queued, and lost."""
    deadline = time.monotonic() + 10
    while not connection.is_lost():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_launcher_is_recognised_and_its_end_is_seen(sockets: Sockets) -> None:
    address, router, dealer = sockets
    router.bind(address)
    with closing(LauncherConnection(dealer, address, os.getpid())) as connection:
        connection.check()
        assert not connection.is_lost()
        dealer.send(b"x")
        assert router.recv_multipart()[1] == b"x"
        router.close(linger=0)
        wait_until_lost(connection)


def test_it_does_not_connect_to_a_successor(sockets: Sockets) -> None:
    address, router, dealer = sockets
    router.bind(address)
    with closing(LauncherConnection(dealer, address, os.getpid())) as connection:
        connection.check()
        router.unbind(address)
        router.close(linger=0)
        wait_until_lost(connection)
        with zmq.Context(1) as other, other.socket(zmq.ROUTER) as stranger:
            for _ in range(500):
                try:
                    stranger.bind(address)
                    break
                except zmq.ZMQError:
                    time.sleep(0.01)
            with pytest.raises(zmq.Again):
                dealer.send(b"secret", zmq.NOBLOCK)
            assert not stranger.poll(300)


def test_another_process_is_refused(sockets: Sockets) -> None:
    address, router, dealer = sockets
    router.bind(address)
    with (
        closing(LauncherConnection(dealer, address, os.getppid())) as connection,
        pytest.raises(WorkerStartError, match=f"Process {os.getpid()} of user .* listens"),
    ):
        connection.check()


def test_without_a_launcher_there_is_no_connection(sockets: Sockets) -> None:
    address, _, dealer = sockets
    with (
        closing(LauncherConnection(dealer, address, os.getpid())) as connection,
        pytest.raises(WorkerStartError, match="The launcher's socket is gone"),
    ):
        connection.check()
