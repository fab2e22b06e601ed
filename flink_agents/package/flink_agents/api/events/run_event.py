"""As `flink_agents.api.events.run_event` of Flink Agents."""

from tamias import AgentRunBeginEvent

from .event import Event

__all__ = ["AgentRunBeginEvent", "Event"]
