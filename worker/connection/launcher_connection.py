"""A worker's connection to its launcher, and to no other process: what all transports have.

The launcher's socket has an abstract name, which any user of the machine can take when the launcher
has ended. So a worker connects once, asks the kernel who listens there before it sends or reads
anything, and ends when the connection does.

The address says which transport it is: `@NAME` is a Unix socket (`direct.py`), `ipc://@NAME` one of
ZeroMQ (`zeromq.py`).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, Protocol

from ...agent.errors import WorkerStartError
from ...store.peer import peer_of

if TYPE_CHECKING:
    import socket

CONNECT_SECONDS: Final = 30
"""The longest to wait for the connection: a launcher that listens accepts at once."""
LINGER_SECONDS: Final = 2.0
"""The longest to wait, at the end, until all is sent."""
ZEROMQ: Final = "ipc://"
"""What an address of ZeroMQ begins with."""


class LauncherConnection(Protocol):
    """Sends and receives messages.

    Attributes:
        is_lost: whether the connection has ended, or was never there.
    """

    is_lost: bool

    def open(self) -> None:
        """Connect, and say who this is.

        Raises:
            WorkerStartError: there is no connection, or another process listens.
        """

    def fileno(self) -> int:
        """Return the descriptor: readable when there are messages, or the connection has ended."""

    def wait(self, seconds: float) -> bool:
        """Wait until `receive` may have something to do; return whether it may."""

    def receive(self) -> list[bytes]:
        """Return messages that have arrived; never waits."""

    def send(self, message: bytes) -> bool:
        """Send a message, and return whether there is a connection; never waits."""

    def close(self, *, linger: float = LINGER_SECONDS) -> None:
        """Close the connection, when all is sent or after so many seconds."""


def check_peer(connection: socket.socket, launcher: int) -> None:
    """Check that the launcher is at the other end.

    Raises:
        WorkerStartError: it is another process.
    """
    pid, user = peer_of(connection)
    if pid != launcher or user not in (0, os.geteuid()):
        raise WorkerStartError(f"Process {pid} of user {user} listens where the launcher should.")
