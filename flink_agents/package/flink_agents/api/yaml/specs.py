"""As `flink_agents.api.yaml.specs` of Flink Agents."""

from tamias import MessageRole

__all__ = ["MessageRole"]
