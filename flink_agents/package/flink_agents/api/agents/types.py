"""As `flink_agents.api.agents.types` of Flink Agents."""

from tamias import OutputSchema

__all__ = ["OutputSchema"]
