"""The server's side of its sessions with all clients, as a pure machine: no socket, no clock.

Frames go in (`receive`) and come out (`out`); in between, the machine collects a *batch* of what is
to be recorded in one transaction. Only when its caller has recorded that (`recorded`) are the
submissions confirmed and counted as accepted. Earlier records are read with a `RequestReader`,
which is the request log.

**Once and only once.** A submission is identified by (client, sequence). A recorded one is never
recorded again, however often it is repeated: it is confirmed, or answered at once if it has an
outcome. A digest of key and value distinguishes a repetition from a mistake in numbering. What a
client has acknowledged is deleted; only the *floor* is kept, the sequence up to which all is done.
A submission below it is answered as forgotten and does not run again.

**Sessions.** A hello opens a session, under a nonce that all further frames carry. Both sides count
the frames of a session; a ping carries the client's count. If the count here differs, a frame was
lost (or this server is a new process without that session): the client gets `unknown session`, says
hello again and repeats what it has no answer for. So any single message may be lost, and there are
no acknowledgements of acknowledgements. Of two clients with one id the younger one stays.

**Suspended.** The run of a submission may wait for long. Then the submission counts in no limit any
more, and its client's window grows by one, until there is an outcome.

**Bounded.** At most `window` submissions of a client wait for an outcome, at most `backlog` of all
clients (and `backlog_bytes`). More are refused, and their clients notified when there is room.
Reply frames are sent only as far as the client has reported earlier ones as taken, so a client that
does not read costs no memory. A client that lets too many replies wait loses its session.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from ..protocol.frames import (
    DRAINING,
    FORGOTTEN_OUTCOME,
    FULL,
    MISMATCH_OUTCOME,
    REPLACED,
    UNWELCOME,
    Count,
    FrameError,
    Hello,
    Query,
    Submit,
    pack_count,
    pack_numbers,
    pack_query,
    pack_rejected,
    pack_replies,
    pack_welcome,
    unpack_request,
)
from .live_texts import LiveTexts
from .open_session import OpenSession, PendingQuery
from .request_log import LogBatch, NewRequest, digest_of
from .suspended import Suspended
from .unconfirmed import Unconfirmed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .open_session import Peer
    from .request_log import ClientRecord, RequestRecord

REPLY_FRAMES: Final = 8
"""Reply frames that may be sent to a client before it reports them as taken."""
REPLY_COUNT: Final = 512
REPLY_BYTES: Final = 1 << 20
READY: Final = 1 << 17
"""Replies that may wait for one client; beyond, it has to ask again for all."""


_NO_CALLS: Final[Mapping[int, tuple[int, int] | None]] = MappingProxyType({})


class RequestReader(Protocol):
    """The part of `RequestLog` that the sessions read."""

    def welcome(self, identity: bytes, *, anonymous: bool, most: int) -> ClientRecord | None:
        """As `RequestLog.welcome`."""

    def find(self, client: int, sequences: Iterable[int]) -> list[RequestRecord | None]:
        """As `RequestLog.find`."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on what the sessions accept."""

    window: int = 16_384
    """Submissions of one client without an outcome."""
    backlog: int = 65_536
    """Submissions of all clients without an outcome."""
    backlog_bytes: int = 256 << 20
    kept: int = 65_536
    """Outcomes kept for one client that it has not acknowledged."""
    sessions: int = 10_000
    """Beyond, the session that was silent for longest is closed; its client may begin a new one."""
    clients: int = 100_000
    """Recorded clients; no new ones beyond."""


class PendingRequest(NamedTuple):
    """A submission without an outcome."""

    client: int
    sequence: int
    size: int


class Sessions:
    """The sessions with all clients.

    Attributes:
        out: peers and frames that are to be sent; the caller removes them.
        draining: whether no more is accepted.
        malformed: the number of malformed frames.
        waiting: submissions without an outcome, by offset, that are to be run or are being run.
        queries: what clients have asked, as JSON objects; the caller removes and answers them.
        suspended: the others without an outcome: their runs wait in the store.
        live: what clients see of runs that are under way.
        unconfirmed: what is recorded, and neither confirmed nor answered.
    """

    def __init__(
        self, requests: RequestReader, limits: Limits, live: LiveTexts | None = None
    ) -> None:
        self._requests = requests
        self.live = live or LiveTexts(None)
        self._limits = limits
        self.out: deque[tuple[Peer, bytes]] = deque()
        self.draining = False
        self.malformed = 0
        self.accepted = 0
        self.repeated = 0
        self.refused = 0
        self.waiting: dict[int, PendingRequest] = {}
        self.suspended = Suspended()
        self.unconfirmed = Unconfirmed()
        self._bytes = 0
        self._load: dict[int, int] = {}
        self._sessions: dict[Peer, OpenSession] = {}
        self._by_client: dict[int, OpenSession] = {}
        self._active: dict[OpenSession, None] = {}
        self._refused_sessions: dict[OpenSession, None] = {}
        self._batch = LogBatch()
        self._fresh: dict[tuple[int, int], bytes] = {}
        self.queries: deque[tuple[PendingQuery, bytes]] = deque()

    # -- frames -------------------------------------------------------------------------------

    def receive(self, peer: Peer, owner: str, data: bytes) -> None:
        """Process a frame. `owner` is the name that the peer's key proves; empty: a local user."""
        try:
            frame = unpack_request(data)
        except FrameError:
            self.malformed += 1
            return
        if isinstance(frame, Hello):
            self._hello(peer, owner, frame)
            return
        session = self._sessions.get(peer)
        if session is None or session.nonce != frame.nonce:
            self.out.append((peer, pack_count(b"U", frame.nonce)))
            return
        self._sessions[peer] = self._sessions.pop(peer)  # the latest one is last
        if isinstance(frame, Submit):
            self._submit(session, frame)
        elif isinstance(frame, Query):
            session.received += 1
            self.queries.append((PendingQuery(session, frame.number, owner), frame.body))
        else:
            self._on_count(session, frame)

    def _hello(self, peer: Peer, owner: str, hello: Hello) -> None:
        identity = f"{owner}\0{hello.client}".encode()
        client = self._requests.welcome(
            identity, anonymous=hello.anonymous, most=self._limits.clients
        )
        if client is None:
            self._reject(peer, hello.nonce, UNWELCOME, "too many clients are on record")
            return
        other = self._by_client.get(client.number)
        if other is not None:
            if other.incarnation > hello.incarnation:
                self._reject(peer, hello.nonce, REPLACED, "a younger client has the same id")
                return
            if other.incarnation < hello.incarnation:
                self._reject(other.peer, other.nonce, REPLACED, "a younger client has the same id")
            elif other.attempt > hello.attempt:
                return  # this hello is late: its sender has sent another since
            self._close_session(other)
        mine = self._sessions.get(peer)
        if mine is not None:
            self._close_session(mine)
        while len(self._sessions) >= self._limits.sessions:
            self._close_session(next(iter(self._sessions.values())))
        floor = max(client.floor, self._batch.floors.get(client.number, 0))
        session = OpenSession(peer, hello, identity, client)
        session.floor = floor
        self._sessions[peer] = self._by_client[client.number] = session
        last = max(client.last, floor)
        self.out.append((peer, pack_welcome(hello.nonce, floor, last, self._window(session))))

    def _reject(self, peer: Peer, nonce: bytes, reason: int, text: str) -> None:
        self.out.append((peer, pack_rejected(nonce, reason, text)))

    def _submit(self, session: OpenSession, frame: Submit) -> None:
        session.received += 1
        client = session.client.number
        known = self._requests.find(client, frame.sequences)
        confirmed, refused = [], []
        free = self._free(client)
        for sequence, key, value, call in zip(
            frame.sequences, frame.keys, frame.values, known, strict=True
        ):
            if sequence <= session.floor:
                session.ready[sequence] = FORGOTTEN_OUTCOME
                self.repeated += 1
                continue
            digest = digest_of(key, value)
            before = call.digest if call is not None else self._fresh.get((client, sequence))
            if before is None:
                if free > 0:
                    free -= 1
                    self._accept(
                        NewRequest(client, sequence, digest, key, value), streamed=frame.streamed
                    )
                else:
                    refused.append(sequence)
                continue
            self.repeated += 1
            if before != digest:
                session.ready[sequence] = MISMATCH_OUTCOME
            elif call is not None and self._is_under_way(call.offset):
                confirmed.append(sequence)
                self.live.add(call.offset, client, sequence, streamed=frame.streamed)
            elif call is not None:  # else it is confirmed when it is recorded
                session.ready[sequence] = None
        if confirmed:
            self._send(session, pack_numbers(b"C", session.nonce, confirmed))
        if refused:
            self._refuse(session, refused)
        if session.ready:
            self._active[session] = None
            if len(session.ready) > READY:
                self._reset(session)

    def _refuse(self, session: OpenSession, sequences: list[int]) -> None:
        self.refused += len(sequences)
        self._refused_sessions[session] = None
        reason = DRAINING if self.draining else FULL
        self._send(session, pack_numbers(b"F", session.nonce, sequences, reason))

    def _is_under_way(self, offset: int) -> bool:
        return offset in self.waiting or offset in self.suspended

    def _on_count(self, session: OpenSession, frame: Count) -> None:
        if frame.kind == b"P":
            if frame.number != session.received:
                self._reset(session)
            else:
                self.out.append((session.peer, pack_count(b"O", session.nonce, session.sent)))
            return
        if frame.kind == b"K":  # in no count: nothing is lost with it
            session.live_taken = max(session.live_taken, min(frame.number, session.live_sent))
            return
        session.received += 1
        if frame.kind == b"T":
            session.taken = max(session.taken, min(frame.number, session.replied))
            if session.ready:
                self._active[session] = None
        elif frame.kind == b"A":
            if frame.number > session.floor:
                session.floor = frame.number
                self._batch.floors[session.client.number] = frame.number
        else:  # bye
            self._close_session(session)
            if session.anonymous:
                self._batch.leaving.append((session.identity, session.client.number))

    # -- recording ----------------------------------------------------------------------------

    def _free(self, client: int) -> int:
        if self.draining or self._bytes >= self._limits.backlog_bytes:
            return 0
        fresh = len(self._batch.entries)
        return min(
            self._limits.window - self._load.get(client, 0),
            self._limits.backlog - len(self.waiting) - fresh,
        )

    def _accept(self, entry: NewRequest, *, streamed: bool) -> None:
        if streamed:
            self._batch.streamed.append(len(self._batch.entries))
        self._batch.entries.append(entry)
        self._fresh[entry.client, entry.sequence] = entry.digest
        self._load[entry.client] = self._load.get(entry.client, 0) + 1
        self._bytes += len(entry.key) + len(entry.value)

    def next_batch(self) -> LogBatch:
        """Return what is to be recorded now; `recorded` or `unrecorded` must follow."""
        batch, self._batch = self._batch, LogBatch()
        return batch

    def recorded(self, batch: LogBatch, first: int) -> None:
        """Note that the batch is recorded, its entries from the offset `first` on."""
        self._fresh.clear()
        self.accepted += len(batch.entries)
        for offset, entry in enumerate(batch.entries, first):
            size = len(entry.key) + len(entry.value)
            self.waiting[offset] = PendingRequest(entry.client, entry.sequence, size)
            self.unconfirmed.add(entry.client, entry.sequence)
        for index in batch.streamed:
            entry = batch.entries[index]
            self.live.add(first + index, entry.client, entry.sequence)

    def confirm(self) -> None:
        """Confirm what is recorded, except for what is answered by now: that says it, too."""
        for client, sequences in self.unconfirmed.remove_all():
            session = self._by_client.get(client)
            if session is not None:
                self._send(session, pack_numbers(b"C", session.nonce, sequences))

    def unrecorded(self, batch: LogBatch) -> None:
        """Note that the batch could not be recorded; have its clients send it again."""
        self._fresh.clear()
        for entry in batch.entries:
            self._release(entry.client, len(entry.key) + len(entry.value))
        for client in {entry.client for entry in batch.entries} | set(batch.floors):
            session = self._by_client.get(client)
            if session is not None:
                self._reset(session)

    def restore(self, offset: int, client: int, sequence: int, size: int) -> None:
        """Add a submission that an earlier run has accepted and not answered; before all frames."""
        self.waiting[offset] = PendingRequest(client, sequence, size)
        self._load[client] = self._load.get(client, 0) + 1
        self._bytes += size

    def suspend(self, offsets: Iterable[int]) -> None:
        """Note that the runs of these wait; their clients may submit as many more."""
        clients = set()
        for offset in offsets:
            found = self.waiting.pop(offset, None)
            if found is not None:  # else it has an outcome by now
                clients.add(found.client)
                self._release(found.client, found.size)
                self.suspended.add(offset, found.client)
        self._send_windows(clients)

    def _window(self, session: OpenSession) -> int:
        """How many submissions of a client may be without an outcome, with those that wait."""
        return self._limits.window + self.suspended.of_client(session.client.number)

    def _send_windows(self, clients: Iterable[int]) -> None:
        for client in clients:
            session = self._by_client.get(client)
            if session is not None:
                self._send(session, pack_count(b"G", session.nonce, self._window(session)))

    def raise_floor(self, client: int, floor: int) -> None:
        """Note that the oldest outcomes of a client were deleted, up to this sequence."""
        session = self._by_client.get(client)
        if session is not None:
            session.floor = max(session.floor, floor)

    # -- replies ------------------------------------------------------------------------------

    def answered(
        self, offsets: Iterable[int], calls: Mapping[int, tuple[int, int] | None] = _NO_CALLS
    ) -> set[int]:
        """Note that these have a recorded outcome; return their clients.

        `calls` has client and sequence of those that were suspended.
        """
        clients = set()
        narrower = set()
        self.live.remove(offsets)
        for offset in offsets:
            found = self.waiting.pop(offset, None)
            if found is not None:
                client, sequence = found.client, found.sequence
                self._release(client, found.size)
            elif offset in self.suspended and (call := calls.get(offset)) is not None:
                client, sequence = call
                self.suspended.remove(offset, client)
                narrower.add(client)
            else:
                continue
            clients.add(client)
            session = self._by_client.get(client)
            if session is not None and sequence > session.floor:
                session.ready[sequence] = None
                self._active[session] = None
        self._send_windows(narrower)
        if self._refused_sessions:
            self._invite_refused()
        return clients

    def _release(self, client: int, size: int) -> None:
        self._bytes -= size
        left = self._load.get(client, 0) - 1
        if left > 0:
            self._load[client] = left
        else:
            self._load.pop(client, None)

    def _invite_refused(self) -> None:
        """Notify refused clients that there is room, once an eighth of the limits is free."""
        if self.draining or len(self.waiting) > self._limits.backlog * 7 // 8:
            return
        if self._bytes > self._limits.backlog_bytes * 7 // 8:
            return
        window = self._limits.window
        for session in list(self._refused_sessions):
            if self._load.get(session.client.number, 0) <= window * 7 // 8:
                del self._refused_sessions[session]
                self._send(session, pack_count(b"G", session.nonce, self._window(session)))

    def replies(self) -> Iterable[tuple[int, list[tuple[int, bytes | None]], OpenSession]]:
        """Yield client, sequences and session of each reply frame that may go out now.

        For each one the caller looks the outcomes up and calls `reply`.
        """
        while self._active:
            session = next(iter(self._active))
            if not session.ready or session.replied - session.taken >= REPLY_FRAMES:
                del self._active[session]
                continue
            chosen = []
            for sequence in session.ready:
                chosen.append((sequence, session.ready[sequence]))
                if len(chosen) >= REPLY_COUNT:
                    break
            yield session.client.number, chosen, session

    def reply(self, session: OpenSession, outcomes: list[tuple[int, bytes]]) -> None:
        """Send outcomes, as many as fit into a frame; what is left stays ready."""
        size = 0
        sequences, blobs = [], []
        for sequence, outcome in outcomes:
            size += len(outcome)
            sequences.append(sequence)
            blobs.append(outcome)
            session.ready.pop(sequence, None)
            if size > REPLY_BYTES:
                break
        session.replied += 1
        self.unconfirmed.remove(session.client.number, sequences)
        self._send(session, pack_replies(session.nonce, sequences, blobs))

    def send_live(self) -> None:
        """Send what calls have written since the last time; in no count: it may be lost."""
        for session, frame in self.live.frames(self._by_client):
            self.out.append((session.peer, frame))

    def answer_query(self, query: PendingQuery, body: bytes) -> None:
        """Send what came of a query; nothing if its session has ended: the client repeats it."""
        session = query.session
        if self._sessions.get(session.peer) is session:
            self._send(session, pack_query(b"D", session.nonce, query.number, body))

    # -- sessions -----------------------------------------------------------------------------

    def _send(self, session: OpenSession, frame: bytes) -> None:
        session.sent += 1
        self.out.append((session.peer, frame))

    def _reset(self, session: OpenSession) -> None:
        self._close_session(session)
        self.out.append((session.peer, pack_count(b"U", session.nonce)))

    def unreachable(self, peer: Peer) -> None:
        """Note that a frame could not be sent: close the session, which has lost it."""
        session = self._sessions.get(peer)
        if session is not None:
            self._close_session(session)

    def _close_session(self, session: OpenSession) -> None:
        if self._sessions.get(session.peer) is session:
            del self._sessions[session.peer]
        if self._by_client.get(session.client.number) is session:
            del self._by_client[session.client.number]
            self.live.remove_client(session.client.number)
        self._active.pop(session, None)
        self._refused_sessions.pop(session, None)

    @property
    def present(self) -> set[int]:
        """Clients that have a session."""
        return set(self._by_client)

    @property
    def count(self) -> int:
        """The number of sessions."""
        return len(self._sessions)
