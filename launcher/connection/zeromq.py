"""ZeroMQ as a transport: one ROUTER for all workers, which pull with a DEALER each.

ZeroMQ's thread reads and writes; what workers have not read waits in memory, bounded by the
dispatcher's credit. Credentials are checked by ZeroMQ when a process connects.
"""

from __future__ import annotations

import math
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import zmq

from ...store.crashpoints import reach
from ...worker.connection.frames import NoMessageError
from .transport import WorkerTransport

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import ExitStack

    from .transport import Received

MESSAGES_PER_TURN: Final = 4096
"""So many messages at most are given before the rest of the pool has its turn."""
MESSAGES_BEFORE_AN_END: Final = 100_000
PARTS: Final = 2
"""Parts of a message: the identity of its sender, and what it has sent."""


class ZeroMQTransport(WorkerTransport):
    """Listens, sends and receives."""

    def __init__(self, address: str, stack: ExitStack, users: Iterable[int]) -> None:
        """See `listen`."""
        context = zmq.Context(1)
        stack.callback(context.term)
        self._socket = context.socket(zmq.ROUTER)
        stack.callback(self._socket.close, linger=0)
        self._socket.set_hwm(0)
        for user in users:
            self._socket.setsockopt(zmq.IPC_FILTER_UID, user)
        self._socket.bind(address)
        self._poller = zmq.Poller()
        self._poller.register(self._socket, zmq.POLLIN)
        self._others: list[int] = []
        """Other descriptors that are waited for."""

    def wait(self, seconds: float, descriptors: list[int], *, soon: bool = False) -> None:
        """See `WorkerTransport`; ZeroMQ's thread has to be woken anyway."""
        del soon
        if descriptors != self._others:
            for descriptor in self._others:
                with suppress(KeyError):
                    self._poller.unregister(descriptor)
            for descriptor in descriptors:
                self._poller.register(descriptor, zmq.POLLIN)
            self._others = descriptors
        self._poller.poll(max(0, math.ceil(seconds * 1000)))

    def receive(self) -> Iterator[tuple[bytes, Received]]:
        """See `WorkerTransport`."""
        return self._receive(MESSAGES_PER_TURN)

    def receive_all(self) -> Iterator[tuple[bytes, Received]]:
        """See `WorkerTransport`."""
        return self._receive(MESSAGES_BEFORE_AN_END)

    def _receive(self, most: int) -> Iterator[tuple[bytes, Received]]:
        for _ in range(most):
            try:
                parts = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            if len(parts) == PARTS:
                yield parts[0], parts[1]
            else:
                yield parts[0], NoMessageError(f"it sent a message of {len(parts) - 1} parts")

    def send(self, identity: bytes, message: bytes, *, urgent: bool = False) -> None:
        """See `WorkerTransport`; ZeroMQ keeps the order, also of what is urgent."""
        del urgent
        reach("tell.before")
        self._socket.send_multipart([identity, message])
        reach("tell.after")
