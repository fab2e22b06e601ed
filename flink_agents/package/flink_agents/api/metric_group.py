"""As `flink_agents.api.metric_group` of Flink Agents."""

from tamias import Counter, Gauge, Histogram, Meter, MetricGroup

__all__ = ["Counter", "Gauge", "Histogram", "Meter", "MetricGroup"]
