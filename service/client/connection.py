"""A client's connection: the thread that carries out what the pure machine (`session`) decides.

Both clients, with and without asyncio, are thin layers over this. The machine is used under a lock,
by the program's threads to begin calls and by this thread for all else. The thread sleeps in one
poll, which has no timeout while nothing is under way.
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
from typing import TYPE_CHECKING, Any, Final

import zmq

from ...agent.errors import ServiceError, UsageError
from ...store.wakeup import Wakeup
from ..protocol.endpoint import published
from ..protocol.frames import MAX_CLIENT, NONCE, REPLACED
from ..protocol.keys import client_keys
from .session import (
    Answered,
    ClientSession,
    Closed,
    Opened,
    QueryAnswered,
    Reconnect,
    Written,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..protocol.keys import ClientKeys
    from .session import SessionEvent

FAREWELL_MS: Final = 200
ADDRESS_SECONDS: Final = 0.2
"""The time between two reads of the address of a service that has not started yet."""


class Connection:
    """One client's connection, kept up until `close`.

    Args:
        where: a state directory, or a TCP address.
        client: the client id; None: a random one.
        keys: the client's key file, for TCP.
        answered: called in the thread with each sequence and its outcome.
        written: called in the thread with a sequence, and what its calls have written, in JSON.
        lost: called in the thread, once, if the server has rejected this client.

    Raises:
        UsageError: an address without keys, malformed keys, or an impossible client id.
    """

    def __init__(
        self,
        where: str | Path,
        client: str | None,
        keys: str | Path | None,
        *,
        answered: Callable[[int, bytes], None],
        written: Callable[[int, bytes], None],
        lost: Callable[[ServiceError], None],
    ) -> None:
        self._state, self._address = _parse_where(where)
        self._keys = client_keys(Path(keys)) if keys is not None else None
        if self._state is None and self._keys is None:
            raise UsageError(
                f"{where} can only be reached with keys.",
                hint="Pass keys=FILE, the file that tamias keys add has made.",
            )
        if client is not None and not 0 < len(client.encode()) <= MAX_CLIENT:
            raise UsageError(f"A client id has 1 to {MAX_CLIENT} bytes; this one has not.")
        self._answered = answered
        self._written = written
        self._lost = lost
        self._lock = threading.Lock()
        self._session = ClientSession(
            client if client is not None else secrets.token_hex(16),
            time.time_ns(),
            lambda: secrets.token_bytes(NONCE),
            anonymous=client is None,
        )
        self._waiting_for_window: deque[Future[None]] = deque()
        self._waiting_for_record: list[Future[None]] = []
        self._queries: dict[int, Future[bytes]] = {}
        self._next_query = 1
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
        """The highest sequence that the server had recorded when the session began."""
        return self._session.last

    def submit(self, sequence: int, key: bytes, value: bytes, *, streamed: bool = False) -> bool:
        """Begin a call; return False if the window is full. `streamed`: as for the session.

        Raises:
            ServiceError: the connection has ended.
            UsageError: the sequence is under way.
        """
        with self._lock:
            self._check()
            if self._session.free <= 0:
                return False
            try:
                self._session.submit(sequence, key, value, time.monotonic(), streamed=streamed)
            except KeyError:
                raise UsageError(f"Sequence {sequence} is under way already.") from None
            self._wake()
        return True

    def window_open(self) -> Future[None]:
        """Return a future, done when the window may have room: try `submit` again then."""
        future: Future[None] = Future()
        with self._lock:
            self._check()
            if self._session.free > 0:
                future.set_result(None)
            else:
                self._waiting_for_window.append(future)
        return future

    def all_recorded(self) -> Future[None]:
        """Return a future, done when the server has recorded all that was submitted."""
        future: Future[None] = Future()
        with self._lock:
            self._check()
            if self._session.unconfirmed:
                self._waiting_for_record.append(future)
            else:
                future.set_result(None)
        return future

    def query(self, body: bytes) -> Future[bytes]:
        """Send a query, a JSON object; return a future of the reply. Cancel it to give up."""
        future: Future[bytes] = Future()
        with self._lock:
            self._check()
            number = self._next_query
            self._next_query += 1
            self._queries[number] = future
            self._session.query(number, body, time.monotonic())
            self._wake()
        future.add_done_callback(lambda _: self._forget_query(number))
        return future

    def _forget_query(self, number: int) -> None:
        with self._lock:
            if self._queries.pop(number, None) is not None:  # it was cancelled
                self._session.forget_query(number)

    def acknowledge(self, sequence: int) -> None:
        """Allow the server to forget all up to this sequence."""
        with self._lock:
            self._session.acknowledge(sequence)
            if not self._session.has_note_time:
                self._wake()

    def wake_next(self) -> None:
        """Wake the next thread that waits for the window: the one woken before has not used it."""
        with self._lock:
            self._wakeup.wake()

    def close(self) -> None:
        """End the connection; the server still runs what was submitted."""
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
        except Exception as error:  # noqa: BLE001 (all waiting calls must get an error)
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
            events: list[SessionEvent] = []
            with self._lock:
                now = time.monotonic()
                events += self._session.tick(now)
                unsent += self._session.outgoing()
                deadline = self._session.deadline()
                if self._closing:
                    if self._session.open:
                        unsent += self._session.farewell()
                    _send(socket, unsent)
                    return
                self._asleep = not events
            if not events:
                poller.modify(socket, zmq.POLLIN | (0 if _send(socket, unsent) else zmq.POLLOUT))
                timeout = None if deadline is None else max(0, int((deadline - now) * 1000) + 1)
                with suppress(InterruptedError):
                    poller.poll(timeout)
                self._wakeup.clear()
                with self._lock:
                    self._asleep = False
                events = self._receive(socket)
            for event in events:
                if isinstance(event, Reconnect):
                    poller.unregister(socket)
                    socket.close(linger=0)
                    unsent.clear()
                    fresh = self._connect(context)
                    if fresh is None:
                        return
                    socket = fresh
                    poller.register(socket, zmq.POLLIN)
            if self._report(events):
                return

    def _receive(self, socket: zmq.Socket[bytes]) -> list[SessionEvent]:
        events: list[SessionEvent] = []
        for _ in range(64):
            try:
                parts = socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                break
            if len(parts) == 1:
                with self._lock:
                    events += self._session.receive(parts[0], time.monotonic())
        return events

    def _report(self, events: list[SessionEvent]) -> bool:
        """Report events to the program; return True if the connection has ended."""
        for event in events:
            if isinstance(event, Answered):
                self._answered(event.sequence, event.outcome)
            elif isinstance(event, Written):
                self._written(event.sequence, event.body)
            elif isinstance(event, QueryAnswered):
                self._report_reply(event)
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
            if self._waiting_for_record and not self._session.unconfirmed:
                ready, self._waiting_for_record = self._waiting_for_record, []
            # Wake as many as fit; one that does not submit after all calls `wake_next`.
            free = self._session.free
            while self._waiting_for_window and free > 0:
                future = self._waiting_for_window.popleft()
                if not future.cancelled():
                    free -= 1
                    ready.append(future)
        for future in ready:
            with suppress(InvalidStateError):  # cancelled at this moment
                future.set_result(None)
        return False

    def _report_reply(self, event: QueryAnswered) -> None:
        with self._lock:
            reply = self._queries.pop(event.number, None)
        if reply is not None:
            with suppress(InvalidStateError):  # cancelled at this moment
                reply.set_result(event.body)

    def _fail(self, error: ServiceError) -> None:
        with self._lock:
            if self._failure is not None:
                return
            self._failure = error
            waiting: list[Future[Any]] = [
                *self._waiting_for_window,
                *self._waiting_for_record,
                *self._queries.values(),
                self.opened,
            ]
            self._queries.clear()
            self._waiting_for_window.clear()
            self._waiting_for_record.clear()
        for future in waiting:
            with suppress(InvalidStateError):
                future.set_exception(error)
        self._lost(error)

    # -- connecting ---------------------------------------------------------------------------

    def _connect(self, context: zmq.Context[zmq.Socket[bytes]]) -> zmq.Socket[bytes] | None:
        """Return a new socket; None if this was closed before there was an address."""
        while not self._closing:
            address = self._address
            if self._state is not None:
                content = published(self._state)
                address = None if content is None else content.get("address")
            if address is not None:
                socket = self._socket = context.socket(zmq.DEALER)
                socket.setsockopt(zmq.IMMEDIATE, 1)
                socket.setsockopt(zmq.MAXMSGSIZE, -1)
                socket.setsockopt(zmq.RCVHWM, 0)  # bounded: the server waits for `T` frames
                socket.setsockopt(zmq.RECONNECT_IVL, 50)
                socket.setsockopt(zmq.RECONNECT_IVL_MAX, 400)
                if self._keys is not None:
                    _set_keys(socket, self._keys)
                socket.connect(address)
                return socket
            time.sleep(ADDRESS_SECONDS)
        return None


def _send(socket: zmq.Socket[bytes], frames: deque[bytes]) -> bool:
    """Send what can be sent; return whether that was all."""
    while frames:
        try:
            socket.send(frames[0], zmq.NOBLOCK)
        except zmq.Again:
            return False
        frames.popleft()
    return True


def _set_keys(socket: zmq.Socket[bytes], keys: ClientKeys) -> None:
    socket.setsockopt(zmq.CURVE_PUBLICKEY, keys.public)
    socket.setsockopt(zmq.CURVE_SECRETKEY, keys.secret)
    socket.setsockopt(zmq.CURVE_SERVERKEY, keys.server)


def _parse_where(where: str | Path) -> tuple[Path | None, str | None]:
    """Return the state directory or the address, whichever `where` is."""
    text = str(where)
    if "://" not in text:
        return Path(text).absolute(), None
    if not text.startswith("tcp://"):
        raise UsageError(
            f"{text} is no address of a service.",
            hint="Give its state directory, or tcp://HOST:PORT.",
        )
    return None, text
