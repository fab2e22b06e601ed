"""As `flink_agents.api.agents.react_agent` of Flink Agents."""

from tamias import ReActAgent

__all__ = ["ReActAgent"]
