"""A circuit breaker: whether a connection is asked at all, after failures that all workers share.

It opens when the service says that it has too much to do (429, overload), for the time that the
service names, or for a time that doubles with each failure; and when it was unavailable several
times in a row. When that time has passed, one call is a probe: if it succeeds, the breaker closes.
"""

from __future__ import annotations

from typing import Final

__all__ = ["LIMITED", "OVERLOADED", "UNAVAILABLE", "CircuitBreaker"]

LIMITED: Final = "limited"
OVERLOADED: Final = "overloaded"
UNAVAILABLE: Final = "unavailable"
"""How an attempt may fail that counts here."""

_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 60.0
_LONGEST_SAID: Final = 3600.0
_UNAVAILABLE_IN_A_ROW: Final = 3


class CircuitBreaker:
    """The breaker of one connection; pure."""

    __slots__ = ("_failures", "_open_until", "_pause", "_probe", "opened")

    def __init__(self) -> None:
        self._failures = 0
        self._open_until: float | None = None
        self._pause = _FIRST_PAUSE
        self._probe: object = None
        self.opened = 0
        """How often it has opened."""

    @property
    def is_closed(self) -> bool:
        """Whether calls are made as usual."""
        return self._open_until is None

    def pass_at(self, now: float) -> float:
        """When a call may be made: now or later; infinity while a probe is under way."""
        if self._open_until is None:
            return now
        if self._probe is not None:
            return float("inf")
        return max(now, self._open_until)

    @property
    def state(self) -> str:
        """The state, in a word."""
        if self._open_until is None:
            return "closed"
        return "open" if self._probe is None else "half-open"

    def begin(self, call: object) -> None:
        """A call is made; it is the probe if the breaker is open."""
        if self._open_until is not None:
            self._probe = call

    def succeeded(self, call: object) -> None:
        """A call has succeeded."""
        if self._open_until is None:
            self._failures = 0
            self._pause = _FIRST_PAUSE
        elif call == self._probe:
            self._close()

    def failed(self, call: object, kind: str, retry_after: float | None, now: float) -> None:
        """A call has failed, in a way that counts here."""
        is_probe = self._probe is not None and call == self._probe
        if kind == UNAVAILABLE and not is_probe:
            self._failures += 1
            if self._failures < _UNAVAILABLE_IN_A_ROW:
                return
        if is_probe:
            self._probe = None
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        elif self._open_until is None:
            self.opened += 1
        pause = self._pause if retry_after is None else min(retry_after, _LONGEST_SAID)
        self._open_until = max(self._open_until or now, now + pause)

    def ended(self, call: object) -> None:
        """A call has ended without showing how the service is."""
        if self._probe is not None and call == self._probe:
            self._probe = None

    def _close(self) -> None:
        self._open_until = self._probe = None
        self._failures = 0
        self._pause = _FIRST_PAUSE
