"""The frontend: the thread with the sockets for clients.

It listens on one or two sockets. The local one is a Unix socket in a directory that only its user
can enter. The other one is optional: a TCP address, open only to clients whose CURVE keys are
known. A ZAP handler (ZeroMQ's protocol for that) checks the key at the handshake, and ZeroMQ puts
the name that it returns on each frame of the client. A client's identity is that name and its
client id, so no client can act as another, and a revoked key is refused in the middle of a session.

One turn: receive frames, record what they ask for in one transaction, confirm, send replies. With
nothing to do the thread sleeps in one poll, whose only timeout is the next hourly sweep.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any, Final

import zmq
import zmq.utils.z85

from ...agent.errors import ConfigError, PoolError, StoreError, TamiasError
from ..protocol.endpoint import publish, remove_socket, socket_path
from ..protocol.frames import FORGOTTEN_OUTCOME, MAX_FRAME
from .live_texts import LiveTexts
from .queries import Queries
from .sessions import Sessions

if TYPE_CHECKING:
    from pathlib import Path

    from ...launcher.streams.text_streams import TextStreams
    from ..protocol.keys import ServerKeys
    from .handoff import Handoff
    from .request_log import RequestLog
    from .sessions import Limits

SWEEP_SECONDS: Final = 3600.0
PUBLISH_SECONDS: Final = 1.0
CONFIRM_SECONDS: Final = 0.001
"""The longest until a client learns that its submission is recorded: an outcome that comes before
says that as well, and costs both sides one frame instead of two."""
"""The least time between two writes of `service.json`; none while nothing changes."""
AT_ONCE: Final = 256
"""Frames that are received from a socket in one turn."""
BYTES_AT_ONCE: Final = 8 << 20
SEND_QUEUE: Final = 1000
"""Frames that may wait in ZeroMQ for one client."""
FAREWELL_MS: Final = 500
_SLACK: Final = 1024

_LOG: Final = logging.getLogger("tamias.service")


class Frontend:
    """Serves clients from `start` to `stop`.

    Args:
        state: the state directory.
        request_log: where submissions are recorded.
        handoff: to and from the pool.
        limits: how much is accepted.
        listen: a TCP address, as ``tcp://127.0.0.1:7000``, or None; port 0 or ``*`` finds a port.
        keys: the keys of the clients that may connect there.
        retention: seconds after which a client that does not come back is forgotten.
        streams: of the pool; they wake this frontend.
    """

    def __init__(
        self,
        state: Path,
        request_log: RequestLog,
        handoff: Handoff,
        limits: Limits,
        *,
        listen: str | None = None,
        keys: ServerKeys | None = None,
        retention: float = 7 * 86400.0,
        streams: TextStreams | None = None,
    ) -> None:
        self.sessions = Sessions(request_log, limits, LiveTexts(streams))
        self.queries = Queries(state, request_log, handoff.frontend.wake)
        self._state = state
        self._request_log = request_log
        self._handoff = handoff
        self._limits = limits
        self._listen = listen
        self._keys = keys
        self._retention = retention
        self._unauthorised = 0
        self._stack = ExitStack()
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._drain = False
        self._published: dict[str, Any] = {}
        self.address = ""
        self.listens_on: str | None = None

    # -- from other threads -------------------------------------------------------------------

    def start(self) -> None:
        """Open the sockets and begin to serve.

        Raises:
            ConfigError: the TCP address cannot be listened on.
            PoolError: there is no place for the local socket.
        """
        try:
            self._open()
        except BaseException:
            self._stack.close()
            raise
        self._thread = threading.Thread(target=self._serve, name="tamias-frontend", daemon=True)
        self._thread.start()

    def drain(self) -> None:
        """Accept no more submissions; go on answering."""
        if not self._drain:
            self._drain = True
            self._handoff.frontend.wake()

    def stop(self) -> None:
        """Send what is ready to be sent, and close; return when that is done."""
        self._drain = self._stopping = True
        if self._thread is not None:
            self._handoff.frontend.wake()
            self._thread.join()
            self._thread = None
        self.queries.close()

    # -- opening ------------------------------------------------------------------------------

    def _open(self) -> None:
        stack = self._stack
        context = zmq.Context(1)
        stack.callback(context.term)
        path = socket_path(self._state)
        stack.callback(remove_socket, path)
        with suppress(FileNotFoundError):
            path.unlink()
        self.address = f"ipc://{path}"
        self._poller = zmq.Poller()
        self._local = self._router(context)
        try:
            self._local.bind(self.address)
        except zmq.ZMQError as error:
            raise PoolError(f"{self.address} cannot be listened on: {error}.") from error
        self._sockets = [self._local]
        self._zap: zmq.Socket[bytes] | None = None
        if self._listen is not None:
            self._open_remote(context, self._listen)
        self._poller.register(self._handoff.frontend.fileno(), zmq.POLLIN)
        self._publish()

    def _router(self, context: zmq.Context[zmq.Socket[bytes]]) -> zmq.Socket[bytes]:
        router = context.socket(zmq.ROUTER)
        self._stack.callback(router.close, linger=FAREWELL_MS)
        router.setsockopt(zmq.MAXMSGSIZE, MAX_FRAME + _SLACK)
        router.setsockopt(zmq.ROUTER_MANDATORY, 1)
        router.setsockopt(zmq.SNDHWM, SEND_QUEUE)
        self._poller.register(router, zmq.POLLIN)
        return router

    def _open_remote(self, context: zmq.Context[zmq.Socket[bytes]], listen: str) -> None:
        if self._keys is None:
            raise ConfigError(
                f"A service on {listen} would be open to everybody.",
                hint="Give it keys: make them with tamias keys new DIR, and serve with --keys DIR.",
            )
        zap = self._zap = context.socket(zmq.ROUTER)
        self._stack.callback(zap.close, linger=0)
        zap.bind("inproc://zeromq.zap.01")
        self._poller.register(zap, zmq.POLLIN)
        remote = self._router(context)
        remote.setsockopt(zmq.CURVE_SERVER, 1)
        remote.setsockopt(zmq.CURVE_PUBLICKEY, self._keys.public)
        remote.setsockopt(zmq.CURVE_SECRETKEY, self._keys.secret)
        remote.setsockopt(zmq.ZAP_DOMAIN, b"tamias")
        remote.setsockopt(zmq.TCP_KEEPALIVE, 1)
        remote.setsockopt(zmq.IPV6, 1 if "[" in listen else 0)
        try:
            remote.bind(listen)
        except zmq.ZMQError as error:
            raise ConfigError(
                f"{listen} cannot be listened on: {error}.",
                hint="Give an address of this machine, as tcp://127.0.0.1:7000, that is free.",
            ) from error
        self.listens_on = remote.get_string(zmq.LAST_ENDPOINT).rstrip("\0")
        self._sockets.append(remote)

    # -- the thread ---------------------------------------------------------------------------

    def _serve(self) -> None:
        try:
            with self._stack:
                self._loop()
        except Exception as error:  # noqa: BLE001 - the pool must not go on without a frontend
            failure = (
                error
                if isinstance(error, TamiasError)
                else PoolError(
                    f"The frontend has failed: {type(error).__name__}: {error}",
                    hint="This is a mistake in tamias itself.",
                )
            )
            _LOG.debug("the frontend has failed", exc_info=True)
            failure.__cause__ = error.__cause__
            self._handoff.failure = failure
            self._handoff.arrivals.wake()

    def _loop(self) -> None:
        sessions = self.sessions
        next_sweep = time.monotonic() + 60.0
        next_publish = 0.0
        confirm_at = float("inf")
        while True:
            now = time.monotonic()
            until = (
                next_sweep if self._published == self._counters() else min(next_sweep, next_publish)
            )
            until = min(until, confirm_at)
            with suppress(InterruptedError):
                self._poller.poll(max(0, int((until - now) * 1000) + 1))
            self._handoff.frontend.clear()
            sessions.draining = self._drain
            sessions.suspend(self._handoff.suspended())
            answered = self._handoff.answered()
            sessions.send_live()  # what has come before an outcome goes before it
            touched = sessions.answered(answered, answered)
            if self._zap is not None:
                self._authorise(self._zap)
            for index, router in enumerate(self._sockets):
                self._receive(index, router)
            self._record()
            self._serve_queries()
            self._trim(touched)
            self._reply()
            now = time.monotonic()
            if now >= confirm_at or self._stopping:
                sessions.confirm()
                confirm_at = float("inf")
            elif sessions.unconfirmed:
                confirm_at = min(confirm_at, now + CONFIRM_SECONDS)
            self._send()
            if now >= next_sweep:
                next_sweep = now + SWEEP_SECONDS
                self._request_log.expire(time.time() - self._retention, sessions.present)
            if self._stopping:
                answered = self._handoff.answered()
                sessions.answered(answered, answered)
                self._serve_queries()
                self._reply()
                self._send()
                self._publish()
                return
            if now >= next_publish and self._published != self._counters():
                next_publish = now + PUBLISH_SECONDS
                self._publish()

    def _receive(self, index: int, router: zmq.Socket[bytes]) -> None:
        size = 0
        for _ in range(AT_ONCE):
            try:
                parts = router.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            if len(parts) != 2:
                self.sessions.malformed += 1
                continue
            owner = ""
            if index:
                owner = self._owner(parts[1])
                if not owner:
                    self._unauthorised += 1
                    continue
            data = parts[1].bytes
            size += len(data)
            try:
                self.sessions.receive((index, parts[0].bytes), owner, data)
            except StoreError as error:  # the client sends it again, perhaps after a disk is freed
                _LOG.warning("a frame cannot be served: %s", error)
            if size > BYTES_AT_ONCE:
                return

    def _owner(self, frame: zmq.Frame) -> str:
        """Return the name of a remote client; empty if its key is not known any more."""
        try:
            public = str(frame.get("User-Id"))
        except zmq.ZMQError:
            return ""
        return self._keys.names().get(public, "") if self._keys is not None else ""

    def _authorise(self, zap: zmq.Socket[bytes]) -> None:
        """Answer ZeroMQ's questions which clients may connect (RFC 27)."""
        while True:
            try:
                parts = zap.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            peer, empty, version, request, _, _, _, mechanism, *credentials = parts
            public = ""
            if mechanism == b"CURVE" and credentials:
                public = zmq.utils.z85.encode(credentials[0]).decode()
            known = self._keys is not None and public in self._keys.names()
            if not known:
                self._unauthorised += 1
            rejection = (b"200", b"OK", public.encode()) if known else (b"400", b"unknown key", b"")
            zap.send_multipart([peer, empty, version, request, *rejection, b""])

    def _record(self) -> None:
        batch = self.sessions.next_batch()
        if not batch:
            return
        following = self._request_log.following
        streamed = [following + index for index in batch.streamed]
        self.sessions.live.expect(streamed)
        try:
            first = self._request_log.record(batch.entries, batch.floors, batch.leaving)
        except StoreError as error:
            _LOG.warning("submissions cannot be recorded: %s", error)
            self.sessions.live.cancel(streamed)
            self.sessions.unrecorded(batch)
            return
        self.sessions.recorded(batch, first)
        if batch.entries:
            self._handoff.arrivals.wake()

    def _serve_queries(self) -> None:
        queries = self.sessions.queries
        while queries:
            self.queries.begin(*queries.popleft())
        for query, body in self.queries.replies():
            self.sessions.answer_query(query, body)

    def _trim(self, clients: set[int]) -> None:
        limits = self._limits
        for client in clients:
            if self._request_log.kept.get(client, 0) > limits.kept + limits.window:
                floor = self._request_log.trim(client, limits.kept)
                if floor is not None:
                    self.sessions.raise_floor(client, floor)

    def _reply(self) -> None:
        for client, chosen, session in self.sessions.replies():
            wanted = [sequence for sequence, outcome in chosen if outcome is None]
            found = self._outcomes(client, wanted)
            self.sessions.reply(
                session,
                [
                    (sequence, found[sequence] if outcome is None else outcome)
                    for sequence, outcome in chosen
                ],
            )

    def _outcomes(self, client: int, sequences: list[int]) -> dict[int, bytes]:
        """Return the outcomes of submissions, by sequence."""
        outcomes = {}
        for sequence, call in zip(
            sequences, self._request_log.find(client, sequences), strict=True
        ):
            outcome = None
            if call is not None:
                outcome = call.outcome or self._handoff.outcome(call.offset)
                if outcome is None:  # it was saved between the two lookups
                    call = self._request_log.find(client, [sequence])[0]  # noqa: PLW2901
                    outcome = None if call is None else call.outcome
            outcomes[sequence] = outcome or FORGOTTEN_OUTCOME
        return outcomes

    def _send(self) -> None:
        out = self.sessions.out
        while out:
            peer, frame = out.popleft()
            index, identity = peer
            try:
                self._sockets[index].send_multipart([identity, frame], zmq.NOBLOCK)
            except zmq.ZMQError:
                # The client is gone or does not read: its session begins anew if it comes back.
                self.sessions.unreachable(peer)

    # -- publishing ---------------------------------------------------------------------------

    def _counters(self) -> dict[str, Any]:
        sessions = self.sessions
        return {
            "sessions": sessions.count,
            "waiting": len(sessions.waiting),
            "suspended": len(sessions.suspended),
            "unclaimed": self._handoff.unclaimed,
            "accepted": sessions.accepted,
            "repeated": sessions.repeated,
            "refused": sessions.refused,
            "malformed": sessions.malformed,
            "unauthorised": self._unauthorised,
            "draining": sessions.draining,
            "stopped": self._stopping,
        }

    def _publish(self) -> None:
        self._published = self._counters()
        content = {
            "address": self.address,
            "listen": self.listens_on,
            "pid": os.getpid(),
            **self._published,
        }
        try:
            publish(self._state, content)
        except StoreError as error:
            _LOG.warning("service.json cannot be written: %s", error)
