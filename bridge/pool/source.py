"""The pool's source: the inputs that the task sends, and everything else that it says.

Both come over one pipe, in order, and the order matters: a barrier stands between the inputs that
are part of a checkpoint and those that are not. So this is the only place that reads the pipe.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from ...launcher.sources.base import Position, Source
from . import frames

if TYPE_CHECKING:
    from ...launcher.sources.base import Identity, Record
    from .barriers import Barriers
    from .delivery import TaskDelivery
    from .frames import Frame, Inputs
    from .pipe import Pipe


class TaskSource(Source):
    """Reads what the task sends."""

    codec = "pickle"

    def __init__(
        self, pipe: Pipe, step: int, delivery: TaskDelivery, barriers: Barriers, early: list[Frame]
    ) -> None:
        """`step` is between the offsets of inputs; `early` are frames that have been read."""
        self.step = step
        self._pipe = pipe
        self._delivery = delivery
        self._barriers = barriers
        self._waiting: deque[Inputs] = deque()
        self._frames: deque[Frame] = deque(early)

    @property
    def position(self) -> Position:
        """Where the next `read` begins; looks whether something has come."""
        if not self._waiting:
            self._listen()
        return Position(self._waiting[0].first if self._waiting else 0)

    def read(self, limit: int) -> list[Record]:
        """As `Source.read`.

        Raises:
            TaskEndedError: the task is gone.
        """
        if not self._waiting:
            return []
        first, records = self._waiting.popleft()
        if len(records) > limit:
            rest = frames.Inputs(first + limit * self.step, records[limit:])
            self._waiting.appendleft(rest)
            del records[limit:]
        return records

    def _listen(self) -> None:
        """Take frames up to the next inputs: what they are part of is decided by the order."""
        while not self._waiting:
            if not self._frames:
                self._frames.extend(self._pipe.receive())
                if not self._frames:
                    return
            self._take(self._frames.popleft())

    def _take(self, frame: Frame) -> None:
        kind, body = frame
        if kind == frames.INPUTS:
            self._waiting.append(frames.unpack_inputs(body))
        elif kind == frames.ACKNOWLEDGE:
            self._delivery.acknowledge(frames.number_of(body))
        elif kind == frames.BARRIER:
            self._barriers.hold(frames.number_of(body))
        elif kind == frames.QUERY:
            self._barriers.narrow(*frames.unpack_query(body))
        elif kind == frames.PULL:
            parts = self._barriers.next_parts(frames.number_of(body))
            self._pipe.send(frames.pack(frames.PARTS, body[:8], frames.pack_parts(parts)))
        elif kind == frames.DROP:
            self._barriers.drop(frames.number_of(body))

    def fileno(self) -> int | None:
        """As `Source.fileno`."""
        return None if self._frames else self._pipe.fileno()

    def seek(self, position: Position) -> None:
        """The task sends again what has to be."""

    def identity(self) -> Identity:
        """What tells this input from another."""
        return {"kind": "task"}

    def check(self, identity: Identity) -> None:
        """There is only one."""
