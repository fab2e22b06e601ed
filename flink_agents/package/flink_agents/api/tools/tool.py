"""As `flink_agents.api.tools.tool` of Flink Agents."""

from tamias import FunctionTool, Tool, ToolMetadata, ToolType

__all__ = ["FunctionTool", "Tool", "ToolMetadata", "ToolType"]
