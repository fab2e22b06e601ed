"""Timers that an action sets and cancels, as its effects have them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from ...agent.errors import TimerError
from ...store.records.offsets import RunKind, derived_number
from ...store.waiting.records import OwnedHeader, OwnedRun, microseconds

if TYPE_CHECKING:
    from ...store.waiting.changes import WaitingChanges

__all__ = [
    "TimerChange",
    "check_id",
    "check_new_id",
    "generated_id",
    "next_repetition",
    "number_of_generated",
]

_LONGEST_ID: Final = 200
_GENERATED: Final = "timer-"


class TimerChange(NamedTuple):
    """A timer that is set or cancelled."""

    number: int
    id: str
    record: bytes | None
    """The owned run; None: the timer is cancelled."""

    @property
    def due(self) -> int | None:
        """When it comes, in microseconds since the epoch; None if it is cancelled."""
        return None if self.record is None else OwnedHeader.decode(self.record).due

    def write(self, changes: WaitingChanges) -> None:
        """Add it to the changes of a commit."""
        named = "" if number_of_generated(self.id) is not None else self.id
        if self.record is None:
            changes.remove(self.number, named)
        else:
            changes.put(self.number, self.record, timer_id=named)


def check_id(timer_id: object) -> None:
    """Check an id that a user has chosen.

    Raises:
        TimerError: it is no text, empty, or too long.
    """
    if not isinstance(timer_id, str) or not timer_id:
        raise TimerError(f"The id of a timer is {timer_id!r}: it is a text that is not empty.")
    if len(timer_id.encode("utf-8", "surrogatepass")) > _LONGEST_ID:
        raise TimerError(
            f"The id of a timer, {timer_id[:40]!r}..., is longer than {_LONGEST_ID} bytes."
        )


def check_new_id(timer_id: object) -> None:
    """Check an id that a user gives to a new timer.

    Raises:
        TimerError: as `check_id`; or it looks like an id that a timer without one gets.
    """
    check_id(timer_id)
    if number_of_generated(str(timer_id)) is not None:
        raise TimerError(
            f"The id of a timer is {timer_id!r}: such ids are those of timers that got none.",
            hint="Choose an id of your own, or none.",
        )


def generated_id(number: int) -> str:
    """The id of a timer to which its user gave none."""
    return f"{_GENERATED}{number:016x}"


def number_of_generated(timer_id: str) -> int | None:
    """Inverse of `generated_id`; None for an id that a user has chosen."""
    digits = timer_id.removeprefix(_GENERATED)
    if digits == timer_id or len(digits) != 16:
        return None
    try:
        return int(digits, 16)
    except ValueError:
        return None


def next_repetition(timer: OwnedRun, now: float) -> tuple[int, OwnedRun]:
    """The timer that follows a repeated one, with its number; past moments are left out."""
    missed = max(0.0, (now - timer.due) // timer.every)
    due = timer.due + timer.every * (missed + 1)
    number = derived_number(RunKind.TIMER, timer.key, timer.id.encode(), microseconds(due))
    following = OwnedRun(
        kind=RunKind.TIMER,
        key=timer.key,
        payload=timer.payload,
        due=due,
        id=timer.id,
        every=timer.every,
        origin=timer.origin,
    )
    return number, following
