"""As `flink_agents.api.tools.function_tool` of Flink Agents."""

from tamias import FunctionTool

__all__ = ["FunctionTool"]
