"""Messages between workers and the keeper: JSON objects, each after its length in four bytes."""

from __future__ import annotations

import json
import os
import socket
import struct
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST: Final = 64 << 20
"""Bytes of a message, and of what a server sends at once."""
_LENGTH: Final = struct.Struct("!I")
_CREDENTIALS: Final = struct.Struct("3i")


class TooLongError(ValueError):
    """A message has more bytes than are taken."""


def encode(message: dict[str, Any]) -> bytes:
    """A message as it is sent.

    Raises:
        TooLongError: it is longer than `LONGEST`.
        TypeError, ValueError: it is no JSON.
    """
    data = json.dumps(message, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode(
        errors="surrogatepass"
    )
    if len(data) > LONGEST:
        raise TooLongError(f"{len(data) >> 20} MiB, and {LONGEST >> 20} are taken at most")
    return _LENGTH.pack(len(data)) + data


class Frames:
    """Takes bytes as they come, and gives the messages in them."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def add(self, data: bytes) -> Iterator[dict[str, Any]]:
        """Yield the messages that are complete now.

        Raises:
            TooLongError: a message is longer than any that is sent.
        """
        self._buffer += data
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            if length > LONGEST:
                raise TooLongError(f"a message of {length} bytes")
            end = _LENGTH.size + length
            if len(self._buffer) < end:
                return
            text = bytes(self._buffer[_LENGTH.size : end])
            del self._buffer[:end]
            yield json.loads(text.decode(errors="surrogatepass"))


def is_own_user(connection: socket.socket) -> bool:
    """Whether a process of this user (or of root) is at the other end."""
    data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return _CREDENTIALS.unpack(data)[1] in (0, os.geteuid())
