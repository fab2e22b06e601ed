"""The pool's end of the connections to its workers: what all transports have.

A worker has a secret identity, by which it is addressed and recognised. A message under an unknown
identity comes from an earlier incarnation of a slot, or from no worker at all; the inbox drops it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from ...worker import wire

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...worker.connection.frames import NoMessageError
    from ..workers.registry import WorkerHandle

    Received = bytes | NoMessageError

STOP_SECONDS: Final = 10.0
"""The longest that a worker may take to end by itself."""


class WorkerTransport(Protocol):
    """Listens, sends and receives."""

    def wait(self, seconds: float, descriptors: list[int], *, soon: bool = False) -> None:
        """Wait until something can be read, one of `descriptors` included.

        `soon`: there is little that workers have, so it may come soon.
        """

    def receive(self) -> Iterator[tuple[bytes, Received]]:
        """Give what was there after the last `wait`: identity and message; never waits.

        An error, after which nothing comes, stands for what is no message.
        """

    def receive_all(self) -> Iterator[tuple[bytes, Received]]:
        """Give all that has arrived, as `receive` does."""

    def send(self, identity: bytes, message: bytes, *, urgent: bool = False) -> None:
        """Send a worker a message; one that has no connection does not get it.

        An urgent one may go before messages that are not sent yet.
        """

    def request_stop(self, worker: WorkerHandle, now: float) -> None:
        """Ask a worker to finish its commit and to end; `now` is monotonic."""
        worker.stop_by = now + STOP_SECONDS
        self.send(worker.identity, wire.STOP)
