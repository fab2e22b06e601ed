"""As `flink_agents.api.runner_context` of Flink Agents."""

from tamias import RunnerContext

__all__ = ["RunnerContext"]
