"""As `flink_agents.api.trace` of Flink Agents."""

from .execution_lifecycle_events import ExecutionLifecycleEvents
from .execution_reporter import (
    ExecutionEntityTypes,
    ExecutionProblemCategories,
    ExecutionReporter,
    ExecutionReporters,
)
from .llm_execution_metadata_keys import LLMExecutionMetadataKeys
from .tool_execution_metadata_keys import ToolExecutionMetadataKeys

__all__ = [
    "ExecutionEntityTypes",
    "ExecutionLifecycleEvents",
    "ExecutionProblemCategories",
    "ExecutionReporter",
    "ExecutionReporters",
    "LLMExecutionMetadataKeys",
    "ToolExecutionMetadataKeys",
]
