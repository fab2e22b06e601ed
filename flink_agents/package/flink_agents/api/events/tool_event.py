"""As `flink_agents.api.events.tool_event` of Flink Agents."""

from tamias import ToolRequestEvent, ToolResponseEvent

from .event import Event

__all__ = ["Event", "ToolRequestEvent", "ToolResponseEvent"]
