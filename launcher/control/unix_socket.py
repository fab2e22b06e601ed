"""Unix sockets whose paths may be longer than the kernel takes (107 bytes).

The folder is opened, and the socket is named through the descriptor: `/proc/self/fd/7/control`.
ZeroMQ's sockets cannot do so; `service/protocol/endpoint.py` says why, and what they do.
"""

from __future__ import annotations

import os
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LARGEST_BODY: Final = 16 << 20
"""Bytes of a request that a launcher takes."""
_OWNER_ONLY: Final = 0o600


@contextmanager
def _within(path: Path) -> Iterator[str]:
    """Yield a short name for `path`, valid in this block."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def listen_at(path: Path) -> socket.socket:
    """A listening socket that only this user can connect to. Whatever was at `path` is replaced.

    Raises:
        OSError: it cannot be created there.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.unlink(missing_ok=True)
        os.fchmod(listener.fileno(), _OWNER_ONLY)  # before there is anything to connect to
        with _within(path) as name:
            listener.bind(name)
        listener.listen()
    except BaseException:
        listener.close()
        raise
    return listener


def connect_to(path: Path, timeout: float | None) -> socket.socket:
    """A socket connected to the one at `path`.

    Args:
        path: where it listens.
        timeout: seconds for this and for everything that is done with the socket; None: any time.

    Raises:
        OSError: there is no socket, or no process listens there.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout)
        with _within(path) as name:
            connection.connect(name)
    except BaseException:
        connection.close()
        raise
    return connection
