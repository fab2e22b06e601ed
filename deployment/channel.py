"""From a pool process to its supervisor: a socket pair of whole messages, each a JSON object.

    {"status": {...}}                 the status of the pool, a few times a second
    {"log": text}                     what the launcher logs
    {"ready": {"address": ..., "listen": ...}}    a service is open
    {"report": {...}, "code": N}      the end: the job's report
    {"error": {...}, "code": N}       the end: the error
    {"interrupted": true, "code": N}  the end: stopped before the pool ran

A supervisor that does not read (it was stopped, or its terminal blocks it) must not block a pool,
so nothing here waits: a message that finds no room is dropped. The next status replaces it. Only
the last message waits for room, and not for long.
"""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from typing import Any, Final

_LARGEST: Final = 1 << 18
"""More than the kernel lets through by default."""
_SEND_SECONDS: Final = 5.0


class Channel:
    """One end of the channel."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        end.setblocking(False)

    @classmethod
    def pair(cls) -> tuple[Channel, Channel]:
        """Both ends."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return cls(ours), cls(theirs)

    @classmethod
    def inherited(cls, descriptor: int) -> Channel:
        """The end that this process was started with; its children do not get it."""
        end = socket.socket(fileno=descriptor)
        end.set_inheritable(False)
        return cls(end)

    def fileno(self) -> int:
        """What to poll."""
        return self._socket.fileno()

    def send(self, **message: Any) -> None:
        """Send a message, if there is room."""
        with suppress(OSError):
            self._socket.send(json.dumps(message, default=str).encode())

    def send_last(self, **message: Any) -> None:
        """Send a message, waiting for room; it is lost only if the other end is gone."""
        self._socket.settimeout(_SEND_SECONDS)
        self.send(**message)

    def receive(self) -> tuple[list[dict[str, Any]], bool]:
        """The messages that have arrived, and whether the other end is gone."""
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
        """Let go of it; may be called again."""
        self._socket.close()
