"""As `flink_agents.integrations.mcp.mcp` of Flink Agents."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import cloudpickle
from pydantic import (
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    field_serializer,
    field_validator,
    model_serializer,
)

import tamias
from tamias import ToolMetadata

__all__ = ["MCPPrompt", "MCPServer", "MCPTool"]


class NoToolError(tamias.MCPServerError, ValueError):
    """A server has no tool of a name."""


class MCPServer(tamias.MCPServer):
    """An MCP server at an address; ``auth`` is an object that signs requests."""

    model_config = ConfigDict(extra="ignore", arbitrary_types_allowed=True)

    auth: Any = Field(default=None, repr=False)

    @field_validator("auth", mode="before")
    @classmethod
    def _unpickled(cls, value: Any) -> Any:
        """Read what `_pickled` has written, or what the class behind makes of an object."""
        if isinstance(value, dict) and value.get("type") == "object":
            value = value["pickle"]
        return cloudpickle.loads(base64.b64decode(value)) if isinstance(value, str) else value

    @field_serializer("auth")
    def _pickled(self, auth: Any) -> Any:
        if auth is None or isinstance(auth, dict):
            return auth
        return base64.b64encode(cloudpickle.dumps(auth)).decode()

    def _check_auth(self) -> None:
        if isinstance(self.auth, dict):
            super()._check_auth()

    @property
    def _parameters(self) -> Any:
        auth = self._pickled(self.auth)
        given = {"type": "object", "pickle": auth} if isinstance(auth, str) else auth or {}
        return replace(super()._parameters, auth=given)

    def tool_of(self, description: Mapping[str, Any], *, qualified: bool = False) -> MCPTool:
        """The tool with this description."""
        return MCPTool(
            server=self,
            description_given=dict(description),
            qualified=qualified,
            mcp_server_name=self._name or None,
        )

    def prompt_of(self, description: Mapping[str, Any]) -> MCPPrompt:
        """The prompt with this description."""
        return MCPPrompt(server=self, prompt_name=description["name"], given=dict(description))

    def get_tool(self, name: str) -> MCPTool:
        """The tool of a name. Raises a ValueError if the server has none."""
        for tool in self.list_tools():
            if isinstance(tool, MCPTool) and tool.description_given["name"] == name:
                return tool
        msg = f"The MCP server {self.server_name!r} has no tool {name!r}."
        raise NoToolError(msg, hint="Its tools are those of list_tools().")

    def get_tool_metadata(self, name: str) -> ToolMetadata:
        """What a model is told of the tool of a name."""
        return self.get_tool(name).metadata

    async def call_tool_async(self, tool_name: str, *args: Any, **kwargs: Any) -> list[Any]:
        """Call a tool; the parts of its result."""
        result = await self.acall_tool(tool_name, kwargs or (args[0] if args else {}))
        return result if isinstance(result, list) else [result]


class MCPTool(tamias.MCPTool):
    """A tool of an MCP server."""

    model_config = ConfigDict(extra="ignore")

    server: Any = Field(default=None, exclude=True, repr=False)
    mcp_server_name: str | None = None

    def __init__(self, *, metadata: Any = None, mcp_server: Any = None, **data: Any) -> None:
        """Make it of what a server says of it, or of ``metadata``."""
        found = None if metadata is None else ToolMetadata.model_validate(metadata)
        if found is not None:
            told = {"name": found.name, "description": found.description, "idempotent": False}
            told.update(parameters=found.get_parameters_dict(), digest=None)
            data.setdefault("description_given", told)
        if mcp_server is not None:
            is_made = isinstance(mcp_server, tamias.BaseMCPServer)
            data["server"] = mcp_server if is_made else MCPServer(**mcp_server)
        super().__init__(metadata=found, **data)  # type: ignore[call-arg]  # `Tool` takes it

    @property
    def mcp_server(self) -> Any:
        """The server."""
        return self.server

    @model_serializer(mode="wrap")
    def _as_given(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write it as Flink Agents does."""
        dumped: dict[str, Any] = serialize(self)
        dumped["metadata"] = self.metadata.model_dump()
        dumped["mcp_server"] = None if self.server is None else self.server.model_dump()
        return dumped

    def get_tool_execution_metadata(self, parameters: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002 (of other tools)
        """Return the metadata that traces show of a call."""
        return {} if self.mcp_server_name is None else {"mcpServer": self.mcp_server_name}


class MCPPrompt(tamias.MCPPrompt):
    """A prompt of an MCP server."""

    @property
    def name(self) -> str:
        """Its name."""
        return self.prompt_name

    @property
    def title(self) -> str | None:
        """Its name for people, if the server says one."""
        found: str | None = self.given.get("title")
        return found

    @property
    def description(self) -> str | None:
        """What it is for."""
        found: str | None = self.given.get("description")
        return found

    @property
    def prompt_arguments(self) -> list[dict[str, Any]]:
        """Its arguments: ``name``, ``description``, ``required``."""
        return list(self.given.get("arguments") or ())

    @property
    def mcp_server(self) -> Any:
        """The server."""
        return self.server
