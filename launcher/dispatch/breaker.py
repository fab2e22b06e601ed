"""The breaker: when workers fail too often, pool-wide, to be accidents.

A slot's own rules (`backoff.py`) see one worker, and let the search for a poisonous input go on
without pauses, because it ends by itself. But if every input kills, each search is followed by the
next, and a pool would burn its processors with deaths for as long as there are inputs. So failures
of all slots are counted over a sliding time, as Erlang's supervisors do with their *restart
intensity*; above the limit the breaker is *open*. Then, as configured, the pool stops, or it says
that it is degraded and makes each restart wait, the longer the more failures there are: what works
goes on, and what does not costs little. It closes by itself, once the failures are old.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 2.0
"""Seconds that a restart waits while the breaker is open: at the limit, and at most."""


@dataclass(frozen=True, slots=True)
class BreakerRule:
    """`failures` within `seconds` are too many (0: no number is); `stops` the pool then."""

    failures: int = 0
    seconds: float = 60.0
    stops: bool = False


class Breaker:
    """Failures of workers in a sliding time. Times are monotonic seconds, passed in."""

    __slots__ = ("_moments", "rule")

    def __init__(self, rule: BreakerRule | None = None) -> None:
        self.rule = rule or BreakerRule()
        # More than this make no difference: the pause is at its longest.
        self._moments: deque[float] = deque(maxlen=32 * max(1, self.rule.failures))

    def failed(self, now: float) -> float | None:
        """A worker has died or failed to start.

        Returns how many seconds its restart has to wait, None if the pool is to stop.
        """
        self._moments.append(now)
        if not self.is_open(now):
            return 0.0
        if self.rule.stops:
            return None
        times_over = self._recent(now) / self.rule.failures
        return min(LONGEST_PAUSE, FIRST_PAUSE * times_over)

    def is_open(self, now: float) -> bool:
        """Whether there are too many failures now."""
        return bool(self.rule.failures) and self._recent(now) >= self.rule.failures

    def describe(self, now: float) -> str:
        """Why the breaker is open; empty while it is closed."""
        if not self.is_open(now):
            return ""
        recent = self._recent(now)
        more = "or more " if recent == self._moments.maxlen else ""
        return f"{recent} {more}worker failures within {self.rule.seconds:g} s"

    def _recent(self, now: float) -> int:
        moments = self._moments
        while moments and moments[0] <= now - self.rule.seconds:
            moments.popleft()
        return len(moments)
