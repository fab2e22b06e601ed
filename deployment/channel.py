"""The channel from a pool process to its supervisor: a socket pair; each message is a JSON object.

    {"status": {...}}                 the status of the pool, a few times a second
    {"log": text}                     what the launcher logs
    {"ready": {"address": ..., "listen": ...}}    a service is open
    {"report": {...}, "code": N}      the end: the job's report
    {"error": {...}, "code": N}       the end: the error
    {"interrupted": true, "code": N}  the end: stopped before the pool ran

A supervisor that does not read (it was stopped, or its terminal blocks it) must not block a pool.
So nothing here waits: a message is dropped if the socket's buffer is full, and the next status
replaces it. Only the last message waits for space, and for some seconds at most.
"""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from typing import Any, Final

_LARGEST: Final = 1 << 18
"""Larger than any message that the kernel accepts by default."""
_SEND_SECONDS: Final = 5.0


class Channel:
    """One end of the channel."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        end.setblocking(False)

    @classmethod
    def pair(cls) -> tuple[Channel, Channel]:
        """Return both ends."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return cls(ours), cls(theirs)

    @classmethod
    def inherited(cls, descriptor: int) -> Channel:
        """Return the end that this process was started with; children do not inherit it."""
        end = socket.socket(fileno=descriptor)
        end.set_inheritable(False)
        return cls(end)

    def fileno(self) -> int:
        """Return the descriptor to poll."""
        return self._socket.fileno()

    def send(self, **message: Any) -> None:
        """Send a message, unless the buffer is full."""
        with suppress(OSError):
            self._socket.send(json.dumps(message, default=str).encode())

    def send_last(self, **message: Any) -> None:
        """Send a message; wait some seconds if the buffer is full."""
        self._socket.settimeout(_SEND_SECONDS)
        self.send(**message)

    def receive(self) -> tuple[list[dict[str, Any]], bool]:
        """Return the messages that have arrived, and whether the other end is closed."""
        messages: list[dict[str, Any]] = []
        while True:
            try:
                data = self._socket.recv(_LARGEST)
            except BlockingIOError:
                return messages, False
            except OSError:
                data = b""
            if not data:
                return messages, True
            messages.append(json.loads(data))

    def close(self) -> None:
        """Close it; may be called again."""
        self._socket.close()
