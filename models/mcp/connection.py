"""A process's connection to the keeper, and the requests that go over it.

One thread reads and writes the socket, so a request holds up neither the event loop nor other
requests, and may be made from any thread.
"""

from __future__ import annotations

import itertools
import os
import selectors
import threading
from collections import deque
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from .frames import Frames, encode

if TYPE_CHECKING:
    import socket

_READ_BYTES: Final = 1 << 18


class ConnectionLostError(OSError):
    """The keeper has ended."""


class KeeperConnection:
    """A connection; see the module's text. It is good for one life of the keeper."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self._socket = connection
        self._numbers = itertools.count(1)
        self._waiting: dict[int, Future[dict[str, Any]]] = {}
        self._outgoing: deque[memoryview] = deque()
        self._lock = threading.Lock()
        self._is_lost = False
        self._wakeup = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._thread = threading.Thread(target=self._run, name="tamias-mcp", daemon=True)
        self._thread.start()

    @property
    def is_lost(self) -> bool:
        """Whether it is of no use any more."""
        return self._is_lost

    def send(self, message: dict[str, Any]) -> tuple[int, Future[dict[str, Any]]]:
        """Send a request; return its number, and the future of its answer.

        Raises:
            ConnectionLostError: the keeper has ended.
            TooLongError, TypeError, ValueError: it cannot be sent.
        """
        number = next(self._numbers)
        data = encode({"id": number, **message})
        future: Future[dict[str, Any]] = Future()
        with self._lock:
            if self._is_lost:
                raise ConnectionLostError
            self._waiting[number] = future
            self._outgoing.append(memoryview(data))
            os.eventfd_write(self._wakeup, 1)
        return number, future

    def cancel(self, number: int) -> None:
        """Tell the keeper that an answer is not waited for any more."""
        with self._lock:
            if self._is_lost or self._waiting.pop(number, None) is None:
                return
            self._outgoing.append(memoryview(encode({"id": number, "op": "cancel"})))
            os.eventfd_write(self._wakeup, 1)

    def close(self) -> None:
        """Close it."""
        with self._lock:
            self._is_lost = True
            with suppress(OSError):
                os.eventfd_write(self._wakeup, 1)
        self._thread.join(2)

    # -- the thread

    def _run(self) -> None:
        selector, frames = selectors.DefaultSelector(), Frames()
        selector.register(self._wakeup, selectors.EVENT_READ)
        selector.register(self._socket, selectors.EVENT_READ)
        try:
            while not self._is_lost:
                for key, events in selector.select():
                    if key.fileobj == self._wakeup:
                        with suppress(BlockingIOError):
                            os.eventfd_read(self._wakeup)
                    elif events & selectors.EVENT_READ and not self._receive(frames):
                        return
                wanted = selectors.EVENT_READ
                if not self._flush():
                    wanted |= selectors.EVENT_WRITE
                selector.modify(self._socket, wanted)
        except (OSError, ValueError):
            return
        finally:
            selector.close()
            self._end()

    def _receive(self, frames: Frames) -> bool:
        with suppress(BlockingIOError):
            data = self._socket.recv(_READ_BYTES)
            if not data:
                return False
            for message in frames.add(data):
                future = self._waiting.pop(message["id"], None)
                if future is not None and future.set_running_or_notify_cancel():
                    future.set_result(message)
        return True

    def _flush(self) -> bool:
        """Send what the socket takes; return whether that is all."""
        while True:
            with self._lock:
                if not self._outgoing:
                    return True
                data = self._outgoing[0]
            try:
                sent = self._socket.send(data)
            except BlockingIOError:
                return False
            with self._lock:
                if sent == len(data):
                    self._outgoing.popleft()
                else:
                    self._outgoing[0] = data[sent:]

    def _end(self) -> None:
        with self._lock:
            self._is_lost = True
            waiting = list(self._waiting.values())
            self._waiting.clear()
            self._socket.close()
            os.close(self._wakeup)
        for future in waiting:
            if future.set_running_or_notify_cancel():
                future.set_exception(ConnectionLostError("the keeper of MCP servers has ended"))
