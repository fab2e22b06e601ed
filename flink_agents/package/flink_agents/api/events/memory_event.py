"""As `flink_agents.api.events.memory_event` of Flink Agents."""

from tamias import MemoryEvent, SensoryWriteEvent, ShortTermWriteEvent
from tamias.agent.events.observations import (
    LongTermGetEvent,
    LongTermSearchEvent,
    LongTermUpdateEvent,
    SensoryReadEvent,
    ShortTermReadEvent,
)

from .event import Event

__all__ = [
    "Event",
    "LongTermGetEvent",
    "LongTermSearchEvent",
    "LongTermUpdateEvent",
    "MemoryEvent",
    "SensoryReadEvent",
    "SensoryWriteEvent",
    "ShortTermReadEvent",
    "ShortTermWriteEvent",
]
