"""What a worker measures of itself, for its heartbeats.

The event loop's thread adds to most measures; those of durable calls are added to by threads as
well, so they have a lock.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Any, Final

from .names import BoundedNames
from .shapes import MEASURES, SECOND

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .shapes import Measure

__all__ = ["NO_ACTION", "FixedHistogram", "Measures", "UserTime"]

NO_ACTION: Final = "none"
"""The action of a run that has failed before its first one."""
_FEW: Final = 8
"""So few values are added one by one."""
_MOST_MODELS: Final = 300


class FixedHistogram:
    """How many values were in each bucket."""

    __slots__ = ("_bounds", "counts", "total")

    def __init__(self, bounds: Sequence[int]) -> None:
        """`bounds` are the upper bounds of all buckets but the last."""
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0
        """The sum of the values."""

    def add(self, value: int) -> None:
        """Add a value."""
        self.counts[bisect_left(self._bounds, value)] += 1
        self.total += value

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
        return total

    def snapshot(self) -> list[int]:
        """The value that a heartbeat carries."""
        return [self.total, *self.counts]


class UserTime:
    """For how long the agent's code was executed, on the loop's thread and on others."""

    __slots__ = ("began", "ns")

    def __init__(self) -> None:
        self.ns = 0
        self.began = 0
        """When a step of a task has begun; 0 if none is executed, or its action has ended."""

    def end(self) -> None:
        """The agent's part of a step of a task is over."""
        if self.began:
            self.ns += time.perf_counter_ns() - self.began
            self.began = 0


class Measures:
    """All measures of a worker.

    Attributes:
        durations: by action, how long each execution has taken.
        failed: by action, attempts that have failed.
        dead_letters: by cause.
        unwritten: by kind of file, records that could not be written, and are lost.
        user_time: how long the agent's code was executed.
    """

    def __init__(self, actions: Iterable[str]) -> None:
        names = [*actions]
        self.durations = {name: FixedHistogram(MEASURES["action_ns"]) for name in names}
        self.failed: dict[str, int] = dict.fromkeys(names, 0)
        self.dead_letters: dict[str, int] = {}
        self.unwritten: dict[str, int] = {}
        self.user_time = UserTime()
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
        self.user_time.ns += self.durations[name].add_all(durations)

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

    def count_commit(self, written: int, seconds: float) -> None:
        """A group was committed."""
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
        counts = self._counts.setdefault(measure, {})
        counts[label] = counts.get(label, 0) + n

    def _observe(self, measure: str, label: str, value: int) -> None:
        histograms = self._histograms.setdefault(measure, {})
        known = histograms.get(label)
        if known is None:
            known = histograms[label] = FixedHistogram(MEASURES[measure])
        known.add(value)

    def snapshot(self, executed: dict[str, int], runs: int) -> dict[str, Any]:
        """The values that a heartbeat carries, by measure and label."""
        with self._lock:
            measures: dict[str, Measure] = {
                "runs": {"": runs},
                "user_ns": {"": self.user_time.ns},
                "executed": {**executed},
                "failed": {name: n for name, n in self.failed.items() if n},
                "dead_letters": {**self.dead_letters},
                "unwritten": {**self.unwritten},
                **{name: {**counts} for name, counts in self._counts.items()},
                **{
                    name: {label: each.snapshot() for label, each in histograms.items()}
                    for name, histograms in self._histograms.items()
                },
            }
            measures["action_ns"] = {
                name: each.snapshot() for name, each in self.durations.items() if any(each.counts)
            }
        return measures
