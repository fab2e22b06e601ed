"""Which inputs have streams, and what has arrived of them: between the pool and who reads it.

The reader says which inputs are wanted, from its own thread. The pool tells all its workers,
before it sends them the inputs, since a worker decides when a call begins whether it has a stream.
What workers send waits here for the reader. If too much does, it is dropped: each part has its
number in its attempt, so the reader of the stream sees that the rest is missing.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ...worker import wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..connection.transport import WorkerTransport
    from ..workers.registry import WorkerRegistry

MOST_CHARACTERS: Final = 4 << 20
"""So much text at most waits for its reader."""


class StreamedText(NamedTuple):
    """A part of what a call has written."""

    offset: int
    """Of the input."""
    step: int
    """The number of the action in its run."""
    call: int
    """The number of the call in the action; -1: the action itself."""
    epoch: int
    attempt: int
    """With `epoch`: higher than those of all earlier attempts of the call."""
    number: int
    """The number of the part in its attempt, from 1."""
    text: str
    reasoning: str


class TextStreams:
    """The streams of one pool.

    Args:
        wake: wakes the reader.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._lock = threading.Lock()
        self._wanted: set[int] = set()
        self._changed: set[int] = set()
        self._parts: list[StreamedText] = []
        self._characters = 0

    # -- the reader ---------------------------------------------------------------------------

    def want(self, offsets: Iterable[int]) -> None:
        """Have the calls of these inputs send what they write."""
        with self._lock:
            fresh = set(offsets) - self._wanted
            self._wanted |= fresh
            self._changed |= fresh

    def forget(self, offsets: Iterable[int]) -> None:
        """Have them send nothing any more."""
        with self._lock:
            known = self._wanted.intersection(offsets)
            self._wanted -= known
            self._changed |= known

    def take(self) -> list[StreamedText]:
        """Return what has arrived since the last call."""
        if not self._parts:
            return []
        with self._lock:
            parts, self._parts = self._parts, []
            self._characters = 0
        return parts

    # -- the pool -----------------------------------------------------------------------------

    def announce(self, registry: WorkerRegistry, transport: WorkerTransport) -> None:
        """Send the workers what has changed, and new workers all."""
        workers = [worker for worker in registry if worker.ready and worker.streams]
        if not self._changed and all(worker.knows_streams for worker in workers):
            return
        with self._lock:
            changed, self._changed = self._changed, set()
            wanted = sorted(self._wanted)
            change = {
                "want": sorted(changed & self._wanted),
                "forget": sorted(changed - self._wanted),
                "all": False,
            }
        for worker in workers:
            if not worker.knows_streams:
                worker.knows_streams = True
                if wanted:
                    body = {"want": wanted, "forget": [], "all": True}
                    transport.send(worker.identity, wire.pack(wire.WANTED, body))
            elif changed:
                transport.send(worker.identity, wire.pack(wire.WANTED, change))

    def receive(self, body: dict[str, Any]) -> None:
        """Take a worker's message."""
        with self._lock:
            for values in body["parts"]:
                part = StreamedText(*values)
                length = len(part.text) + len(part.reasoning)
                if part.offset in self._wanted and self._characters + length <= MOST_CHARACTERS:
                    self._characters += length
                    self._parts.append(part)
        self._wake()
