"""As `flink_agents.api.memory.long_term_memory` of Flink Agents."""

from tamias import (
    CompactionConfig,
    DatetimeRange,
    LongTermMemoryBackend,
    LongTermMemoryOptions,
    MemorySet,
    MemorySetItem,
)

__all__ = [
    "CompactionConfig",
    "DatetimeRange",
    "LongTermMemoryBackend",
    "LongTermMemoryOptions",
    "MemorySet",
    "MemorySetItem",
]
