"""What a model is told about a tool, and what a tool may return beside its result."""

from __future__ import annotations

from enum import Enum
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, field_serializer

from ..naming.public import public
from .schema import KEPT_OF_SCHEMA, parameters_of

__all__ = ["InputRequired", "ToolMetadata", "ToolResponse", "ToolType"]


@public
class ToolType(Enum):
    """What kind of tool a tool is."""

    MODEL_BUILT_IN = "model_built_in"
    """One that the service itself has."""
    FUNCTION = "function"
    REMOTE_FUNCTION = "remote_function"
    MCP = "mcp"
    """One of an MCP server."""
    AGENT = "agent"
    """Another agent."""


@public
class ToolMetadata(BaseModel):
    """What a model is told about a tool."""

    model_config = ConfigDict(frozen=True)

    name: str
    description: str = ""
    args_schema: type[BaseModel] | dict[str, Any] = Field(default_factory=dict)
    """The arguments: a pydantic model, or a JSON schema."""

    @field_serializer("args_schema")
    def _write_schema(self, schema: type[BaseModel] | dict[str, Any]) -> dict[str, Any]:
        return schema if isinstance(schema, dict) else schema.model_json_schema()

    def __eq__(self, other: object) -> bool:
        """Whether a model is told the same, by a class or by a schema."""
        if not isinstance(other, ToolMetadata):
            return NotImplemented
        return (self.name, self.description, self._kept()) == (
            other.name,
            other.description,
            other._kept(),
        )

    def __hash__(self) -> int:
        return hash((self.name, self.description))

    def _kept(self) -> dict[str, Any]:
        given = self.get_parameters_dict()
        return {name: given[name] for name in KEPT_OF_SCHEMA if name in given}

    def get_parameters_dict(self) -> dict[str, Any]:
        """The JSON schema, an object, of the arguments."""
        if isinstance(self.args_schema, dict):
            return self.args_schema or {"type": "object", "properties": {}}
        return parameters_of(self.args_schema)


@public
class ToolResponse(NamedTuple):
    """What a tool may return to say that its work has failed, without an exception."""

    result: Any = None
    error: str | None = None

    @classmethod
    def success(cls, result: Any) -> ToolResponse:
        """The work is done; as if the result itself was returned."""
        return cls(result)

    @classmethod
    def failure(cls, error: str) -> ToolResponse:
        """The work has failed; the model is told `error`."""
        return cls(None, error)

    def is_success(self) -> bool:
        """Whether the work is done."""
        return self.error is None


@public
class InputRequired(NamedTuple):
    """What `Tool.acall` returns to ask for something from outside; `Tool.aresume` then goes on."""

    ask: Any
    """What is asked: plain data."""
    state: Any = None
    """What `aresume` gets, perhaps in another process: plain data."""
    name: str = ""
    """The name of the question; without one, it is derived from the name of the tool."""
