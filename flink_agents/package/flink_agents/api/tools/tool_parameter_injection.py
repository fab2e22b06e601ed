"""As `flink_agents.api.tools.tool_parameter_injection` of Flink Agents."""

from tamias import InjectedArg, ToolParameterSource

__all__ = ["InjectedArg", "ToolParameterSource"]
