"""As `flink_agents.api.core_options` of Flink Agents."""

from tamias import (
    AgentExecutionOptions,
    ErrorHandlingStrategy,
    EventLogLevel,
    ShortTermMemoryTtlUpdate,
    ShortTermMemoryTtlVisibility,
)

__all__ = [
    "AgentExecutionOptions",
    "ErrorHandlingStrategy",
    "EventLogLevel",
    "ShortTermMemoryTtlUpdate",
    "ShortTermMemoryTtlVisibility",
]
