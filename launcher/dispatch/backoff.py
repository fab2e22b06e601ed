"""When a slot's worker may be started again, and when it is time to stop trying.

The idea is the restart intensity of Erlang's supervisors, per slot. A death while inputs were in
flight is a step of the search for a poisonous input (`quarantine.py`); that search ends by itself,
so it never waits. Everything else is the worker's own trouble, and trouble that repeats without
any sign of life is met with growing pauses and finally with giving up:

- a worker that dies before it is ready (a start failure);
- a ready worker that dies though nothing was in flight, or no item that could be a suspect.

The first restart after a death is immediate: most deaths are accidents and the next event should
not wait for a rule about the rare ones. The other way round, one that does not even start has
hardly ever a reason to succeed a microsecond later.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses and limits: `first` and `cap` in seconds, doubling in between.

    `starts` start failures in a row, or `deaths` unexplained deaths in a row, end the pool. A row
    of deaths is broken by any completed input, and by a life of at least `steady` seconds (so that
    an operator who kills an idle worker now and then does not end the pool).
    """

    first: float = 0.05
    cap: float = 5.0
    starts: int = 5
    deaths: int = 20
    steady: float = 10.0

    def pause(self, failures: int) -> float:
        """Seconds to wait after so many failures in a row; 0.0 when there was none."""
        if failures <= 0:
            return 0.0
        return min(self.cap, self.first * 2.0 ** min(failures - 1, 60))


class FailureStreak:
    """The failures in a row of one slot."""

    __slots__ = ("_backoff", "deaths", "starts")

    def __init__(self, backoff: Backoff) -> None:
        self._backoff = backoff
        self.starts = 0
        self.deaths = 0

    def start_failed(self) -> float | None:
        """Seconds until the next try, or None when there were too many."""
        self.starts += 1
        if self.starts >= self._backoff.starts:
            return None
        return self._backoff.pause(self.starts)

    def died(self, *, lived: float, explained: bool) -> float | None:
        """The same for a worker that was ready and lived so many seconds."""
        if explained:
            return 0.0
        if lived >= self._backoff.steady:
            self.deaths = 0
        self.deaths += 1
        if self.deaths >= self._backoff.deaths:
            return None
        return self._backoff.pause(self.deaths - 1)
