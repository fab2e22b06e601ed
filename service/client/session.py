"""A client's side of its conversation with the server, as a pure machine: no socket, no clock.

The program's submissions are *calls*, each under its sequence, kept until there is an outcome.
Whatever is lost on the way, or dies at the other end, the remedy is one: say hello under a new
nonce, and once welcomed send every call again that has no outcome yet. The server tells what it has
on record from what is new, so repeating is always right. What tells that it is needed: the server
says that it does not know the session; the counts of frames that ping and pong carry do not agree;
or nothing is heard at all, and then the shell is asked for a new connection too.

Times are seconds on any clock that only goes forward. With nothing under way there is no deadline:
an idle client sends nothing and wakes up for nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from ..protocol.frames import Count as CountFrame
from ..protocol.frames import (
    FrameError,
    Numbers,
    Replies,
    Welcome,
    pack_count,
    pack_hello,
    pack_submit,
    unpack_answer,
)
from ..protocol.frames import Rejected as ExpelledFrame

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

HELLO_SECONDS: Final = 0.5
"""Between two hellos, while there is no answer."""
QUIET_SECONDS: Final = 1.0
"""After so long without a word, with calls under way, the server is pinged."""
PATIENCE_SECONDS: Final = 4.0
"""After so long without a word a new connection is made."""
RETRY_SECONDS: Final = 0.5
"""After so long what was refused is sent again, if the server has not asked for it before."""

SUBMIT_COUNT: Final = 512
SUBMIT_BYTES: Final = 1 << 20


class Opened(NamedTuple):
    """A session has begun."""

    floor: int
    last: int


class Answered(NamedTuple):
    """A call has an outcome, and is none any more."""

    sequence: int
    outcome: bytes


class Closed(NamedTuple):
    """The server wants none of this client; there will be no more."""

    reason: int
    text: str


class Reconnect(NamedTuple):
    """A new connection is wanted: the present one says nothing."""


if TYPE_CHECKING:
    Happening: TypeAlias = Opened | Answered | Closed | Reconnect


class _Call:
    __slots__ = ("confirmed", "key", "value")

    def __init__(self, key: bytes, value: bytes) -> None:
        self.key = key
        self.value = value
        self.confirmed = False


class ClientSession:
    """One client.

    Attributes:
        open: whether there is a session.
        closed: whether the server has expelled this client.
        floor: all up to this sequence was acknowledged, as the server or the program says.
        last: the highest sequence on the server's record when the session began.
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
        self._nonce = nonces()
        self._attempt = 0
        self._sent = 0
        self._heard_frames = 0
        self._replies = 0
        self._taken = 0
        self._paused_until: float | None = None
        self._heard = 0.0
        self._tried = 0.0
        self._pinged = 0.0
        self._hello = True
        self._ping = False

    # -- the program --------------------------------------------------------------------------

    @property
    def room(self) -> int:
        """How many more calls may be submitted now."""
        return self._window - len(self._calls)

    @property
    def pending(self) -> int:
        """Calls without an outcome."""
        return len(self._calls)

    @property
    def unconfirmed(self) -> int:
        """Calls of which it is not known that they are on record."""
        return self._unconfirmed

    @property
    def acknowledging(self) -> bool:
        """Whether an acknowledgement has not been sent yet."""
        return self.floor > self._known_floor

    def submit(self, sequence: int, key: bytes, value: bytes, now: float) -> None:
        """Begin a call. Raises KeyError for a sequence that is under way."""
        if sequence in self._calls:
            raise KeyError(sequence)
        if not self._calls:
            self._heard = self._pinged = now  # nobody had anything to say until now
        self._calls[sequence] = _Call(key, value)
        self._unsent[sequence] = None
        self._unconfirmed += 1

    def acknowledge(self, sequence: int) -> None:
        """All up to this one may be forgotten by the server."""
        self.floor = max(self.floor, sequence)

    def farewell(self) -> bytes:
        """The last frame."""
        return pack_count(b"B", self._nonce)

    # -- the clock ----------------------------------------------------------------------------

    def start(self, now: float) -> None:
        """Begin the conversation, or begin it anew on a new connection."""
        self._say_hello(now)

    def deadline(self) -> float | None:
        """When `tick` is wanted; None: not before something happens."""
        if self.closed:
            return None
        if not self.open:
            return self._tried + HELLO_SECONDS
        if not self._calls:
            return None
        due = max(self._heard, self._pinged) + QUIET_SECONDS
        return due if self._paused_until is None else min(due, self._paused_until)

    def tick(self, now: float) -> list[Happening]:
        """Time has passed."""
        if self.closed:
            return []
        if self._paused_until is not None and now >= self._paused_until:
            self._paused_until = None
        if not self.open:
            if now >= self._tried + HELLO_SECONDS:
                self._tried = now
                self._hello = True
                if now >= self._heard + PATIENCE_SECONDS:
                    self._say_hello(now)
                    return [Reconnect()]
        elif self._calls:
            if now >= self._heard + PATIENCE_SECONDS:
                self._say_hello(now)
                return [Reconnect()]
            if now >= max(self._heard, self._pinged) + QUIET_SECONDS:
                self._ping = True
                self._pinged = now
        return []

    # -- frames -------------------------------------------------------------------------------

    def outgoing(self) -> list[bytes]:
        """The frames to send now, in order."""
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
        if self._taken != self._replies:
            self._taken = self._replies
            frames.append(self._counted(b"T", self._taken))
        if self.floor > self._known_floor:
            self._known_floor = self.floor
            frames.append(self._counted(b"A", self.floor))
        if self._paused_until is None:
            while self._unsent:
                frames.append(self._submission())
        if self._ping:
            self._ping = False
            frames.append(pack_count(b"P", self._nonce, self._sent))
        return frames

    def _counted(self, kind: bytes, number: int) -> bytes:
        self._sent += 1
        return pack_count(kind, self._nonce, number)

    def _submission(self) -> bytes:
        sequences: list[int] = []
        keys: list[bytes] = []
        values: list[bytes] = []
        size = 0
        for sequence in self._unsent:
            call = self._calls[sequence]
            size += len(call.key) + len(call.value)
            if sequences and (size > SUBMIT_BYTES or len(sequences) >= SUBMIT_COUNT):
                break
            sequences.append(sequence)
            keys.append(call.key)
            values.append(call.value)
        for sequence in sequences:
            del self._unsent[sequence]
        self._sent += 1
        return pack_submit(self._nonce, sequences, keys, values)

    def receive(self, data: bytes, now: float) -> list[Happening]:
        """Take in a frame."""
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
            happened: list[Happening] = []
            for sequence, outcome in zip(frame.sequences, frame.outcomes, strict=True):
                call = self._calls.pop(sequence, None)
                if call is not None:
                    self._unsent.pop(sequence, None)
                    self._unconfirmed -= not call.confirmed
                    happened.append(Answered(sequence, outcome))
            return happened
        if isinstance(frame, Numbers):
            self._heard_frames += 1
            self._take_numbers(frame, now)
        elif isinstance(frame, CountFrame):
            self._take_count(frame, now)
        elif isinstance(frame, Welcome):
            return self._welcome(frame)
        elif isinstance(frame, ExpelledFrame):
            self.closed, self.open = True, False
            return [Closed(frame.reason, frame.text)]
        return []

    def _take_numbers(self, frame: Numbers, now: float) -> None:
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

    def _take_count(self, frame: CountFrame, now: float) -> None:
        if frame.kind == b"G":
            self._heard_frames += 1
            self._window = frame.number
            self._paused_until = None
        elif frame.kind == b"U" or frame.number != self._heard_frames:
            self._say_hello(now)

    def _welcome(self, frame: Welcome) -> list[Happening]:
        self.open = True
        self._window = frame.window
        self._heard_frames = self._replies = self._taken = 0
        self._paused_until = None
        self._known_floor = frame.floor
        self.floor = max(self.floor, frame.floor)
        self.last = frame.last
        self._unsent = dict.fromkeys(sorted(self._calls))
        return [Opened(frame.floor, frame.last)]

    def _say_hello(self, now: float) -> None:
        self.open = False
        self._nonce = self._nonces()
        self._attempt += 1
        self._hello = True
        self._ping = False
        self._tried = self._heard = now
