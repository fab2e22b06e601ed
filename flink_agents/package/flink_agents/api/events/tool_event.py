"""As `flink_agents.api.events.tool_event` of Flink Agents."""

from tamias import ToolRequestEvent, ToolResponseEvent

__all__ = ["ToolRequestEvent", "ToolResponseEvent"]
