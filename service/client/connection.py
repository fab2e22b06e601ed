"""A client's connection: the thread that carries out what the pure machine (`session`) says.

Both clients, for plain programs and for asyncio, are thin covers over this. The machine is used
under a lock, by the program's threads to begin calls and by this thread for all else. It sleeps in
one poll; with nothing under way that has no timeout.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections import deque
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import zmq

from ...agent.errors import ServiceError, UsageError
from ...store.wakeup import Wakeup
from ..protocol.endpoint import published
from ..protocol.frames import MAX_CLIENT, NONCE, REPLACED
from ..protocol.keys import client_keys
from .session import Answered, ClientSession, Closed, Opened, Reconnect

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..protocol.keys import ClientKeys
    from .session import Happening

FAREWELL_MS: Final = 200
ADDRESS_SECONDS: Final = 0.2
"""Between two looks for the address of a service that has not begun yet."""


class Connection:
    """One client's connection, kept up until `close`.

    Args:
        where: a state directory, or a TCP address.
        client: the client id; None makes one up.
        keys: the client's key file, for TCP.
        answered: called in the thread with each sequence and its outcome.
        lost: called in the thread, once, if the server wants none of this client any more.

    Raises:
        UsageError: an address without keys, keys that are none, or an impossible client id.
    """

    def __init__(
        self,
        where: str | Path,
        client: str | None,
        keys: str | Path | None,
        answered: Callable[[int, bytes], None],
        lost: Callable[[ServiceError], None],
    ) -> None:
        self._state, self._address = _place(where)
        self._keys = client_keys(Path(keys)) if keys is not None else None
        if self._state is None and self._keys is None:
            raise UsageError(
                f"{where} can only be reached with keys.",
                hint="Pass keys=FILE, the file that tamias keys add has made.",
            )
        if client is not None and not 0 < len(client.encode()) <= MAX_CLIENT:
            raise UsageError(f"A client id has 1 to {MAX_CLIENT} bytes; this one has not.")
        self._answered = answered
        self._lost = lost
        self._lock = threading.Lock()
        self._session = ClientSession(
            client if client is not None else secrets.token_hex(16),
            time.time_ns(),
            lambda: secrets.token_bytes(NONCE),
            anonymous=client is None,
        )
        self._room: deque[Future[None]] = deque()
        self._settled: list[Future[None]] = []
        self._failure: ServiceError | None = None
        self._closing = False
        self.opened: Future[None] = Future()
        """Done once there has been a session."""
        self._wakeup = Wakeup()
        self._socket: zmq.Socket[bytes] | None = None
        self._asleep = False
        self._thread = threading.Thread(target=self._run, name="tamias-client", daemon=True)
        self._pid = os.getpid()
        self._thread.start()

    # -- from the program's threads -----------------------------------------------------------

    @property
    def floor(self) -> int:
        """All up to this sequence was acknowledged."""
        return self._session.floor

    @property
    def last(self) -> int:
        """The highest sequence on the server's record when the session began."""
        return self._session.last

    def submit(self, sequence: int, key: bytes, value: bytes) -> bool:
        """Begin a call; False if there is no room for it now.

        Raises:
            ServiceError: the connection is over.
            UsageError: the sequence is under way.
        """
        with self._lock:
            self._check()
            if self._session.room <= 0:
                return False
            try:
                self._session.submit(sequence, key, value, time.monotonic())
            except KeyError:
                raise UsageError(f"Sequence {sequence} is under way already.") from None
            self._wake()
        return True

    def room(self) -> Future[None]:
        """Done when there is room, maybe: look again then."""
        future: Future[None] = Future()
        with self._lock:
            self._check()
            if self._session.room > 0:
                future.set_result(None)
            else:
                self._room.append(future)
        return future

    def settled(self) -> Future[None]:
        """Done when all that was submitted is on the server's record."""
        future: Future[None] = Future()
        with self._lock:
            self._check()
            if self._session.unconfirmed:
                self._settled.append(future)
            else:
                future.set_result(None)
        return future

    def acknowledge(self, sequence: int) -> None:
        """All up to this sequence may be forgotten by the server."""
        with self._lock:
            self._session.acknowledge(sequence)
            self._wake()

    def look(self) -> None:
        """Wake the next waiting thread: the one that was woken has not used the room."""
        with self._lock:
            self._wakeup.wake()

    def close(self) -> None:
        """End the connection; what is under way stays under way at the server."""
        with self._lock:
            self._closing = True
            self._wakeup.wake()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._closing:
            raise ServiceError("This client is closed.")
        if self._pid != os.getpid():
            raise ServiceError(
                "This client belongs to the process that has forked this one.",
                hint="Connect a client of its own in the child.",
            )

    def _wake(self) -> None:
        if self._asleep:
            self._asleep = False
            self._wakeup.wake()

    # -- the thread ---------------------------------------------------------------------------

    def _run(self) -> None:
        context = zmq.Context(1)
        try:
            self._serve(context)
        except Exception as error:  # noqa: BLE001 (whoever waits must hear of it)
            self._fail(ServiceError(f"The connection has failed: {type(error).__name__}: {error}"))
        finally:
            self._fail(ServiceError("This client is closed."))
            if self._socket is not None:
                self._socket.close(linger=FAREWELL_MS)
            context.term()
            with self._lock:
                self._wakeup.close()

    def _serve(self, context: zmq.Context[zmq.Socket[bytes]]) -> None:
        socket = self._connect(context)
        if socket is None:
            return
        poller = zmq.Poller()
        poller.register(self._wakeup.fileno(), zmq.POLLIN)
        poller.register(socket, zmq.POLLIN)
        unsent: deque[bytes] = deque()
        with self._lock:
            self._session.start(time.monotonic())
        while True:
            happened: list[Happening] = []
            with self._lock:
                now = time.monotonic()
                happened += self._session.tick(now)
                unsent += self._session.outgoing()
                deadline = self._session.deadline()
                if self._closing:
                    if self._session.open:
                        unsent.append(self._session.farewell())
                    _send(socket, unsent)
                    return
                self._asleep = not happened
            if not happened:
                poller.modify(socket, zmq.POLLIN | (0 if _send(socket, unsent) else zmq.POLLOUT))
                timeout = None if deadline is None else max(0, int((deadline - now) * 1000) + 1)
                with suppress(InterruptedError):
                    poller.poll(timeout)
                self._wakeup.clear()
                with self._lock:
                    self._asleep = False
                happened = self._receive(socket)
            for event in happened:
                if isinstance(event, Reconnect):
                    poller.unregister(socket)
                    socket.close(linger=0)
                    unsent.clear()
                    fresh = self._connect(context)
                    if fresh is None:
                        return
                    socket = fresh
                    poller.register(socket, zmq.POLLIN)
            if self._tell(happened):
                return

    def _receive(self, socket: zmq.Socket[bytes]) -> list[Happening]:
        happened: list[Happening] = []
        for _ in range(64):
            try:
                parts = socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                break
            if len(parts) == 1:
                with self._lock:
                    happened += self._session.receive(parts[0], time.monotonic())
        return happened

    def _tell(self, happened: list[Happening]) -> bool:
        """Tell the program what has happened; True if that is the end."""
        for event in happened:
            if isinstance(event, Answered):
                self._answered(event.sequence, event.outcome)
            elif isinstance(event, Opened):
                if not self.opened.done():
                    self.opened.set_result(None)
            elif isinstance(event, Closed):
                hint = (
                    "Each running client needs an id of its own."
                    if event.reason == REPLACED
                    else ""
                )
                self._fail(ServiceError(f"The server has ended this: {event.text}.", hint=hint))
                return True
        with self._lock:
            ready = []
            if self._settled and not self._session.unconfirmed:
                ready, self._settled = self._settled, []
            # As many as fit are let go on; one that does not after all calls `look`.
            room = self._session.room
            while self._room and room > 0:
                future = self._room.popleft()
                if not future.cancelled():
                    room -= 1
                    ready.append(future)
        for future in ready:
            with suppress(InvalidStateError):  # given up at this very moment
                future.set_result(None)
        return False

    def _fail(self, error: ServiceError) -> None:
        with self._lock:
            if self._failure is not None:
                return
            self._failure = error
            waiting = [*self._room, *self._settled, self.opened]
            self._room.clear()
            self._settled.clear()
        for future in waiting:
            with suppress(InvalidStateError):
                future.set_exception(error)
        self._lost(error)

    # -- connecting ---------------------------------------------------------------------------

    def _connect(self, context: zmq.Context[zmq.Socket[bytes]]) -> zmq.Socket[bytes] | None:
        """A new socket; None if this was closed before there was an address."""
        while not self._closing:
            address = self._address
            if self._state is not None:
                content = published(self._state)
                address = None if content is None else content.get("address")
            if address is not None:
                socket = self._socket = context.socket(zmq.DEALER)
                socket.setsockopt(zmq.IMMEDIATE, 1)
                socket.setsockopt(zmq.MAXMSGSIZE, -1)
                socket.setsockopt(zmq.RCVHWM, 0)  # bounded by what is taken
                socket.setsockopt(zmq.RECONNECT_IVL, 50)
                socket.setsockopt(zmq.RECONNECT_IVL_MAX, 400)
                if self._keys is not None:
                    _use(socket, self._keys)
                socket.connect(address)
                return socket
            time.sleep(ADDRESS_SECONDS)
        return None


def _send(socket: zmq.Socket[bytes], frames: deque[bytes]) -> bool:
    """Send what can be sent; whether that was all."""
    while frames:
        try:
            socket.send(frames[0], zmq.NOBLOCK)
        except zmq.Again:
            return False
        frames.popleft()
    return True


def _use(socket: zmq.Socket[bytes], keys: ClientKeys) -> None:
    socket.setsockopt(zmq.CURVE_PUBLICKEY, keys.public)
    socket.setsockopt(zmq.CURVE_SECRETKEY, keys.secret)
    socket.setsockopt(zmq.CURVE_SERVERKEY, keys.server)


def _place(where: str | Path) -> tuple[Path | None, str | None]:
    """A state directory, or an address."""
    text = str(where)
    if "://" not in text:
        return Path(text).absolute(), None
    if not text.startswith("tcp://"):
        raise UsageError(
            f"{text} is no address of a service.",
            hint="Give its state directory, or tcp://HOST:PORT.",
        )
    return None, text
