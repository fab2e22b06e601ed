"""A client's side of its conversation with the server, as a pure machine: no socket, no clock.

The program's submissions are *calls*, each under its sequence, kept until there is an outcome.
After any loss, of a frame or of the server, the client does the same: it says hello under a new
nonce, and once welcomed sends every call again that has no outcome yet. The server recognises the
calls that it has recorded, so repeating is always safe. The client begins anew when the server does
not know the session; when the frame counts of ping and pong do not agree; and when nothing arrives
for some seconds, and then it asks its caller for a new connection, too.

Times are seconds on any clock that only goes forward. With nothing under way there is no deadline:
an idle client sends nothing and does not wake up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from ..protocol.frames import Count as CountFrame
from ..protocol.frames import (
    FrameError,
    Numbers,
    Query,
    Replies,
    Welcome,
    pack_count,
    pack_hello,
    pack_query,
    pack_submit,
    unpack_answer,
)
from ..protocol.frames import Rejected as RejectedFrame

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

HELLO_SECONDS: Final = 0.5
"""The time between two hellos, while there is no answer."""
QUIET_SECONDS: Final = 1.0
"""After so long without a frame, with calls under way, the server is pinged."""
PATIENCE_SECONDS: Final = 4.0
"""After so long without a frame a new connection is made."""
RETRY_SECONDS: Final = 0.5
"""After so long refused calls are sent again, if the server has not asked for them before."""
NOTE_SECONDS: Final = 0.005
"""How long it takes until the server learns what has arrived and what it may forget: each time
costs it a turn and a commit, in which a submission would have to wait."""
TAKEN_AT_ONCE: Final = 4
"""After so many reply frames it learns at once that they have arrived: half of what it sends."""

SUBMIT_COUNT: Final = 512
SUBMIT_BYTES: Final = 1 << 20


class Opened(NamedTuple):
    """A session has begun."""

    floor: int
    last: int


class Answered(NamedTuple):
    """A call has an outcome, and has ended."""

    sequence: int
    outcome: bytes


class Written(NamedTuple):
    """Calls of a submission have written something."""

    sequence: int
    body: bytes


class QueryAnswered(NamedTuple):
    """A query has got its reply, a JSON object, and has ended."""

    number: int
    body: bytes


class Closed(NamedTuple):
    """The server has rejected this client; there will be no more events."""

    reason: int
    text: str


class Reconnect(NamedTuple):
    """A new connection is needed: nothing arrives on this one."""


if TYPE_CHECKING:
    SessionEvent: TypeAlias = Opened | Answered | Written | QueryAnswered | Closed | Reconnect


class _Call:
    __slots__ = ("confirmed", "key", "streamed", "value")

    def __init__(self, key: bytes, value: bytes, *, streamed: bool) -> None:
        self.key = key
        self.value = value
        self.streamed = streamed
        self.confirmed = False


class ClientSession:
    """One client's side of its session with the server.

    Attributes:
        open: whether there is a session.
        closed: whether the server has rejected this client.
        floor: all up to this sequence was acknowledged, by the server's record or the program.
        last: the highest sequence that the server had recorded when the session began.
    """

    def __init__(
        self, client: str, incarnation: int, nonces: Callable[[], bytes], *, anonymous: bool
    ) -> None:
        """`nonces` makes random byte strings of `frames.NONCE` bytes."""
        self._client = client
        self._incarnation = incarnation
        self._nonces = nonces
        self._anonymous = anonymous
        self.open = False
        self.closed = False
        self.floor = 0
        self.last = 0
        self._known_floor = 0
        self._window = 0
        self._calls: dict[int, _Call] = {}
        self._unsent: dict[int, None] = {}
        self._unconfirmed = 0
        self._queries: dict[int, bytes] = {}
        self._unsent_queries: dict[int, None] = {}
        self._nonce = nonces()
        self._attempt = 0
        self._sent = 0
        self._heard_frames = 0
        self._replies = 0
        self._taken = 0
        self._live = 0
        self._live_taken = 0
        self._paused_until: float | None = None
        self._heard = 0.0
        self._tried = 0.0
        self._pinged = 0.0
        self._hello = True
        self._ping = False
        self._owes_since: float | None = None
        """Since when something has arrived, or may be forgotten, and the server does not know."""
        self._notes_due = False

    # -- the program --------------------------------------------------------------------------

    @property
    def free(self) -> int:
        """The number of further calls that may be submitted now."""
        return self._window - len(self._calls)

    @property
    def pending(self) -> int:
        """Calls without an outcome."""
        return len(self._calls)

    @property
    def unconfirmed(self) -> int:
        """Calls that the server has not confirmed yet."""
        return self._unconfirmed

    @property
    def acknowledging(self) -> bool:
        """Whether an acknowledgement has not been sent yet."""
        return self.floor > self._known_floor

    @property
    def has_note_time(self) -> bool:
        """Whether `deadline` covers an acknowledgement that has not been sent."""
        return self._owes_since is not None

    def submit(
        self, sequence: int, key: bytes, value: bytes, now: float, *, streamed: bool = False
    ) -> None:
        """Begin a call; `streamed`: with `Written` events. Raises KeyError for one under way."""
        if sequence in self._calls:
            raise KeyError(sequence)
        self._begin_to_listen(now)
        self._calls[sequence] = _Call(key, value, streamed=streamed)
        self._unsent[sequence] = None
        self._unconfirmed += 1

    def query(self, number: int, body: bytes, now: float) -> None:
        """Send a query, which is not a call: a JSON object, under a number of its own."""
        self._begin_to_listen(now)
        self._queries[number] = body
        self._unsent_queries[number] = None

    def forget_query(self, number: int) -> None:
        """Wait for the reply to a query no more."""
        self._queries.pop(number, None)
        self._unsent_queries.pop(number, None)

    @property
    def _listens(self) -> bool:
        """Whether a frame of the server is expected."""
        return bool(self._calls or self._queries)

    def _begin_to_listen(self, now: float) -> None:
        if not self._listens:
            self._heard = self._pinged = now  # silence counts from now: nothing was sent before

    def acknowledge(self, sequence: int) -> None:
        """Allow the server to forget all up to this sequence."""
        self.floor = max(self.floor, sequence)

    def farewell(self) -> list[bytes]:
        """Return the last frames of the session."""
        return [*self._notes(), pack_count(b"B", self._nonce)]

    # -- the clock ----------------------------------------------------------------------------

    def start(self, now: float) -> None:
        """Begin a session."""
        self._begin_session(now)

    def deadline(self) -> float | None:
        """Return when `tick` must be called; None: not before a frame arrives or a call begins."""
        if self.closed:
            return None
        if not self.open:
            return self._tried + HELLO_SECONDS
        times = []
        if self._owes_since is not None:
            times.append(self._owes_since + NOTE_SECONDS)
        if self._listens:
            times.append(max(self._heard, self._pinged) + QUIET_SECONDS)
            if self._paused_until is not None:
                times.append(self._paused_until)
        return min(times, default=None)

    def tick(self, now: float) -> list[SessionEvent]:
        """Check the deadlines; return what has happened."""
        if self.closed:
            return []
        if self._paused_until is not None and now >= self._paused_until:
            self._paused_until = None
        if not self.open:
            if now >= self._tried + HELLO_SECONDS:
                self._tried = now
                self._hello = True
                if now >= self._heard + PATIENCE_SECONDS:
                    self._begin_session(now)
                    return [Reconnect()]
            return []
        if self._owes_since is not None:
            self._notes_due = self._notes_due or now >= self._owes_since + NOTE_SECONDS
        elif self._taken != self._replies or self.acknowledging:
            self._owes_since = now
        if self._listens:
            if now >= self._heard + PATIENCE_SECONDS:
                self._begin_session(now)
                return [Reconnect()]
            if now >= max(self._heard, self._pinged) + QUIET_SECONDS:
                self._ping = True
                self._pinged = now
        return []

    # -- frames -------------------------------------------------------------------------------

    def outgoing(self) -> list[bytes]:
        """Return the frames to send now, in order."""
        frames: list[bytes] = []
        if self.closed:
            return frames
        if self._hello:
            self._hello = False
            self._sent = 0
            frames.append(
                pack_hello(
                    self._nonce,
                    self._incarnation,
                    self._attempt,
                    self._client,
                    anonymous=self._anonymous,
                )
            )
        if not self.open:
            return frames
        if self._notes_due or self._replies - self._taken >= TAKEN_AT_ONCE:
            frames += self._notes()
        if self._live_taken != self._live:
            self._live_taken = self._live
            frames.append(pack_count(b"K", self._nonce, self._live_taken))
        if self._paused_until is None:
            while self._unsent:
                frames.append(self._submission())
        for number in self._unsent_queries:
            self._sent += 1
            frames.append(pack_query(b"Q", self._nonce, number, self._queries[number]))
        self._unsent_queries.clear()
        if self._ping:
            self._ping = False
            frames.append(pack_count(b"P", self._nonce, self._sent))
        return frames

    def _notes(self) -> list[bytes]:
        """Return what the server does not know yet of what has arrived and may be forgotten."""
        self._owes_since, self._notes_due = None, False
        frames = []
        if self._taken != self._replies:
            self._taken = self._replies
            frames.append(self._counted(b"T", self._taken))
        if self.acknowledging:
            self._known_floor = self.floor
            frames.append(self._counted(b"A", self.floor))
        return frames

    def _counted(self, kind: bytes, number: int) -> bytes:
        self._sent += 1
        return pack_count(kind, self._nonce, number)

    def _submission(self) -> bytes:
        sequences: list[int] = []
        keys: list[bytes] = []
        values: list[bytes] = []
        size = 0
        streamed = False
        for sequence in self._unsent:
            call = self._calls[sequence]
            if sequences and call.streamed != streamed:
                break
            streamed = call.streamed
            size += len(call.key) + len(call.value)
            if sequences and (size > SUBMIT_BYTES or len(sequences) >= SUBMIT_COUNT):
                break
            sequences.append(sequence)
            keys.append(call.key)
            values.append(call.value)
        for sequence in sequences:
            del self._unsent[sequence]
        self._sent += 1
        return pack_submit(self._nonce, sequences, keys, values, streamed=streamed)

    def receive(self, data: bytes, now: float) -> list[SessionEvent]:
        """Process a frame; return what has happened."""
        try:
            frame = unpack_answer(data)
        except FrameError:
            return []
        if self.closed or frame.nonce != self._nonce:
            return []
        self._heard = now
        if isinstance(frame, Replies):
            self._heard_frames += 1
            self._replies += 1
            events: list[SessionEvent] = []
            for sequence, outcome in zip(frame.sequences, frame.outcomes, strict=True):
                call = self._calls.pop(sequence, None)
                if call is not None:
                    self._unsent.pop(sequence, None)
                    self._unconfirmed -= not call.confirmed
                    events.append(Answered(sequence, outcome))
            return events
        if isinstance(frame, Numbers):
            self._heard_frames += 1
            self._on_numbers(frame, now)
        elif isinstance(frame, Query):
            return self._on_body(frame)
        elif isinstance(frame, CountFrame):
            self._on_count(frame, now)
        elif isinstance(frame, Welcome):
            return self._welcome(frame)
        elif isinstance(frame, RejectedFrame):
            self.closed, self.open = True, False
            return [Closed(frame.reason, frame.text)]
        return []

    def _on_body(self, frame: Query) -> list[SessionEvent]:
        if frame.kind == b"L":
            self._live += 1
            known = frame.number in self._calls
            return [Written(frame.number, frame.body)] if known else []
        self._heard_frames += 1
        if self._queries.pop(frame.number, None) is not None:
            return [QueryAnswered(frame.number, frame.body)]
        return []

    def _on_numbers(self, frame: Numbers, now: float) -> None:
        calls = self._calls
        for sequence in frame.sequences:
            call = calls.get(sequence)
            if call is None:
                continue
            if frame.kind == b"F":
                self._unsent[sequence] = None
            elif not call.confirmed:
                call.confirmed = True
                self._unconfirmed -= 1
        if frame.kind == b"F":
            self._unsent = dict.fromkeys(sorted(self._unsent))
            self._paused_until = now + RETRY_SECONDS

    def _on_count(self, frame: CountFrame, now: float) -> None:
        if frame.kind == b"G":
            self._heard_frames += 1
            self._window = frame.number
            self._paused_until = None
        elif frame.kind == b"U" or frame.number != self._heard_frames:
            self._begin_session(now)

    def _welcome(self, frame: Welcome) -> list[SessionEvent]:
        self.open = True
        self._window = frame.window
        self._heard_frames = self._replies = self._taken = self._live = self._live_taken = 0
        self._paused_until = self._owes_since = None
        self._notes_due = False
        self._known_floor = frame.floor
        self.floor = max(self.floor, frame.floor)
        self.last = frame.last
        self._unsent = dict.fromkeys(sorted(self._calls))
        self._unsent_queries = dict.fromkeys(self._queries)
        return [Opened(frame.floor, frame.last)]

    def _begin_session(self, now: float) -> None:
        self.open = False
        self._nonce = self._nonces()
        self._attempt += 1
        self._hello = True
        self._ping = False
        self._tried = self._heard = now
