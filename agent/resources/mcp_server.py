"""`BaseMCPServer`: a server of tools, prompts and resources, as an agent uses it.

MCP is the Model Context Protocol. What a server offers is plain data first (`adescribe_tools`), so
that a run can put it on record, and made into tools and prompts afterwards (`tool_of`).

Every method has an awaitable form, with an ``a`` in front of its name. Those are the first: the
others wait for them.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from ..errors import AgentDefinitionError, RunError
from ..naming.public import public
from .resource import Resource, ResourceType, SerializableResource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .prompt import Prompt

__all__ = [
    "BaseMCPServer",
    "MCPInterruptedError",
    "MCPServerError",
    "MCPToolChangedError",
    "MCPToolError",
    "MCPUnavailableError",
    "clash",
    "matching",
    "offered_name",
]


_REFUSED = re.compile(r"[^A-Za-z0-9_-]")


@public
class MCPServerError(RunError):
    """A call of an MCP server has failed: it does not start, or refuses the request.

    ``server`` is its name in the agent; ``code`` the protocol's number of the error, if it has one.
    """

    is_outcome = True

    def __init__(
        self, message: str = "", *, hint: str = "", server: str = "", code: int | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.server = server
        self.code = code


@public
class MCPUnavailableError(MCPServerError):
    """An MCP server cannot be reached, and the call was not made, or may be made again."""

    is_temporary = True


@public
class MCPInterruptedError(MCPServerError):
    """An MCP server has ended, or was too late, with a call that may not be made twice.

    Whether the call has had its effect is not known. A call of a tool that the server calls
    idempotent, or that only reads, is made again instead.
    """


@public
class MCPToolError(MCPServerError):
    """A tool of an MCP server reports that it has failed; the message is what it says."""


@public
class MCPToolChangedError(MCPServerError):
    """A tool of an MCP server is not what it was when the run listed it: it was not called."""


@public
class BaseMCPServer(SerializableResource, ABC):
    """A server of tools, prompts and resources."""

    @classmethod
    def resource_type(cls) -> ResourceType:
        """`ResourceType.MCP_SERVER`."""
        return ResourceType.MCP_SERVER

    # -- what is put on record

    @abstractmethod
    async def adescribe_tools(self) -> list[dict[str, Any]]:
        """The tools as they are now, as plain data with a ``name`` each."""

    @abstractmethod
    def describe_tools(self) -> list[dict[str, Any]]:
        """As `adescribe_tools`; blocks."""

    @abstractmethod
    def tool_of(self, description: Mapping[str, Any], *, qualified: bool = False) -> Resource:
        """The tool with this description, under its own name, or with the server's before it."""

    @abstractmethod
    async def adescribe_prompts(self) -> list[dict[str, Any]]:
        """The prompts as they are now, as plain data with a ``name`` each."""

    @abstractmethod
    def describe_prompts(self) -> list[dict[str, Any]]:
        """As `adescribe_prompts`; blocks."""

    @abstractmethod
    def prompt_of(self, description: Mapping[str, Any]) -> Prompt:
        """The prompt with this description."""

    async def amake_prompt(self, name: str, values: Mapping[str, Any]) -> list[Any] | None:
        """The messages of the prompt with this name, filled in; None if there is no such prompt."""
        hit = matching(name, self.server_name, await self.adescribe_prompts())
        if hit is None:
            return None
        return await self.prompt_of(hit[0]).aformat_messages(**values)

    @property
    @abstractmethod
    def server_name(self) -> str:
        """Its name in the agent."""

    # -- what users call

    async def alist_tools(self) -> list[Any]:
        """The tools that the server has now."""
        return [self.tool_of(each) for each in await self.adescribe_tools()]

    def list_tools(self) -> list[Any]:
        """As `alist_tools`; blocks."""
        return [self.tool_of(each) for each in self.describe_tools()]

    async def alist_prompts(self) -> list[Prompt]:
        """The prompts that the server has now."""
        return [self.prompt_of(each) for each in await self.adescribe_prompts()]

    def list_prompts(self) -> list[Prompt]:
        """As `alist_prompts`; blocks."""
        return [self.prompt_of(each) for each in self.describe_prompts()]

    @abstractmethod
    async def acall_tool(self, name: str, arguments: Mapping[str, Any] | None = None) -> Any:
        """Call a tool. Raises `MCPToolError` if it says that it has failed."""

    @abstractmethod
    def call_tool(self, name: str, arguments: Mapping[str, Any] | None = None) -> Any:
        """As `acall_tool`; blocks."""

    @abstractmethod
    async def alist_resources(self) -> list[dict[str, Any]]:
        """The resources that can be read: ``uri``, ``name``, ``description``, ``mimeType``."""

    @abstractmethod
    def list_resources(self) -> list[dict[str, Any]]:
        """As `alist_resources`; blocks."""

    @abstractmethod
    async def aread_resource(self, uri: str) -> str | bytes:
        """The contents of a resource: a text, or bytes."""

    @abstractmethod
    def read_resource(self, uri: str) -> str | bytes:
        """As `aread_resource`; blocks."""


def offered_name(name: str, server: str = "") -> str:
    """The name by which a model calls a tool: letters, digits, ``_`` and ``-`` only.

    With ``server``, its name comes first: ``server__name``.
    """
    full = f"{server}__{name}" if server else name
    return _REFUSED.sub("_", full)


def matching(
    wanted: str, server: str, descriptions: list[dict[str, Any]]
) -> tuple[dict[str, Any], bool] | None:
    """What a server has under a name, and whether the name says which server is meant.

    ``name`` itself, ``server.name`` and ``server__name`` are its names; in each, characters that
    models do not take may be replaced by ``_``.
    """
    for each in descriptions:
        name = each["name"]
        if wanted in (name, offered_name(name)):
            return each, False
        if wanted in (f"{server}.{name}", offered_name(name, server)):
            return each, True
    return None


def clash(name: str, servers: list[str]) -> AgentDefinitionError:
    """The error for a name that several servers have."""
    exact = " or ".join(f"{server}.{name}" for server in servers)
    return AgentDefinitionError(
        f"Several MCP servers have {name!r}: {', '.join(servers)}.", hint=f"Name it {exact}."
    )
