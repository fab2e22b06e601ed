"""As `flink_agents.api.events.event_type` of Flink Agents."""

from tamias import EventType

__all__ = ["EventType"]
