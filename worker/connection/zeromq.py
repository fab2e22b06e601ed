"""A worker's connection to its launcher by ZeroMQ: a DEALER, which a monitor watches.

**Its descriptor is edge-triggered** (ZMQ_FD in zmq_getsockopt(3)): it becomes readable once, and
not again, for messages that have arrived while the socket was used, if only to send. So after each
use the socket is asked whether there are any, and if so, another descriptor is made readable. The
descriptor of an epoll(7) stands for all of them.

ZeroMQ would connect again by itself, to any process that has taken the launcher's name; here the
monitor reports who listens, and the end of the only connection.
"""

from __future__ import annotations

import os
import select
import socket
from typing import Any, Final

import zmq
from zmq.utils.monitor import parse_monitor_message

from ...agent.errors import WorkerStartError
from .launcher_connection import CONNECT_SECONDS, LINGER_SECONDS, LauncherConnection, check_peer

MESSAGES_PER_TURN: Final = 8192
"""All that credit allows, so that HALT is seen before the next run, however small batches are."""

_EVENTS: Final = zmq.Event.CONNECTED | zmq.Event.DISCONNECTED | zmq.Event.CLOSED

# As they are before the agent is imported, which may replace them.
_make_epoll: Final = select.epoll
_Socket: Final = socket.socket


class ZeroMQConnection(LauncherConnection):
    """A connection on which each message is one of ZeroMQ."""

    def __init__(self, address: str, launcher: int, identity: bytes) -> None:
        """`launcher` is the process that must listen at `address`."""
        self._address = address
        self._launcher = launcher
        self._context = zmq.Context(1)
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.setsockopt(zmq.ROUTING_ID, identity)
        self._socket.setsockopt(zmq.RECONNECT_IVL, -1)
        self._socket.set_hwm(0)  # bounded by the dispatcher's credit, not here
        self._monitor = self._socket.get_monitor_socket(_EVENTS)
        self._more = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        """Readable while there may be messages that the socket's descriptor does not report."""
        self._may_have_more = False
        self._readable = _make_epoll()
        for descriptor in (int(self._socket.FD), int(self._monitor.FD), self._more):
            self._readable.register(descriptor, select.EPOLLIN)
        self.is_lost = True

    def open(self) -> None:
        """See `LauncherConnection`; the identity is sent by ZeroMQ."""
        self._socket.connect(self._address)
        if not self._monitor.poll(CONNECT_SECONDS * 1000):
            raise WorkerStartError("The launcher does not accept connections.")
        event = self._next_event()
        if event["event"] != zmq.Event.CONNECTED:
            raise WorkerStartError("The launcher's socket is gone.")
        with _Socket(fileno=os.dup(event["value"])) as connection:
            check_peer(connection, self._launcher)
        self.is_lost = False
        self._be_readable()

    def _next_event(self) -> dict[str, Any]:
        return dict(parse_monitor_message(self._monitor.recv_multipart()))

    def _be_readable(self) -> None:
        if not self._may_have_more:
            self._may_have_more = True
            os.eventfd_write(self._more, 1)

    def fileno(self) -> int:
        """See `LauncherConnection`."""
        return self._readable.fileno()

    def wait(self, seconds: float) -> bool:
        """See `LauncherConnection`."""
        return bool(self._readable.poll(seconds))

    def receive(self) -> list[bytes]:
        """See `LauncherConnection`."""
        if self._may_have_more:
            self._may_have_more = False
            os.eventfd_read(self._more)
        while _has_messages(self._monitor):
            if self._next_event()["event"] != zmq.Event.CONNECTED:
                self.is_lost = True
        messages: list[bytes] = []
        while _has_messages(self._socket):
            messages.append(self._socket.recv(zmq.NOBLOCK))
            if len(messages) == MESSAGES_PER_TURN:
                self._be_readable()
                break
        return messages

    def send(self, message: bytes) -> bool:
        """See `LauncherConnection`."""
        if self.is_lost:
            return False
        try:
            self._socket.send(message, zmq.NOBLOCK)
        except zmq.Again:  # there is no connection to send it to
            return False
        if _has_messages(self._socket):
            self._be_readable()
        return True

    def close(self, *, linger: float = LINGER_SECONDS) -> None:
        """See `LauncherConnection`."""
        if self._socket.closed:
            return
        self._readable.close()
        os.close(self._more)
        self._socket.disable_monitor()
        self._monitor.close(linger=0)
        self._socket.close(linger=int(linger * 1000))
        self._context.term()


def _has_messages(receiver: zmq.Socket[bytes]) -> bool:
    return bool(int(receiver.getsockopt(zmq.EVENTS)) & zmq.POLLIN)
