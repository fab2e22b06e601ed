"""As `flink_agents.api.trace.tool_execution_metadata_keys` of Flink Agents."""

__all__ = ["ToolExecutionMetadataKeys"]


class ToolExecutionMetadataKeys:
    """Names in what is said of a call of a tool."""

    TOOL_REQUEST_EVENT_ID = "toolRequestEventId"
    TOOL_CALL_ID = "toolCallId"
    EXTERNAL_ID = "externalId"
    TOOL_TYPE = "toolType"
    MCP_SERVER = "mcpServer"
    SKILL_NAME = "skillName"
    SKILL_RESOURCE_PATH = "skillResourcePath"
