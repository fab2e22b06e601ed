"""Checks that a worker is connected to its launcher, and to no other process.

The launcher's socket has an abstract name, which any user of the machine can take when the launcher
has ended. So a worker connects once, asks the kernel who listens there before it reads anything,
and ends when the connection does: ZeroMQ must not connect again by itself.
"""

from __future__ import annotations

import os
import socket
from typing import Final

import zmq
from zmq.utils.monitor import parse_monitor_message

from ...agent.errors import WorkerStartError
from ...store.peer import peer_of

CONNECT_SECONDS: Final = 30
"""The longest to wait for the connection: a launcher that listens accepts at once."""

_EVENTS: Final = zmq.Event.CONNECTED | zmq.Event.DISCONNECTED | zmq.Event.CLOSED


class LauncherConnection:
    """Watches the connection of a worker's socket."""

    def __init__(self, dealer: zmq.Socket[bytes], address: str, launcher: int) -> None:
        """Connect a new socket to `address`, where the process `launcher` must listen."""
        self._launcher = launcher
        self._dealer = dealer
        dealer.setsockopt(zmq.RECONNECT_IVL, -1)
        self._monitor = dealer.get_monitor_socket(_EVENTS)
        dealer.connect(address)

    def check(self) -> None:
        """Wait for the connection, and check who listens.

        Raises:
            WorkerStartError: there is no connection, or it is to another process.
        """
        if not self._monitor.poll(CONNECT_SECONDS * 1000):
            raise WorkerStartError("The launcher does not accept connections.")
        event = parse_monitor_message(self._monitor.recv_multipart())
        if event["event"] != zmq.Event.CONNECTED:
            raise WorkerStartError("The launcher's socket is gone.")
        with socket.fromfd(event["value"], socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            pid, user = peer_of(connection)
        if pid != self._launcher or user not in (0, os.geteuid()):
            raise WorkerStartError(
                f"Process {pid} of user {user} listens where the launcher should."
            )

    @property
    def descriptor(self) -> int:
        """Becomes readable when the connection may have ended: see `is_lost`."""
        return int(self._monitor.FD)

    def is_lost(self) -> bool:
        """Whether the connection has ended."""
        lost = False
        while self._monitor.poll(0):
            event = parse_monitor_message(self._monitor.recv_multipart())
            lost = lost or event["event"] != zmq.Event.CONNECTED
        return lost

    def close(self) -> None:
        """Stop watching."""
        self._dealer.disable_monitor()
        self._monitor.close(linger=0)
