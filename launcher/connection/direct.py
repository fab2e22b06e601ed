"""Unix sockets as a transport: one for each worker.

A worker has a secret identity, which it sends when it has connected, and by which it is addressed
and recognised. A message under an unknown identity comes from an earlier incarnation of a slot, or
from no worker at all; the inbox drops it.

The pool's loop waits for the sockets themselves, so a message costs one wake-up, of the thread that
processes it. Sending never waits: what the kernel has no room for stays here until a worker has
read more. That is bounded by the dispatcher's credit.
"""

from __future__ import annotations

import math
import select
import socket
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from ...store.crashpoints import reach
from ...store.peer import peer_of
from ...worker.connection.direct import socket_name
from ...worker.connection.frames import (
    IDENTITY_BYTES,
    RECEIVE_BYTES,
    FrameReader,
    NoMessageError,
    frame,
    send_frame,
    send_rest,
)
from .short_waits import LONGEST, ShortWaits
from .transport import WorkerTransport

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import ExitStack

    from .transport import Received

READS_PER_TURN: Final = 4
"""So much of one worker is read before the others have their turn, in units of `RECEIVE_BYTES`."""
READS_BEFORE_AN_END: Final = 256
"""More than a dead process can have left behind."""
ACCEPTED_PER_TURN: Final = 64
"""So many connections are accepted, or refused, before the rest of the pool has its turn."""

_READABLE: Final = select.POLLIN
_WRITABLE: Final = select.POLLIN | select.POLLOUT


class _Connection:
    """A connection, which may be to a worker.

    Attributes:
        identity: what it has sent first; complete when it is as long as an identity.
        unsent: what there was no room for.
    """

    __slots__ = ("identity", "reader", "socket", "unsent")

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.identity = b""
        self.reader = FrameReader()
        self.unsent: deque[memoryview] = deque()


class DirectTransport(WorkerTransport):
    """Listens, sends and receives."""

    def __init__(self, address: str, stack: ExitStack, users: Iterable[int]) -> None:
        """Listen at `address` until `stack` is unwound.

        Only processes of `users` can connect: any user of the machine can reach the socket.
        """
        self._users = frozenset(users)
        self._connections: dict[int, _Connection] = {}
        """By descriptor."""
        self._by_identity: dict[bytes, _Connection] = {}
        self._ready: list[int] = []
        """Descriptors of sockets from which can be read, as of the last `wait`."""
        self._others: list[int] = []
        """Other descriptors that are waited for."""
        self._short_waits = ShortWaits()
        self._poll = select.poll()  # not epoll: it follows numbers of descriptors, which are reused
        self._listener = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        self._listener.setblocking(False)
        self._listener.bind(socket_name(address))
        self._listener.listen(socket.SOMAXCONN)
        self._poll.register(self._listener, _READABLE)
        stack.callback(self._close_connections)

    # -- waiting ------------------------------------------------------------------------------

    def wait(self, seconds: float, descriptors: list[int], *, soon: bool = False) -> None:
        """See `WorkerTransport`; what has become ready is what `receive` reads."""
        if descriptors != self._others:
            self._replace_others(descriptors)
        connections, listener = self._connections, self._listener.fileno()
        self._ready = ready = []
        for descriptor, event in self._found(seconds, soon=soon):
            connection = connections.get(descriptor)
            if connection is not None:
                if event & select.POLLOUT:
                    self._send_unsent(connection)
                if event & ~select.POLLOUT:
                    ready.append(descriptor)
            elif descriptor == listener:
                ready.append(descriptor)

    def _found(self, seconds: float, *, soon: bool) -> list[tuple[int, int]]:
        poll, waits = self._poll.poll, self._short_waits
        found: list[tuple[int, int]] = []
        soon = soon and seconds > LONGEST
        if soon:
            until = waits.begin()
            while until and not (found := poll(0)) and waits.clock() < until:
                pass
        found = found or poll(max(0, math.ceil(seconds * 1000)))
        if soon:
            waits.end()
        return found

    def _replace_others(self, descriptors: list[int]) -> None:
        for descriptor in self._others:
            with suppress(KeyError):
                self._poll.unregister(descriptor)
        for descriptor in descriptors:
            self._poll.register(descriptor, _READABLE)
        self._others = descriptors

    # -- receiving ----------------------------------------------------------------------------

    def receive(self) -> Iterator[tuple[bytes, Received]]:
        """Give what was there after the last `wait`: identity and message; never waits.

        An error, after which nothing comes, stands for what is no message.
        """
        ready, self._ready = self._ready, []
        for descriptor in ready:
            connection = self._connections.get(descriptor)
            if connection is not None:
                yield from self._read(connection, READS_PER_TURN)
            elif descriptor == self._listener.fileno():
                self._accept(ACCEPTED_PER_TURN)

    def receive_all(self) -> Iterator[tuple[bytes, Received]]:
        """Give all that has arrived, as `receive` does."""
        self._ready = []
        self._accept(socket.SOMAXCONN)
        for connection in list(self._connections.values()):
            yield from self._read(connection, READS_BEFORE_AN_END)

    def _accept(self, most: int) -> None:
        for _ in range(most):
            try:
                accepted, _ = self._listener.accept()
            except BlockingIOError:
                return
            except OSError:  # it has gone again, or there is no descriptor free for it
                return
            _, user = peer_of(accepted)
            if user not in self._users:
                accepted.close()
                continue
            accepted.setblocking(False)
            self._connections[accepted.fileno()] = connection = _Connection(accepted)
            self._poll.register(accepted, _READABLE)
            self._read_identity(connection)

    def _read_identity(self, connection: _Connection) -> None:
        """Read what a worker sends first, as far as it has arrived."""
        data = _received(connection.socket, IDENTITY_BYTES - len(connection.identity))
        if data is None:
            return
        connection.identity += data
        if not data or connection.identity in self._by_identity:
            self._drop(connection)
        elif len(connection.identity) == IDENTITY_BYTES:
            self._by_identity[connection.identity] = connection

    def _read(self, connection: _Connection, most: int) -> Iterator[tuple[bytes, Received]]:
        if len(connection.identity) < IDENTITY_BYTES:
            self._read_identity(connection)
            if len(connection.identity) < IDENTITY_BYTES:
                return
        identity, reader = connection.identity, connection.reader
        for _ in range(most):
            data = _received(connection.socket, RECEIVE_BYTES)
            if data is None:
                return
            if not data:
                self._drop(connection)
                return
            try:
                messages = reader.feed(data)
            except NoMessageError as error:
                self._drop(connection)
                yield identity, error
                return
            for message in messages:
                yield identity, message
            if len(data) < RECEIVE_BYTES:  # there was no more
                return

    def _drop(self, connection: _Connection) -> None:
        """Close a connection that has ended; all that came by it is read."""
        descriptor = connection.socket.fileno()
        if self._connections.pop(descriptor, None) is connection:
            self._poll.unregister(descriptor)
            connection.socket.close()
        if self._by_identity.get(connection.identity) is connection:
            del self._by_identity[connection.identity]

    def _close_connections(self) -> None:
        for connection in self._connections.values():
            connection.socket.close()
        self._connections.clear()
        self._by_identity.clear()

    # -- sending ------------------------------------------------------------------------------

    def send(self, identity: bytes, message: bytes, *, urgent: bool = False) -> None:
        """Send a worker a message; one that has no connection does not get it.

        An urgent one goes before messages that are not sent yet.
        """
        connection = self._by_identity.get(identity)
        if connection is None:
            return
        reach("tell.before")
        if connection.unsent:
            position = 1 if urgent else len(connection.unsent)  # the first one has begun
            connection.unsent.insert(position, frame(message))
            return
        try:
            rest = send_frame(connection.socket, message)
        except ConnectionError:  # what it has sent is read before its end is seen
            return
        if rest is not None:
            connection.unsent.append(rest)
            self._poll.modify(connection.socket, _WRITABLE)
        reach("tell.after")

    def _send_unsent(self, connection: _Connection) -> None:
        """Send as much as there is room for."""
        unsent = connection.unsent
        try:
            while unsent:
                rest = send_rest(connection.socket, unsent[0])
                if rest is not None:
                    unsent[0] = rest
                    return
                unsent.popleft()
        except ConnectionError:
            unsent.clear()
        self._poll.modify(connection.socket, _READABLE)


def _received(connection: socket.socket, most: int) -> bytes | None:
    """Return what has arrived, nothing if the connection has ended, None if nothing has arrived."""
    try:
        return connection.recv(most)
    except BlockingIOError:
        return None
    except OSError:
        return b""
