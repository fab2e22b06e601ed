"""As `flink_agents.plan.tools.function_tool` of Flink Agents."""

from tamias import FunctionTool

__all__ = ["FunctionTool"]
