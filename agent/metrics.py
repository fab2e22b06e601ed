"""The metrics an action may report: interfaces as Flink knows them.

Groups form a tree; a metric has a name within its group, and asking for the same name twice gives
the same metric. The worker implements these cheaply and ships them to the launcher.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from .naming.public import public

__all__ = ["Counter", "Gauge", "Histogram", "Meter", "MetricGroup"]


@public
class MetricGroup(ABC):
    """A named set of metrics and further groups."""

    __slots__ = ()

    @abstractmethod
    def get_sub_group(self, name: str, value: str | None = None) -> MetricGroup:
        """The group ``name`` below this one, created at the first request.

        With ``value``, the group of that pair: ``get_sub_group("model", "gpt")`` is ``model.gpt``.
        """

    @abstractmethod
    def get_counter(self, name: str) -> Counter:
        """The counter ``name``, created at the first request."""

    @abstractmethod
    def get_meter(self, name: str) -> Meter:
        """The meter ``name``, created at the first request."""

    @abstractmethod
    def get_gauge(self, name: str) -> Gauge:
        """The gauge ``name``, created at the first request."""

    @abstractmethod
    def get_histogram(self, name: str, window_size: int = 100) -> Histogram:
        """The histogram ``name`` over the last ``window_size`` values, created when first asked."""


@public
class Counter(ABC):
    """A count that goes up and down."""

    __slots__ = ()

    @abstractmethod
    def inc(self, n: int = 1) -> None:
        """Add ``n``."""

    @abstractmethod
    def dec(self, n: int = 1) -> None:
        """Take ``n`` away."""

    @abstractmethod
    def get_count(self) -> int:
        """The count now."""


@public
class Meter(ABC):
    """A rate of occurrences."""

    __slots__ = ()

    @abstractmethod
    def mark(self, n: int = 1) -> None:
        """Note ``n`` occurrences."""

    @abstractmethod
    def get_rate(self) -> float:
        """Occurrences per second."""


@public
class Gauge(ABC):
    """A value that is whatever it was last set to."""

    __slots__ = ()

    @abstractmethod
    def update(self, value: float) -> None:
        """Set the value."""

    @abstractmethod
    def get_value(self) -> float:
        """The value last set, 0 before."""


@public
class Histogram(ABC):
    """A distribution over the values last seen."""

    __slots__ = ()

    @abstractmethod
    def update(self, value: float) -> None:
        """Note a value."""

    @abstractmethod
    def get_mean(self) -> float:
        """The mean of the values in the window."""

    @abstractmethod
    def get_max(self) -> float:
        """The largest value in the window."""

    @abstractmethod
    def get_min(self) -> float:
        """The smallest value in the window."""
