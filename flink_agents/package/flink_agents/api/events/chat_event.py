"""As `flink_agents.api.events.chat_event` of Flink Agents."""

from tamias import ChatRequestEvent, ChatResponseEvent

from .event import Event

__all__ = ["ChatRequestEvent", "ChatResponseEvent", "Event"]
