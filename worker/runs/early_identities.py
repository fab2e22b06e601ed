"""The early origins of a run: those of events whose id is read before they are sent."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    from ...agent.event import Event
    from ...agent.events.identity import EarlyOrigin


class EarlyIdentities:
    """The early origins of one attempt at a run."""

    __slots__ = ("_counts", "_owners", "_prefix", "_step")

    def __init__(self, key: bytes, offset: int) -> None:
        self._prefix = (key, offset)
        self._counts: dict[tuple[int, bytes], count[int]] = {}
        self._owners: dict[EarlyOrigin, Event] = {}
        self._step = -1

    def next_origin(self, step: int, place: bytes) -> EarlyOrigin:
        """The next origin at a place. May be called by several threads at once."""
        number = next(self._counts.setdefault((step, place), count()))
        return *self._prefix, step + 1, number, place

    def random_origin(self, step: int) -> EarlyOrigin:
        """A random origin of the step."""
        return *self._prefix, step + 1, 0, b"?" + uuid4().bytes

    def keeps(self, event: Event, origin: EarlyOrigin, step: int) -> bool:
        """Whether an event that is sent keeps its origin: no other one, as a copy, has it."""
        if origin[:3] != (*self._prefix, step + 1):
            return False
        if self._step != step:
            self._step = step
            self._owners.clear()
        return self._owners.setdefault(origin, event) is event
