"""What a pool process tells its supervisor: a socket pair of whole messages, each a JSON object.

    {"status": {...}}                 how the pool stands, a few times a second
    {"log": text}                     what the launcher logs
    {"ready": {"address": ..., "listen": ...}}    a service is open
    {"report": {...}, "code": N}      the end: the job's report
    {"error": {...}, "code": N}       the end: why it could not go on
    {"interrupted": true, "code": N}  the end: it was told to stop before the pool ran

A supervisor that does not listen (it was stopped, or its terminal holds it up) must not hold up a
pool, so nothing here waits: what finds no room is dropped. The next status says the same and more.
Only the last word waits a little.
"""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from typing import Any, Final

_LARGEST: Final = 1 << 18
"""More than the kernel lets through by default."""
_LAST_WORD_SECONDS: Final = 5.0


class Channel:
    """One end of the line."""

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

    def tell(self, **message: Any) -> None:
        """Say something, if there is room."""
        with suppress(OSError):
            self._socket.send(json.dumps(message, default=str).encode())

    def last_word(self, **message: Any) -> None:
        """Say something that must be heard, if anybody is there."""
        self._socket.settimeout(_LAST_WORD_SECONDS)
        self.tell(**message)

    def hear(self) -> tuple[list[dict[str, Any]], bool]:
        """What has been said, and whether the other end is gone."""
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
