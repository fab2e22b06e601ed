"""As `flink_agents.runtime.java.java_resource_wrapper` of Flink Agents: resources over Java's."""

from __future__ import annotations

from typing import Any

from pydantic import PrivateAttr

from tamias import MetricGroup, Resource, UsageError

from ..flink_metric_group import FlinkMetricGroup

__all__ = ["OfJavaObject", "set_java_resource_metric_group"]


class ForeignMetricsError(UsageError, TypeError):
    """A resource in Java is given metrics that Java does not have."""


def set_java_resource_metric_group(j_resource: Any, metric_group: MetricGroup | None) -> None:
    """Hand a group of metrics to an object of Java.

    Raises:
        TypeError: it is no group of Java.
    """
    if j_resource is None:
        return
    if metric_group is not None and not isinstance(metric_group, FlinkMetricGroup):
        msg = f"Metrics of a resource in Java are FlinkMetricGroup or None, not {metric_group!r}."
        raise ForeignMetricsError(msg, hint="Give it the group of the run's context.")
    j_group = None if metric_group is None else metric_group._j_metric_group  # noqa: SLF001 (theirs)
    j_resource.setMetricGroup(j_group)


class OfJavaObject(Resource):
    """A resource that is an object of Java, which Flink Agents' runtime has made."""

    _j_resource: Any = PrivateAttr()
    _j_resource_adapter: Any = PrivateAttr()

    def __init__(self, j_resource: Any, j_resource_adapter: Any, **given: Any) -> None:
        super().__init__(**given)
        self._j_resource = j_resource
        self._j_resource_adapter = j_resource_adapter

    def set_metric_group(self, metric_group: Any) -> None:
        """Set it here and in Java."""
        super().set_metric_group(metric_group)
        set_java_resource_metric_group(self._j_resource, metric_group)

    def open(self) -> None:
        """Open it in Java."""
        self._j_resource.open()

    def close(self) -> None:
        """Close it in Java."""
        self._j_resource.close()
