"""Sends what calls write to the launcher, for those inputs whose clients have asked for it.

Text is collected for some milliseconds, so that a fast model makes tens of messages a second and
not thousands. Each part that is sent has its number within the attempt. If too much waits to be
sent, the rest of an attempt is dropped: its client sees the beginning, and then the answer.

An attempt is identified by the shard's fencing epoch and a number that rises in the life of a
worker. So a later attempt has a higher identity, also after the worker's death.
"""

from __future__ import annotations

import itertools
import math
import threading
from typing import TYPE_CHECKING, Any, Final

from ...agent.streams.call_stream import AttemptStream, CallStream
from .. import wire

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, TimerHandle
    from collections.abc import Callable

    from ..runs.run import Run

FLUSH_SECONDS: Final = 0.02
"""The time between two messages."""
MOST_CHARACTERS: Final = 1 << 18
"""So much text at most waits for the next message."""
ACTION: Final = -1
"""The number of a call that is none: what the action itself writes."""


class TextSender:
    """The streams of one worker.

    Args:
        loop: of the worker, in whose thread messages are sent.
        send: sends a message to the launcher.
    """

    def __init__(self, loop: AbstractEventLoop, send: Callable[[bytes], None]) -> None:
        self._loop = loop
        self._send = send
        self._thread = threading.get_ident()
        self._wanted: set[int] = set()
        self._numbers = itertools.count(1)
        self._waiting: dict[_Attempt, None] = {}
        self._characters = 0
        self._timer: TimerHandle | None = None
        self._flushed = -math.inf  # the first text is sent at once

    def change(self, *, want: list[int], forget: list[int], all: bool) -> None:
        """Change which inputs are wanted; `all`: no others are."""
        if all:
            self._wanted = set(want)
        else:
            self._wanted.update(want)
        self._wanted.difference_update(forget)

    def of_call(self, run: Run, number: int) -> CallStream | None:
        """The stream of a durable call, by its number in the action; None if it is not wanted."""
        if not self._wanted or run.origin not in self._wanted:
            return None
        return _Call(self, run.origin, (run.step, number), run.lane.writer.shard.epoch)

    # -- of the streams -----------------------------------------------------------------------

    def next_number(self) -> int:
        """The number of a new attempt."""
        return next(self._numbers)

    def write(self, attempt: _Attempt, text: str, reasoning: str) -> None:
        """Take text of an attempt; in any thread."""
        if threading.get_ident() == self._thread:
            self._add(attempt, text, reasoning)
        else:
            self._loop.call_soon_threadsafe(self._add, attempt, text, reasoning)

    def _add(self, attempt: _Attempt, text: str, reasoning: str) -> None:
        length = len(text) + len(reasoning)
        if attempt.is_cut or not length:
            return
        if self._characters + length > MOST_CHARACTERS:
            attempt.is_cut = True
            return
        self._characters += length
        attempt.text += text
        attempt.reasoning += reasoning
        self._waiting[attempt] = None
        left = self._flushed + FLUSH_SECONDS - self._loop.time()
        if left <= 0:
            self.flush()
        elif self._timer is None:
            self._timer = self._loop.call_later(left, self.flush)

    @property
    def has_text(self) -> bool:
        """Whether text waits to be sent."""
        return bool(self._waiting)

    def flush(self) -> None:
        """Send what waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._waiting:
            return
        parts = [attempt.next_part() for attempt in self._waiting]
        self._waiting.clear()
        self._characters = 0
        self._flushed = self._loop.time()
        self._send(wire.pack(wire.STREAMED, {"parts": parts}))


class _Call(CallStream):
    """The stream of one call."""

    def __init__(
        self, sender: TextSender, offset: int | None, call: tuple[int, int], epoch: int
    ) -> None:
        self._sender = sender
        self._offset = offset
        self._call = call
        self._epoch = epoch
        self._present: AttemptStream | None = None

    def write(self, text: str = "", *, reasoning: str = "") -> None:
        """As `CallStream.write`."""
        (self._present or self.attempt()).write(text, reasoning=reasoning)

    def attempt(self) -> AttemptStream:
        """As `CallStream.attempt`."""
        place = [self._offset, *self._call, self._epoch, self._sender.next_number()]
        self._present = _Attempt(self._sender, place)
        return self._present


class _Attempt(AttemptStream):
    """The stream of one attempt, and its text that waits to be sent."""

    def __init__(self, sender: TextSender, place: list[Any]) -> None:
        self._sender = sender
        self._place = place
        self._sent = 0
        self.text = ""
        self.reasoning = ""
        self.is_cut = False
        """Whether the rest of it is dropped."""

    def write(self, text: str = "", *, reasoning: str = "") -> None:
        """As `AttemptStream.write`."""
        self._sender.write(self, text, reasoning)

    def next_part(self) -> list[Any]:
        """Take the text that waits, as a part of a message."""
        self._sent += 1
        part = [*self._place, self._sent, self.text, self.reasoning]
        self.text = self.reasoning = ""
        return part
