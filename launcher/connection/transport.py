"""The pool's end of the connection to its workers: one ROUTER socket for all workers.

A worker has a secret identity, which it is addressed and recognised by. A message from an unknown
identity comes from an earlier incarnation of a slot, or from no worker at all, and is dropped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import zmq

from ...store.crashpoints import reach
from ...worker import wire

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import ExitStack
    from typing import Any

    from ..dispatch.item import Item, Rejection
    from ..workers.registry import WorkerHandle

STOP_SECONDS: Final = 10.0
"""The longest that a worker may take to end by itself."""


class WorkerTransport:
    """The socket.

    Attributes:
        receive: returns the frames of one message: identity and message. With `zmq.NOBLOCK` it
            raises `zmq.Again` when there is none.
    """

    def __init__(self, address: str, stack: ExitStack, users: Iterable[int]) -> None:
        """Listen at `address` until `stack` is unwound.

        Only processes of `users` can connect: any user of the machine can reach the socket.
        """
        context = zmq.Context(1)
        stack.callback(context.term)
        self._socket = context.socket(zmq.ROUTER)
        stack.callback(self._socket.close, linger=0)
        self._socket.set_hwm(0)  # bounded by the dispatcher's credit, not here
        for user in users:
            self._socket.setsockopt(zmq.IPC_FILTER_UID, user)
        self._socket.bind(address)
        self.receive = self._socket.recv_multipart

    @property
    def socket(self) -> zmq.Socket[bytes]:
        """The socket, for polling."""
        return self._socket

    def send(self, identity: bytes, message: bytes) -> None:
        """Send a worker a message."""
        reach("tell.before")
        self._socket.send(identity, zmq.SNDMORE)
        reach("tell.inside")
        self._socket.send(message)
        reach("tell.after")

    def request_stop(self, worker: WorkerHandle, now: float) -> None:
        """Ask a worker to finish its commit and to end; `now` is monotonic."""
        worker.stop_by = now + STOP_SECONDS
        self.send(worker.identity, wire.STOP)


def pack_items(items: list[Item]) -> bytes:
    """The message that brings a worker these inputs."""
    return wire.pack_inputs(
        [item.offset for item in items],
        [item.key for item in items],
        [item.payload for item in items],
        {item.offset: _described(item.rejection) for item in items if item.rejection is not None},
    )


def _described(rejection: Rejection) -> dict[str, Any]:
    return {
        "cause": rejection.cause,
        "error": rejection.error,
        "attempts": rejection.attempts,
        "signal": rejection.signal,
        "stacks": rejection.stacks,
        "worker_pid": rejection.worker_pid,
    }
