"""Metrics of a worker: plain numbers, reported to the launcher once a second.

An update is only an addition in this process. With each heartbeat the worker sends a snapshot of
all metrics, as totals, so that a lost heartbeat loses nothing. Names are those of Flink Agents:
`numOfEventProcessed`, `numOfActionsExecuted` and their `...PerSec` for the agent, the latter two
also under `action.<name>`.
"""

from __future__ import annotations

import time
from collections import deque
from functools import partial
from math import isfinite
from operator import index
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from ..agent.metrics import Counter, Gauge, Histogram, Meter, MetricGroup
from .buckets import Buckets, add_buckets, bucket_of
from .failure_kinds import FailureKinds
from .metering.cells import NUMBER, PRIVATE, SharedCounts
from .metering.measures import Measures
from .metering.names import LONGEST, OTHER
from .notices import Notices

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..agent.hooks import Hooks
    from .hooks import WorkerHook
    from .metering.cells import Cell, Cells, Reserve

MOST_METRICS: Final = 1000
"""An agent may make so many metrics and groups, not counting those of tamias."""
RATE_SECONDS = 60.0
"""A meter's rate is the mean over this long, as in Flink."""


_LARGEST: Final = 1 << 63


def _number(value: Any) -> Any:
    """Return a value as an int or float that a heartbeat can carry.

    Raises:
        TypeError, ValueError, OverflowError: it is none. That is an error of the action that gives
            it to a metric; it must not be one of the heartbeat.
    """
    kind = type(value)
    if kind is float:
        return value
    if kind is not int:
        if issubclass(kind, (str, bytes)):
            raise TypeError(f"a metric takes numbers, not {kind.__qualname__}")
        try:
            value = index(value)  # a bool, or an integer of numpy
        except TypeError:
            return float(value)
    if not -_LARGEST <= value <= _LARGEST:
        raise OverflowError("a metric takes integers of at most 64 bits")
    return value


class WorkerCounter(Counter):
    """A number that goes up and down."""

    __slots__ = ("_cell", "_count")

    def __init__(self, reserve: Reserve = PRIVATE.reserve) -> None:
        self._count = 0
        self._cell = reserve(words=NUMBER)

    def inc(self, n: int = 1) -> None:
        """Add n."""
        self._count += _number(n)
        self._cell.write(self._count)

    def dec(self, n: int = 1) -> None:
        """Subtract n."""
        self._count -= _number(n)
        self._cell.write(self._count)

    def get_count(self) -> int:
        """The current number."""
        return self._count

    def snapshot(self) -> int:
        """The value that a heartbeat carries."""
        return self._count


class WorkerMeter(Meter):
    """Events per second over the last minute, from one sample a second at most."""

    __slots__ = ("_cell", "_clock", "_count", "_samples")

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, reserve: Reserve = PRIVATE.reserve
    ) -> None:
        self._clock = clock
        self._count = 0
        self._cell = reserve(words=NUMBER)
        self._samples: deque[tuple[float, int]] = deque([(clock(), 0)])

    def mark(self, n: int = 1) -> None:
        """Count n events."""
        self._count += _number(n)
        self._cell.write(self._count)

    def get_rate(self) -> float:
        """Events per second."""
        now = self._clock()
        samples = self._samples
        if now - samples[-1][0] >= 1.0:
            samples.append((now, self._count))
        while len(samples) > 1 and now - samples[1][0] >= RATE_SECONDS:
            samples.popleft()
        began, count = samples[0]
        return (self._count - count) / max(now - began, 1e-9) if self._count > count else 0.0

    def get_count(self) -> int:
        """Events since the start."""
        return self._count

    def snapshot(self) -> dict[str, float]:
        """The value that a heartbeat carries."""
        return {"count": self._count, "rate": self.get_rate()}


class WorkerGauge(Gauge):
    """The latest of some values."""

    __slots__ = ("_at", "_cell", "_value")

    def __init__(self, reserve: Reserve = PRIVATE.reserve) -> None:
        self._cell = reserve(words=2 * NUMBER)
        self._value: float = 0
        self._at = 0.0
        """When it was set, in seconds since the epoch: the last one of all workers counts."""

    def update(self, value: float) -> None:
        """Set the value."""
        self._value = _number(value)
        self._at = time.time()
        self._cell.write(self._value)
        self._cell.write(self._at, NUMBER)

    def get_value(self) -> float:
        """The latest value."""
        return self._value

    def snapshot(self) -> dict[str, float]:
        """The value that a heartbeat carries."""
        return {"gauge": self._value, "at": self._at}


class WorkerHistogram(Histogram):
    """The distribution of values: of the latest ones for the agent, of all for the launcher."""

    __slots__ = (
        "_buckets",
        "_cell",
        "_cells",
        "_clock",
        "_count",
        "_least",
        "_most",
        "_recent",
        "_reserve",
        "_since",
        "_sum",
        "_window",
    )

    def __init__(
        self,
        window_size: int = 100,
        clock: Callable[[], float] = time.monotonic,
        reserve: Reserve = PRIVATE.reserve,
    ) -> None:
        self._reserve = reserve
        self._cell = reserve(words=4 * NUMBER)
        """The numbers of a snapshot, in this order."""
        self._cells: dict[str, Cell] = {}
        """Those of buckets."""
        self._window: deque[float] = deque(maxlen=window_size)
        self._clock = clock
        self._count = 0
        self._sum = 0.0
        self._least: float = 0
        self._most: float = 0
        self._buckets: Buckets = {}
        self._recent: tuple[Buckets, Buckets] = ({}, {})
        """Those of the last `RATE_SECONDS` at least, and of twice that at most, in two parts."""
        self._since = clock()

    def update(self, value: float) -> None:
        """Add a value; the oldest one beyond the window is forgotten."""
        value = _number(value)
        self._window.append(value)
        self._least = min(self._least, value) if self._count else value
        self._most = max(self._most, value) if self._count else value
        self._count += 1
        if isfinite(value):
            self._sum += value
        bucket = bucket_of(value)
        count = self._buckets[bucket] = self._buckets.get(bucket, 0) + 1
        if bucket not in self._cells:
            self._cells[bucket] = self._reserve(bucket)
        self._cells[bucket].words[0] = count
        for place, number in enumerate((self._count, self._sum, self._least, self._most)):
            self._cell.write(number, place * NUMBER)
        self._turn()
        recent = self._recent[1]
        recent[bucket] = recent.get(bucket, 0) + 1

    def _turn(self) -> None:
        """Begin a new part of the recent values when one is full."""
        passed = self._clock() - self._since
        if passed >= RATE_SECONDS:
            self._recent = ({} if passed >= 2 * RATE_SECONDS else self._recent[1], {})
            self._since = self._clock()

    def get_mean(self) -> float:
        """Mean of the window, 0.0 when empty."""
        return sum(self._window) / len(self._window) if self._window else 0.0

    def get_max(self) -> float:
        """Largest of the window, 0 when empty."""
        return max(self._window, default=0)

    def get_min(self) -> float:
        """Smallest of the window, 0 when empty."""
        return min(self._window, default=0)

    def get_count(self) -> int:
        """How many values there have been."""
        return self._count

    def get_quantile(self, q: float) -> float:
        """The q-quantile (0 to 1) of the window by nearest rank, 0 when empty."""
        ordered = sorted(self._window)
        return ordered[min(len(ordered) - 1, int(q * len(ordered)))] if ordered else 0

    def snapshot(self) -> dict[str, Any]:
        """The value that a heartbeat carries."""
        self._turn()
        recent: Buckets = {}
        for part in self._recent:
            add_buckets(recent, part)
        return {
            "count": self._count,
            "sum": self._sum,
            "min": self._least,
            "max": self._most,
            "buckets": dict(self._buckets),
            "recent": recent,
        }


_Metric = WorkerCounter | WorkerMeter | WorkerGauge | WorkerHistogram
_Kind = TypeVar("_Kind", WorkerCounter, WorkerMeter, WorkerGauge, WorkerHistogram)


class MetricSpace:
    """How many metrics and groups an agent may still make, and the metrics that all others share.

    An agent that names metrics after keys would fill heartbeats and monitoring systems without end.
    """

    def __init__(
        self,
        most: int = MOST_METRICS,
        when_full: Callable[[], None] = lambda: None,
        cells: Cells = PRIVATE,
    ) -> None:
        """`when_full` is called each time that there is no space; `cells` are the worker's."""
        self.cells = cells
        self._left = most
        self._when_full = when_full
        self._shared: dict[type, _Metric] = {}

    def take(self, name: str) -> bool:
        """Take the space of one metric or group, if there is any."""
        if self._left <= 0 or len(name) > LONGEST:
            self._when_full()
            return False
        self._left -= 1
        return True

    def shared(self, kind: type[_Kind]) -> _Kind:
        """The metric of a kind in place of those that have no space."""
        known = self._shared.get(kind)
        if known is None:
            reserve = partial(self.cells.reserve, _kind_name(kind), f"{OTHER}.{_kind_name(kind)}")
            known = self._shared[kind] = kind(reserve=reserve)
        return cast("_Kind", known)

    def snapshot(self) -> dict[str, Any]:
        """The values of these metrics; of gauges there is none that means anything."""
        return {
            f"{OTHER}.{_kind_name(kind)}": metric.snapshot()
            for kind, metric in list(self._shared.items())
            if kind is not WorkerGauge
        }


def _kind_name(kind: type) -> str:
    return kind.__name__.removeprefix("Worker").lower()


class WorkerMetricGroup(MetricGroup):
    """Metrics and groups under one name."""

    def __init__(self, space: MetricSpace | None = None, prefix: str = "") -> None:
        """`space` is shared by all groups of a worker; `prefix` is that of the metrics' names."""
        self._prefix = prefix
        self._space = MetricSpace() if space is None else space
        self._metrics: dict[str, _Metric] = {}
        self._groups: dict[str, WorkerMetricGroup] = {}

    def get_sub_group(self, name: str, value: str | None = None) -> WorkerMetricGroup:
        """The group of that name below this one; with `value`, the pair `name.value`."""
        name = str(name)
        group = self._groups.get(name)
        if group is None:
            group = WorkerMetricGroup(self._space, f"{self._prefix}{name}.")
            if self._space.take(name):
                group = self._groups.setdefault(name, group)
        return group if value is None else group.get_sub_group(value)

    def reserve(self, name: str) -> None:
        """Make a counter and its meter, which need no space, and have no cells: see `published`."""
        self._metrics.setdefault(name, WorkerCounter())
        self._metrics.setdefault(f"{name}PerSec", WorkerMeter())

    def get_counter(self, name: str) -> WorkerCounter:
        """The counter of that name."""
        return self._get(name, WorkerCounter)

    def get_meter(self, name: str) -> WorkerMeter:
        """The meter of that name."""
        return self._get(name, WorkerMeter)

    def get_gauge(self, name: str) -> WorkerGauge:
        """The gauge of that name."""
        return self._get(name, WorkerGauge)

    def get_histogram(self, name: str, window_size: int = 100) -> WorkerHistogram:
        """The histogram of that name; `window_size` is used only when it is made."""
        return self._get(name, WorkerHistogram, window_size=window_size)

    def _get(self, name: str, kind: type[_Kind], **arguments: Any) -> _Kind:
        name = str(name)  # a heartbeat carries names as text
        metric = self._metrics.get(name)
        if metric is None:
            if not self._space.take(name):
                return self._space.shared(kind)
            reserve = partial(self._space.cells.reserve, _kind_name(kind), self._prefix + name)
            metric = self._metrics[name] = kind(reserve=reserve, **arguments)
        if not isinstance(metric, kind):
            raise TypeError(
                f"metric {name!r} is a {_kind_name(type(metric))} already; choose another name for"
                f" the {_kind_name(kind)}"
            )
        return metric

    def snapshot(self) -> dict[str, Any]:
        """All values below this group, by dotted name."""
        flat: dict[str, Any] = {
            name: metric.snapshot() for name, metric in list(self._metrics.items())
        }
        for name, group in list(self._groups.items()):
            flat.update((f"{name}.{inner}", value) for inner, value in group.snapshot().items())
        return flat


class _Total:
    """An attribute of `WorkerMetrics` that is a count of its `counts`."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, metrics: WorkerMetrics, owner: type) -> int:
        return metrics.counts[self._name]

    def __set__(self, metrics: WorkerMetrics, count: int) -> None:
        metrics.counts[self._name] = count


class WorkerMetrics:
    """All metrics of a worker: the agent's group, and the engine's own numbers.

    The engine counts runs and actions in plain attributes, millions of times; they become metrics
    of their public names when a snapshot is taken.
    """

    failures = _Total()
    """Attempts at runs that have failed."""
    retries = _Total()
    """Those that are tried again."""
    ignored = _Total()
    """Runs that have failed for good, and are ignored."""

    def __init__(
        self, actions: Iterable[str], notices: Notices | None = None, cells: Cells = PRIVATE
    ) -> None:
        """`actions` are the names of the agent's actions, `cells` are the worker's."""
        names = list(actions)
        self._space = MetricSpace(MOST_METRICS + len(names) + 1, self._notice_full, cells)
        self.agent = WorkerMetricGroup(self._space)
        for name in names:
            self.of_action(name)
        self.counts = SharedCounts(cells, "totals", ("failures", "retries", "ignored"))
        self.measures = Measures(names, cells)
        self.executed = self.measures.executed
        self.events = 0
        """Finished runs."""
        self.dead_letters = 0
        self.unheard = 0
        """Events that no action has listened to."""
        self.condition_failures = 0
        """Conditions of actions that could not be evaluated."""
        self.failure_kinds = FailureKinds()
        """The inputs that have failed for good, by kind."""
        self.notices = Notices() if notices is None else notices
        self.hooks: Hooks[WorkerHook] | None = None
        """The hooks whose errors are reported as `hookErrors`; None for none."""
        self._published: dict[str, int] = {}

    def of_action(self, name: str) -> WorkerMetricGroup:
        """The metric group of one action."""
        return self.agent.get_sub_group("action", name)

    def snapshot(self) -> dict[str, Any]:
        """All values, by public name."""
        self._publish(self.agent, "", "numOfEventProcessed", self.events)
        self._publish(self.agent, "", "numOfActionsExecuted", sum(self.executed.values()))
        for name, count in self.executed.items():
            self._publish(self.of_action(name), name, "numOfActionsExecuted", count)
        if self.unheard:
            self._publish(self.agent, "", "numOfEventsUnheard", self.unheard)
        if self.condition_failures:
            self._publish(self.agent, "", "numOfConditionFailures", self.condition_failures)
        if self.hooks:
            self._publish(self.agent, "", "hookErrors", self.hooks.errors)
        return {**self.agent.snapshot(), **self._space.snapshot()}

    def _notice_full(self) -> None:
        self.notices.add(
            f"the agent has made more than {MOST_METRICS} metrics, or one with a very long name:"
            f" all others are counted together, as {OTHER}.counter and so on; do not name metrics"
            " after keys"
        )

    def totals(self) -> dict[str, int]:
        """Counts of failures, and of their consequences."""
        return {**self.counts, "dead_letters": self.dead_letters}

    def _publish(self, group: WorkerMetricGroup, action: str, name: str, count: int) -> None:
        new = count - self._published.get(f"{action}/{name}", 0)
        self._published[f"{action}/{name}"] = count
        group.reserve(name)
        group.get_counter(name).inc(new)
        group.get_meter(f"{name}PerSec").mark(new)
