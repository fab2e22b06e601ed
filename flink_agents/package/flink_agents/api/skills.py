"""As `flink_agents.api.skills` of Flink Agents."""

from tamias import Skills

__all__ = ["Skills"]
