"""As `flink_agents.runtime.flink_metric_group` of Flink Agents: metrics over those of Java."""

from __future__ import annotations

from typing import Any

from tamias import Counter, Gauge, Histogram, Meter, MetricGroup, UsageError

__all__ = ["FlinkCounter", "FlinkGauge", "FlinkHistogram", "FlinkMeter", "FlinkMetricGroup"]


class GroupNameError(UsageError, ValueError):
    """The name of a group of metrics would be taken for a name and a value."""


class FlinkMetricGroup(MetricGroup):
    """A group of Java's metrics."""

    def __init__(self, j_metric_group: Any) -> None:
        self._j_metric_group = j_metric_group

    def get_sub_group(self, name: str, value: str | None = None) -> FlinkMetricGroup:
        """The group below this one.

        Raises:
            ValueError: the name has a "=".
        """
        if value is None and "=" in name:
            msg = f"The name {name!r} of a group of metrics has a '='."
            raise GroupNameError(msg, hint="Give the value by itself: get_sub_group(name, value).")
        names = (name,) if value is None else (name, value)
        return FlinkMetricGroup(self._j_metric_group.getSubGroup(*names))

    def get_counter(self, name: str) -> FlinkCounter:
        """The counter of that name."""
        return FlinkCounter(self._j_metric_group.getCounter(name))

    def get_meter(self, name: str) -> FlinkMeter:
        """The meter of that name."""
        return FlinkMeter(self._j_metric_group.getMeter(name))

    def get_histogram(self, name: str, window_size: int = 100) -> FlinkHistogram:
        """The histogram of that name."""
        return FlinkHistogram(self._j_metric_group.getHistogram(name, window_size))

    def get_gauge(self, name: str) -> FlinkGauge:
        """The gauge of that name."""
        return FlinkGauge(self._j_metric_group.getGauge(name))


class FlinkCounter(Counter):
    """A count in Java."""

    def __init__(self, j_counter: Any) -> None:
        self._j_counter = j_counter

    def inc(self, n: int = 1) -> None:
        """Add `n`."""
        self._j_counter.inc(n)

    def dec(self, n: int = 1) -> None:
        """Take `n` away."""
        self._j_counter.dec(n)

    def get_count(self) -> int:
        """The count now."""
        return int(self._j_counter.getCount())


class FlinkMeter(Meter):
    """A rate in Java."""

    def __init__(self, j_meter: Any) -> None:
        self._j_meter = j_meter

    def mark(self, n: int = 1) -> None:
        """Note `n` occurrences."""
        self._j_meter.markEvent(n)

    def get_rate(self) -> float:
        """Occurrences per second."""
        return float(self._j_meter.getRate())


class FlinkHistogram(Histogram):
    """Values in Java, of which statistics are made."""

    def __init__(self, j_histogram: Any) -> None:
        self._j_histogram = j_histogram

    def update(self, value: float) -> None:
        """Add a value."""
        self._j_histogram.update(value)

    def get_mean(self) -> float:
        """The mean of the values."""
        return float(self._j_histogram.getStatistics().getMean())

    def get_max(self) -> float:
        """The largest value."""
        return float(self._j_histogram.getStatistics().getMax())

    def get_min(self) -> float:
        """The smallest value."""
        return float(self._j_histogram.getStatistics().getMin())


class FlinkGauge(Gauge):
    """A value in Java."""

    def __init__(self, j_gauge: Any) -> None:
        self._j_gauge = j_gauge

    def update(self, value: float) -> None:
        """Set the value."""
        self._j_gauge.update(value)

    def get_value(self) -> float:
        """The value now."""
        return float(self._j_gauge.getValue())
