"""As `flink_agents.integrations.mcp.mcp` of Flink Agents."""

from tamias import MCPPrompt, MCPServer, MCPTool

__all__ = ["MCPPrompt", "MCPServer", "MCPTool"]
