"""As `flink_agents.runtime.flink_runner_context` of Flink Agents."""

from .java_reports import JavaReports

__all__ = ["FlinkRunnerContext"]


class FlinkRunnerContext(JavaReports):
    """The context of an action, as it calls Java."""
