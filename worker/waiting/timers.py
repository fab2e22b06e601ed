"""Timers that an action sets and cancels, as its effects have them."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from ...agent.errors import TimerError
from ...store.records.offsets import RunKind, derived_number
from ...store.waiting.records import OwnedHeader, OwnedRun, id_bytes, microseconds

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...store.waiting.changes import WaitingChanges

__all__ = [
    "TimerChange",
    "TimerChanges",
    "check_id",
    "check_new_id",
    "generated_id",
    "next_repetition",
    "number_of_generated",
]

_LONGEST_ID: Final = 200
_GENERATED: Final = "timer-"
_NEXT_MOMENT: Final = 1e-6
"""Seconds: as exactly as the store knows moments."""


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


class TimerChanges(list[TimerChange]):
    """The timers that a run sets and cancels, in order.

    A run may set very many, of one moment too, so what is asked of them is kept beside the list.
    """

    __slots__ = ("_by_id", "_indexed", "_moments")

    def __init__(self, changes: Iterable[TimerChange] = ()) -> None:
        super().__init__(changes)
        self._indexed = 0
        self._by_id: dict[str, TimerChange] = {}
        self._moments: dict[int, float] = {}
        """The moments that are taken, in microseconds, and the last one that was given in place of
        each, in seconds."""

    def last_of(self, timer_id: str) -> TimerChange | None:
        """The last change of the timer with this id."""
        self._index()
        return self._by_id.get(timer_id)

    def free_moment(self, due: float) -> float:
        """The moment for a new timer: those of one moment come in the order in which they were set.

        It is taken from now on.
        """
        self._index()
        taken = self._moments
        wanted = microseconds(due)
        if wanted in taken:
            due = taken[wanted]
            while microseconds(due) in taken:
                due += _NEXT_MOMENT
            taken[wanted] = due
        taken[microseconds(due)] = due
        return due

    def _index(self) -> None:
        """Take up the changes that have come since."""
        for change in islice(self, self._indexed, None):
            self._by_id[change.id] = change
            due = change.due
            if due is not None:
                self._moments.setdefault(due, due / 1e6)
        self._indexed = len(self)


def check_id(timer_id: object) -> None:
    """Check an id that a user has chosen.

    Raises:
        TimerError: it is no text, empty, or too long.
    """
    if not isinstance(timer_id, str) or not timer_id:
        raise TimerError(f"The id of a timer is {timer_id!r}: it is a text that is not empty.")
    if len(id_bytes(timer_id)) > _LONGEST_ID:
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
    number = derived_number(RunKind.TIMER, timer.key, id_bytes(timer.id), microseconds(due))
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
