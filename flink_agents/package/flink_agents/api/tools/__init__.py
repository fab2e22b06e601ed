"""As `flink_agents.api.tools` of Flink Agents."""

from .tool_execution_metadata_provider import ToolExecutionMetadataProvider
from .tool_parameter_injection import InjectedArg, ToolParameterSource

__all__ = ["InjectedArg", "ToolExecutionMetadataProvider", "ToolParameterSource"]
