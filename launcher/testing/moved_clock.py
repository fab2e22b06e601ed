"""`Clock`: the clock of this process, as a test moves it."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from ...agent.waiting.moments import seconds_of
from ...store import clock

if TYPE_CHECKING:
    from typing_extensions import Self

    from ...agent.waiting.moments import Duration

__all__ = ["Clock"]


class Clock:
    """The clock that timers, waits and `ctx.now` go by, in this process.

    Between two moves it goes on as the real one does. As a context manager it is set back at the
    end of the block.
    """

    def __init__(self, start: datetime | None = None) -> None:
        """Set it to a moment; None leaves it as it is. One without a time zone is in UTC."""
        self._moved = 0.0
        if start is not None:
            self.set(start)

    def now(self) -> datetime:
        """The time, in UTC."""
        return datetime.fromtimestamp(clock.now(), timezone.utc)

    def advance(self, duration: Duration) -> None:
        """Move it forward: seconds, or a `timedelta`."""
        self._move(seconds_of(duration, "the duration of Clock.advance"))

    def set(self, moment: datetime) -> None:
        """Set it to a moment, which may be in the past."""
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=timezone.utc)
        self._move(moment.timestamp() - clock.now())

    def _move(self, seconds: float) -> None:
        self._moved += seconds
        clock.advance(seconds)

    def restore(self) -> None:
        """Set it back to the real time."""
        moved, self._moved = self._moved, 0.0
        clock.advance(-moved)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.restore()
