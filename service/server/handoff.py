"""What the pool's thread and the frontend's thread hand each other.

Inputs go by way of the request log: the frontend records them and wakes the pool, which reads.
Outcomes go back as they arrive, before they are in the request log: they need not be there first,
because what they come from is committed in its shard, and would come again. They stay here until
they are.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from ...store.wakeup import Wakeup

if TYPE_CHECKING:
    from ...agent.errors import TamiasError


class Handoff:
    """What both threads share.

    Attributes:
        arrivals: wakes the pool when inputs were recorded, or the frontend has failed.
        frontend: wakes the frontend.
        failure: what has ended the frontend's thread, if it was not asked to end.
    """

    def __init__(self) -> None:
        self.arrivals = Wakeup()
        self.frontend = Wakeup()
        self.failure: TamiasError | None = None
        self._lock = threading.Lock()
        self._unsaved: dict[int, bytes] = {}
        self._bytes = 0
        self._answered: deque[list[int]] = deque()

    def answer(self, outcomes: dict[int, bytes]) -> int:
        """Hand over outcomes; return the bytes that are not in the request log yet."""
        with self._lock:
            self._unsaved.update(outcomes)
            self._bytes += sum(map(len, outcomes.values()))
            unsaved = self._bytes
        self._answered.append(list(outcomes))
        self.frontend.wake()
        return unsaved

    def unsaved(self) -> dict[int, bytes]:
        """For the pool: the outcomes to record; `saved` must follow."""
        with self._lock:
            return dict(self._unsaved)

    def saved(self, outcomes: dict[int, bytes]) -> None:
        """For the pool: note that these are in the request log."""
        with self._lock:
            for offset in outcomes:
                del self._unsaved[offset]
            self._bytes -= sum(map(len, outcomes.values()))

    def answered(self) -> list[int]:
        """For the frontend: offsets that have got an outcome since the last call."""
        offsets: list[int] = []
        while self._answered:
            offsets += self._answered.popleft()
        return offsets

    def outcome(self, offset: int) -> bytes | None:
        """For the frontend: an outcome that may not be in the request log yet."""
        with self._lock:
            return self._unsaved.get(offset)

    def close(self) -> None:
        """Close both descriptors, when both threads have ended."""
        self.arrivals.close()
        self.frontend.close()
