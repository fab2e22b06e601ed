"""What a worker measures of itself, for its heartbeats.

The event loop's thread adds to most measures; those of durable calls are added to by threads as
well, so they have a lock.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Any, Final

from .cells import PRIVATE, SharedCounts
from .names import BoundedNames
from .shapes import MEASURES, SECOND

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .cells import Cell, Cells
    from .shapes import Measure

__all__ = ["MOST_TIMES", "NO_ACTION", "FixedHistogram", "Measures", "UserTime", "words_of"]

NO_ACTION: Final = "none"
"""The action of a run that has failed before its first one."""
MOST_TIMES: Final = 1024
_ZEROS: Final = memoryview(bytes(8 * MOST_TIMES)).cast("q")
_FEW: Final = 8
"""So few values are added one by one."""
_MOST_MODELS: Final = 300


class FixedHistogram:
    """How many values were in each bucket."""

    __slots__ = ("_bounds", "_cell", "counts", "total")

    def __init__(self, bounds: Sequence[int], cell: Cell | None = None) -> None:
        """`bounds` are the upper bounds of all buckets but the last; see `words_of` for `cell`."""
        self._bounds = bounds
        self._cell = PRIVATE.reserve(words=words_of(bounds)) if cell is None else cell
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0
        """The sum of the values."""

    def add(self, value: int) -> None:
        """Add a value."""
        bucket = bisect_left(self._bounds, value)
        self.counts[bucket] += 1
        self.total += value
        words = self._cell.words
        words[0] = self.total
        words[1 + bucket] = self.counts[bucket]

    def add_all(self, values: list[int]) -> int:
        """Add values; return their sum. The list is sorted, so that most of them cost little."""
        if len(values) < _FEW:
            for value in values:
                self.add(value)
            return sum(values)
        values.sort()
        below = 0
        for bucket, bound in enumerate(self._bounds):
            at_most = bisect_right(values, bound, below)
            self.counts[bucket] += at_most - below
            below = at_most
            if below == len(values):
                break
        self.counts[-1] += len(values) - below
        total = sum(values)
        self.total += total
        words = self._cell.words
        for place, number in enumerate(self.snapshot()):
            words[place] = number
        return total

    def snapshot(self) -> list[int]:
        """The value that a heartbeat carries."""
        return [self.total, *self.counts]


def words_of(bounds: Sequence[int]) -> int:
    """The number of words in the cell of a histogram: those of its snapshot."""
    return len(bounds) + 2


class UserTime:
    """For how long the agent's code was executed, on the loop's thread and on others."""

    __slots__ = ("_cell", "began", "ns")

    def __init__(self, cells: Cells = PRIVATE) -> None:
        self._cell = cells.reserve("user_ns", "")
        self.ns = 0
        self.began = 0
        """When a step of a task has begun; 0 if none is executed, or its action has ended."""

    def end(self) -> None:
        """The agent's part of a step of a task is over."""
        if self.began:
            self.add(time.perf_counter_ns() - self.began)
            self.began = 0

    def add(self, duration: int) -> None:
        """It was executed for so many nanoseconds; to be called on the loop's thread."""
        self.ns += duration
        self._cell.words[0] = self.ns


class Measures:
    """All measures of a worker.

    Attributes:
        executed: by action, executions that have ended without an error.
        durations: by action, how long each execution has taken.
        failed: by action, attempts that have failed.
        dead_letters: by cause.
        unwritten: by kind of file, records that could not be written, and are lost.
        user_time: how long the agent's code was executed.
        untaken: how many words of `plain_times` are to be taken.
    """

    def __init__(self, actions: Iterable[str], cells: Cells = PRIVATE) -> None:
        """`cells` are the worker's."""
        names = [*actions]
        self._cells = cells
        self.executed = SharedCounts(cells, "executed", names)
        self.durations = {name: self._histogram("action_ns", name) for name in names}
        self.failed = SharedCounts(cells, "failed", names)
        self.dead_letters: dict[str, int] = {}
        self.unwritten: dict[str, int] = {}
        self.user_time = UserTime(cells)
        self._set_aside = SharedCounts(cells, "dead_letters")
        self._plain: dict[str, Cell] = {}
        self._plain_name = ""
        self.untaken = 0
        self._lock = threading.Lock()
        self._models = BoundedNames(_MOST_MODELS)
        self._counts: dict[str, dict[str, int]] = {}
        self._histograms: dict[str, dict[str, FixedHistogram]] = {}

    def end_action(self, name: str, duration: int) -> None:
        """An execution of an action has ended after so many nanoseconds."""
        self.durations[name].add(duration)

    def end_plain_actions(self, name: str, durations: list[int]) -> None:
        """Executions of a plain action have ended on the loop's thread after so many nanoseconds.

        The list is sorted.
        """
        self.user_time.add(self.durations[name].add_all(durations))

    def plain_times(self, name: str) -> Cell:
        """Where executions of a plain action are to be put one by one, none of which is zero.

        It has `MOST_TIMES` words. What is there counts if the worker is killed.
        """
        if name != self._plain_name:
            self.take_times()
            self._plain_name = name
        if name not in self._plain:
            self._plain[name] = self._cells.reserve("plain_ns", name, words=MOST_TIMES)
        return self._plain[name]

    def take_times(self) -> None:
        """Count the executions that are `untaken`, of the action that `plain_times` named last."""
        if self.untaken:
            self.take_plain_times(self._plain_name, self.untaken)
            self.untaken = 0

    def take_plain_times(self, name: str, number: int) -> None:
        """Count the executions that are in the first words of `plain_times`: no error was one."""
        words = self._plain[name].words
        self.executed[name] += number
        self.end_plain_actions(name, words[:number].tolist())
        words[:number] = _ZEROS[:number]

    def fail_action(self, name: str | None) -> None:
        """An attempt has failed."""
        name = name or NO_ACTION
        self.failed[name] = self.failed.get(name, 0) + 1

    def set_aside(self, cause: str) -> None:
        """An input has become a dead letter."""
        self.dead_letters[cause] = self.dead_letters.get(cause, 0) + 1

    def count_call(self, measure: str, action: str | None) -> None:
        """Count a durable call of an action; from any thread."""
        with self._lock:
            self._count(measure, action or NO_ACTION)

    def count_commit(self, runs: int, written: int, seconds: float) -> None:
        """A group of so many runs was committed, and with it their dead letters."""
        if self.dead_letters != self._set_aside:
            self._set_aside.update_from(self.dead_letters)
        self._count("runs", "", runs)
        self._count("commit_bytes", "", written)
        self._observe("commit_ns", "", round(seconds * SECOND))

    def count_model(
        self, model: str, duration: int, *, tokens: tuple[int, int] | None, cost: int, failed: bool
    ) -> None:
        """A call of a model has ended; from any thread.

        Args:
            model: what was asked of it, a space, and its name.
            duration: of the call, in nanoseconds.
            tokens: of its input and of its output; None if they are not known.
            cost: in billionths.
            failed: whether it has raised.
        """
        with self._lock:
            model = self._models.place_of(model)
            self._observe("model_ns", model, duration)
            if failed:
                self._count("model_failures", model)
            if tokens is not None:
                self._observe("model_input", model, max(0, tokens[0]))
                self._observe("model_output", model, max(0, tokens[1]))
            if cost:
                self._count("model_cost", model, cost)

    def _count(self, measure: str, label: str, n: int = 1) -> None:
        counts = self._counts.get(measure)
        if counts is None:
            counts = self._counts[measure] = SharedCounts(self._cells, measure)
        counts[label] = counts.get(label, 0) + n

    def _observe(self, measure: str, label: str, value: int) -> None:
        histograms = self._histograms.setdefault(measure, {})
        known = histograms.get(label)
        if known is None:
            known = histograms[label] = self._histogram(measure, label)
        known.add(value)

    def _histogram(self, measure: str, label: str) -> FixedHistogram:
        bounds = MEASURES[measure]
        return FixedHistogram(bounds, self._cells.reserve(measure, label, words=words_of(bounds)))

    def snapshot(self, runs: int) -> dict[str, Any]:
        """The values that a heartbeat carries, by measure and label."""
        with self._lock:
            measures: dict[str, Measure] = {
                "user_ns": {"": self.user_time.ns},
                "executed": {**self.executed},
                "failed": {name: n for name, n in self.failed.items() if n},
                "dead_letters": {**self.dead_letters},
                "unwritten": {**self.unwritten},
                **{name: {**counts} for name, counts in self._counts.items()},
                "runs": {"": runs},
                **{
                    name: {label: each.snapshot() for label, each in histograms.items()}
                    for name, histograms in self._histograms.items()
                },
            }
            measures["action_ns"] = {
                name: each.snapshot() for name, each in self.durations.items() if any(each.counts)
            }
        return measures
