"""Passes inputs and outcomes between the pool's thread and the frontend's thread.

Inputs go through the request log: the frontend records them and wakes the pool, which reads them.
Outcomes go back as they arrive, before they are in the request log: that is safe, because the run
is committed in its shard, which would send them again after a crash. They stay here until they are
in the request log.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from ...store.wakeup import Wakeup

if TYPE_CHECKING:
    from typing import TypeAlias

    from ...agent.errors import TamiasError

    Call: TypeAlias = tuple[int, int]
    """A client's number and the sequence of its submission."""


class Handoff:
    """The state that both threads share.

    Attributes:
        arrivals: wakes the pool when inputs were recorded, or the frontend has failed.
        frontend: wakes the frontend.
        failure: the error that has ended the frontend's thread; None if there is none.
        unclaimed: outputs of timers and ends of the input, which no client gets.
    """

    def __init__(self) -> None:
        self.arrivals = Wakeup()
        self.frontend = Wakeup()
        self.failure: TamiasError | None = None
        self.unclaimed = 0
        self._lock = threading.Lock()
        self._unsaved: dict[int, bytes] = {}
        self._bytes = 0
        self._answered: deque[dict[int, Call | None]] = deque()
        self._suspended: deque[list[int]] = deque()

    def suspend(self, offsets: list[int]) -> None:
        """Report that the runs of these inputs wait, and may do so for long."""
        self._suspended.append(offsets)
        self.frontend.wake()

    def suspended(self) -> list[int]:
        """For the frontend: return what has been suspended since the last call."""
        offsets: list[int] = []
        while self._suspended:
            offsets += self._suspended.popleft()
        return offsets

    def answer(self, outcomes: dict[int, bytes], calls: dict[int, Call] | None = None) -> int:
        """Hand over outcomes; return the bytes that are not in the request log yet.

        `calls` has client and sequence of those whose runs were suspended.
        """
        with self._lock:
            self._unsaved.update(outcomes)
            self._bytes += sum(map(len, outcomes.values()))
            unsaved = self._bytes
        self._answered.append({offset: (calls or {}).get(offset) for offset in outcomes})
        self.frontend.wake()
        return unsaved

    def unsaved(self) -> dict[int, bytes]:
        """For the pool: return the outcomes to record; `saved` must follow."""
        with self._lock:
            return dict(self._unsaved)

    def saved(self, outcomes: dict[int, bytes]) -> None:
        """For the pool: note that these are in the request log."""
        with self._lock:
            for offset in outcomes:
                del self._unsaved[offset]
            self._bytes -= sum(map(len, outcomes.values()))

    def answered(self) -> dict[int, Call | None]:
        """For the frontend: return what has got an outcome since the last call, by offset.

        Each with client and sequence, if its run was suspended.
        """
        answered: dict[int, Call | None] = {}
        while self._answered:
            answered.update(self._answered.popleft())
        return answered

    def outcome(self, offset: int) -> bytes | None:
        """For the frontend: return an outcome that may not be in the request log yet."""
        with self._lock:
            return self._unsaved.get(offset)

    def close(self) -> None:
        """Close both descriptors, when both threads have ended."""
        self.arrivals.close()
        self.frontend.close()
