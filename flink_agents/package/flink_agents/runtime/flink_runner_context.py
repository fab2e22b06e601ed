"""As `flink_agents.runtime.flink_runner_context` of Flink Agents."""

from .durable_execution import _compute_args_digest, _compute_function_id
from .java_reports import JavaReports

__all__ = ["FlinkRunnerContext", "_compute_args_digest", "_compute_function_id"]


class FlinkRunnerContext(JavaReports):
    """The context of an action, as it calls Java."""
