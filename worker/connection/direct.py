"""A worker's connection to its launcher by a Unix socket.

The event loop waits for the socket itself: a message costs one wake-up of one thread. Sending never
waits. What the kernel has no room for, while the launcher is busy, is sent by a thread, because the
loop's thread may be about to execute an action that takes long.
"""

from __future__ import annotations

import _thread
import select
import socket
import struct
import time
from collections import deque
from typing import Final

from ...agent.errors import WorkerStartError
from .frames import RECEIVE_BYTES, FrameReader, frame, send_frame, send_rest
from .launcher_connection import CONNECT_SECONDS, LINGER_SECONDS, LauncherConnection, check_peer

# As they are before the agent is imported, which may replace them.
_start_thread: Final = _thread.start_new_thread
_make_lock: Final = _thread.allocate_lock
_make_poll: Final = select.poll
_sleep: Final = time.sleep
_Socket: Final = socket.socket

_TIMEVAL: Final = struct.Struct("@ll")


class DirectConnection(LauncherConnection):
    """A connection on which each message is a frame of a stream."""

    def __init__(self, address: str, launcher: int, identity: bytes) -> None:
        """`launcher` is the process that must listen at `address`."""
        self._address = address
        self._launcher = launcher
        self._identity = identity
        self._socket = _Socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._reader = FrameReader()
        self._lock = _make_lock()
        self._unsent: deque[memoryview] = deque()
        """What the thread sends; changed while the lock is held."""
        self.is_lost = True

    def open(self) -> None:
        """Connect, and say who this is.

        Raises:
            WorkerStartError: there is no connection, or another process listens.
        """
        connection = self._socket
        timeout = _TIMEVAL.pack(CONNECT_SECONDS, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeout)
        try:
            connection.connect(socket_name(self._address))
        except BlockingIOError:
            raise WorkerStartError("The launcher does not accept connections.") from None
        except OSError:
            raise WorkerStartError("The launcher's socket is gone.") from None
        try:
            check_peer(connection, self._launcher)
        except WorkerStartError:
            connection.close()
            raise
        connection.setblocking(False)
        connection.send(self._identity)
        self.is_lost = False

    def fileno(self) -> int:
        """Return the descriptor: readable when there are messages, or the connection has ended."""
        return self._socket.fileno()

    def wait(self, seconds: float) -> bool:
        """Wait until `receive` has something to do; return whether it has."""
        waiting = _make_poll()
        waiting.register(self._socket, select.POLLIN)
        return bool(waiting.poll(max(1, int(seconds * 1000))))

    def receive(self) -> list[bytes]:
        """Return the messages that have arrived; never waits."""
        messages: list[bytes] = []
        while not self.is_lost:
            try:
                data = self._socket.recv(RECEIVE_BYTES)
            except BlockingIOError:
                break
            except ConnectionError:
                data = b""
            self.is_lost = not data
            messages += self._reader.feed(data)
            if len(data) < RECEIVE_BYTES:  # there was no more
                break
        return messages

    def send(self, message: bytes) -> bool:
        """Send a message, and return whether there is a connection; never waits."""
        if self.is_lost:
            return False
        with self._lock:
            if self._unsent:
                self._unsent.append(frame(message))
                return True
        try:
            rest = send_frame(self._socket, message)
        except ConnectionError:  # what has arrived before the end is still there to be read
            return False
        if rest is not None:
            self._unsent.append(rest)
            _start_thread(self._send_unsent, ())
        return True

    def _send_unsent(self) -> None:
        """Send what the kernel had no room for, to its end."""
        waiting = _make_poll()
        waiting.register(self._socket, select.POLLOUT)
        while True:
            waiting.poll(1000)
            try:
                rest = send_rest(self._socket, self._unsent[0])
            except OSError:
                with self._lock:
                    self._unsent.clear()
                return
            with self._lock:
                if rest is not None:
                    self._unsent[0] = rest
                    continue
                self._unsent.popleft()
                if not self._unsent:
                    return

    def close(self, *, linger: float = LINGER_SECONDS) -> None:
        """Close the connection, when all is sent or after so many seconds."""
        until = time.monotonic() + linger
        while self._unsent and time.monotonic() < until:
            _sleep(0.001)
        self._socket.close()


def socket_name(address: str) -> str:
    """Return the name of the socket at an address, as the kernel takes it."""
    return f"\0{address[1:]}" if address.startswith("@") else address
