"""As `flink_agents.api.events.context_retrieval_event` of Flink Agents."""

from tamias import ContextRetrievalRequestEvent, ContextRetrievalResponseEvent

from .event import Event

__all__ = ["ContextRetrievalRequestEvent", "ContextRetrievalResponseEvent", "Event"]
