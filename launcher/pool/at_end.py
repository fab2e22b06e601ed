"""Decides when a pool whose input is exhausted has nothing more to do.

Runs may wait in the shards: for a moment, or for an answer. Only the workers know, so the pool asks
them in *rounds*. A worker that is asked announces what is due (and, at the true end of the input, a
run for each key that wants to know of it), and reports its shards when nothing is left to be done
in them. What is announced is work, and after it there is a new round. When all shards have been
reported in one round, without any work since it began, the job is done if nothing waits; else the
option `at-end` says whether the pool ends or goes on.

A worker that gets a shard later is asked in the same round, for the shard has to be reported anew.

This is a pure state machine: the pool sends the messages, and passes in the time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...store.waiting.reading import WaitingCounts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FIRST_REMARK_SECONDS: Final = 10.0
REMARK_SECONDS: Final = 60.0
"""The time between two messages on what a pool waits for."""


class EndOfInput:
    """The rounds at the end of one pool's input.

    Attributes:
        number: the number of the present round; 0 before the first.
    """

    def __init__(self, shards: int, at_end: str, limit: float) -> None:
        """`at_end` and `limit` are those options: `limit` is in seconds, for "auto"."""
        self.number = 0
        self._shards = shards
        self._at_end = at_end
        self._limit = limit
        self._work = -1
        self._reports: dict[int, WaitingCounts] = {}
        self._next_remark: float | None = None
        self._rested = 0
        """The last round for which `at_rest` has returned something."""

    def begin(self, work: int) -> bool:
        """Begin a new round if there was work since the last; return whether that is so.

        `work` counts all inputs and owned runs that have ever been submitted.
        """
        if work == self._work:
            return False
        self._work = work
        self.number += 1
        self._reports.clear()
        return True

    def report(self, number: int, shards: Mapping[int, WaitingCounts]) -> None:
        """A worker has nothing to do in these shards, of which it has reported what waits."""
        if number == self.number:
            self._reports.update(shards)

    def forget(self, shards: Iterable[int]) -> None:
        """Another worker has these shards now."""
        for shard in shards:
            self._reports.pop(shard, None)

    @property
    def counts(self) -> WaitingCounts | None:
        """What waits in all shards; None while not all of them have been reported."""
        if not self.number or len(self._reports) < self._shards:
            return None
        return sum(self._reports.values(), WaitingCounts())

    def is_over(self, now: float) -> bool:
        """Whether the pool ends; `now` is in seconds since the epoch."""
        counts = self.counts
        if counts is None:
            return False
        if not counts or self._at_end == "suspend":
            return True
        if self._at_end == "wait":
            return False
        return counts.next is None or counts.next - now > self._limit

    def at_rest(self) -> WaitingCounts | None:
        """What waits, when all is at rest: once in each round."""
        counts = self.counts
        if not counts or self._rested == self.number:
            return None
        self._rested = self.number
        return counts

    def remark(self, monotonic: float, now: float) -> str:
        """Return what a pool that goes on waits for, when it is time for a message; else ""."""
        counts = self.counts
        if not counts:
            return ""
        if self._next_remark is None:
            self._next_remark = monotonic + FIRST_REMARK_SECONDS
        if monotonic < self._next_remark:
            return ""
        self._next_remark = monotonic + REMARK_SECONDS
        return describe_waiting(counts, now)


def describe_waiting(counts: WaitingCounts, now: float) -> str:
    """Return what waits, for people: `2 runs wait, with 3 inputs behind them (...)`."""
    parts = []
    if counts.runs:
        behind = f", with {_count(counts.inputs, 'input')} behind" if counts.inputs else ""
        parts.append(f"{_count(counts.runs, 'run')} wait{'s' * (counts.runs == 1)}{behind}")
    elif counts.inputs:
        parts.append(f"{_count(counts.inputs, 'input')} wait{'s' * (counts.inputs == 1)}")
    if counts.timers:
        parts.append(f"{_count(counts.timers, 'timer')} to come")
    details = []
    if counts.next is not None:
        seconds = counts.next - now
        details.append(f"next due in {_duration(seconds)}" if seconds > 0 else "some are due")
    if counts.questions:
        details.append(f"{_count(counts.questions, 'question')} asked")
    return " and ".join(parts) + (f" ({', '.join(details)})" if details else "")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _duration(seconds: float) -> str:
    for unit, size in (("d", 86_400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 1 else "less than 1 s"
