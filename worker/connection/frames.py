"""Messages on a stream between launcher and worker: each has its length in front of it."""

from __future__ import annotations

import socket
import struct
from typing import Final

__all__ = ["IDENTITY_BYTES", "RECEIVE_BYTES", "FrameReader", "NoMessageError", "send_frame"]

IDENTITY_BYTES: Final = 16
"""What a worker sends first: the secret identity that its launcher has given to it, as it is."""
RECEIVE_BYTES: Final = 1 << 16
"""The most to read at once."""
LONGEST: Final = 1 << 40
"""No message is longer: such a length is what something else has written to the stream."""

_LENGTH: Final = struct.Struct("<Q")
_FLAGS: Final = int(socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
_COPIED: Final = 1 << 14
"""A message up to this size is copied behind its length: one buffer is sent faster than two."""


class NoMessageError(ValueError):
    """What has arrived is no message; what comes after it cannot be read either."""


class FrameReader:
    """Cuts what arrives on a stream into messages."""

    def __init__(self) -> None:
        self._begun = bytearray()
        """A message that has not arrived completely, with its length."""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the messages that are complete now.

        Raises:
            NoMessageError: see there.
        """
        messages: list[bytes] = []
        if self._begun:
            data = self._complete(data, messages)
        start, end, head = 0, len(data), _LENGTH.size
        while end - start >= head:
            stop = start + head + _length(data, start)
            if stop > end:
                break
            messages.append(data[start + head : stop])
            start = stop
        if start < end:
            self._begun += data[start:]
        return messages

    def _complete(self, data: bytes, messages: list[bytes]) -> bytes:
        """Add to the message that has begun; return what comes after it."""
        begun, head = self._begun, _LENGTH.size
        if len(begun) < head:
            missing = head - len(begun)
            begun += data[:missing]
            data = data[missing:]
            if len(begun) < head:
                return b""
        missing = head + _length(begun, 0) - len(begun)
        begun += data[:missing]
        if missing > len(data):
            return b""
        with memoryview(begun) as view:
            messages.append(bytes(view[head:]))
        self._begun = bytearray()
        return data[missing:]


def _length(data: bytes | bytearray, start: int) -> int:
    length: int = _LENGTH.unpack_from(data, start)[0]
    if length > LONGEST:
        raise NoMessageError("what it sent is no message")
    return length


def send_frame(connection: socket.socket, message: bytes) -> memoryview | None:
    """Send a message with its length; return what there is no room for, None if all is sent.

    Never waits.

    Raises:
        OSError: the connection has ended.
    """
    head = _LENGTH.pack(len(message))
    try:
        if len(message) <= _COPIED:
            sent = connection.send(head + message, _FLAGS)
        else:
            sent = connection.sendmsg((head, message), (), _FLAGS)
    except BlockingIOError:
        sent = 0
    if sent == len(head) + len(message):
        return None
    return memoryview(head + message)[sent:]


def frame(message: bytes) -> memoryview:
    """Return a message with its length."""
    return memoryview(_LENGTH.pack(len(message)) + message)


def send_rest(connection: socket.socket, rest: memoryview) -> memoryview | None:
    """Do what `send_frame` does with what it has returned."""
    try:
        sent = connection.send(rest, _FLAGS)
    except BlockingIOError:
        return rest
    return None if sent == len(rest) else rest[sent:]
