"""As `flink_agents.api.agents.react_agent` of Flink Agents."""

from tamias import OutputSchema, ReActAgent

__all__ = ["OutputSchema", "ReActAgent"]
