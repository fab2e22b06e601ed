"""Which process is at the other end of a Unix socket, as the kernel knows it."""

from __future__ import annotations

import socket
import struct
from typing import Final

__all__ = ["peer_of"]

_CREDENTIALS: Final = struct.Struct("3i")


def peer_of(connection: socket.socket) -> tuple[int, int]:
    """Return process id and user of the process that is connected, or that listened here."""
    data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    process, user, _ = _CREDENTIALS.unpack(data)
    return process, user
