"""`MCPServer`: a server of tools, prompts and resources, started by a command or at an address."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal

import cloudpickle
from pydantic import ConfigDict, Field, PrivateAttr

from ...agent.errors import AgentDefinitionError
from ...agent.naming.public import public
from ...agent.resources.mcp_server import BaseMCPServer, MCPServerError, MCPToolError
from .content import contents_of, error_of, messages_of, result_of
from .parameters import Parameters
from .prompt import MCPPrompt
from .requests import Requests
from .starting import check_extra, enter, leave
from .tool import MCPTool

if TYPE_CHECKING:
    from ...agent.config.configuration import Configuration

__all__ = ["MCPServer"]

_ADDRESS: Final = re.compile(r"https?://[^/?#\s]+")
_AUTH: Final = {
    "bearer": {"token"},
    "basic": {"username", "password"},
    "api-key": {"key", "header"},
    "object": {"pickle"},
}
_OPTIONAL: Final = {"header"}


@public
class MCPServer(BaseMCPServer):
    """An MCP server: ``command`` starts it (stdio), or ``endpoint`` is its address (HTTP).

    A server that is started belongs to the pool, not to one worker: a keeper process has it, starts
    it at the first use, and again when it has ended. It inherits nothing of the environment but
    ``HOME``, ``LOGNAME``, ``PATH``, ``SHELL``, ``TERM``, ``USER`` and what ``env`` says.
    """

    model_config = ConfigDict(extra="forbid")

    endpoint: str = ""
    headers: dict[str, str] = Field(default_factory=dict, repr=False)
    timeout: float = 30.0
    """Seconds for its start, and for a list."""
    sse_read_timeout: float = 300.0
    """Seconds for the answer of a call."""
    auth: dict[str, str] = Field(default_factory=dict, repr=False)
    """Mappings: ``{"type": "bearer", "token": ...}``,
    ``{"type": "basic", "username": ..., "password": ...}`` and
    ``{"type": "api-key", "key": ..., "header": "X-API-Key"}``; or an object that signs requests, as
    MCP's ``OAuthClientProvider``, which the keeper gets a copy of."""
    command: str = ""
    args: list[str] = Field(default_factory=list)
    env: dict[str, str] = Field(default_factory=dict, repr=False)
    cwd: str = ""
    allowed_tools: list[str] | None = None
    """The tools that the agent may use; None for all."""
    protocol: Literal["", "2025-11-25", "2026-07-28"] = ""
    """The version of the protocol; by default the newest that the server speaks."""
    approval: bool | list[str] = False
    """Whether calls have to be approved: of all tools, or of those that are named."""
    roots: list[str] = Field(default_factory=list)
    """Addresses (``file:///...``) that the server is told it may work on."""

    _name: str = PrivateAttr(default="")
    _users: int = PrivateAttr(default=0)

    def __init__(self, **data: Any) -> None:
        """Check the arguments.

        Raises:
            AgentDefinitionError: one is wrong, or they do not go together.
        """
        # `None` is what peers write for "none".
        given = {name: value for name, value in data.items() if value is not None}
        if hasattr(given.get("auth"), "async_auth_flow"):
            given["auth"] = {"type": "object", "pickle": pickled(given["auth"])}
        try:
            super().__init__(**given)
        except ValueError as error:
            if isinstance(error, AgentDefinitionError):
                raise
            raise AgentDefinitionError(f"An MCP server is declared wrongly: {error}") from error
        self._check()

    def _check(self) -> None:
        if bool(self.endpoint) == bool(self.command):
            has = "both" if self.endpoint else "neither"
            raise AgentDefinitionError(
                f"An MCP server has an endpoint or a command; this one has {has}.",
                hint="Give endpoint='https://.../mcp', or command='...' with args=[...].",
            )
        if self.endpoint and not _ADDRESS.match(self.endpoint):
            raise AgentDefinitionError(
                f"The endpoint of an MCP server is {self.endpoint!r}.",
                hint="Give an address that begins with http:// or https://.",
            )
        if self.timeout <= 0 or self.sse_read_timeout <= 0:
            raise AgentDefinitionError("The time limits of an MCP server have to be above 0.")
        wrong = (
            (self.args or self.env or self.cwd) if self.endpoint else (self.headers or self.auth)
        )
        if wrong:
            names = "args, env and cwd" if self.endpoint else "headers and auth"
            of = "a command" if self.endpoint else "an endpoint"
            raise AgentDefinitionError(
                f"{names} of an MCP server belong to {of}, which this one does not have."
            )
        if self.auth:
            self._check_auth()

    def _check_auth(self) -> None:
        kind = self.auth.get("type", "")
        wanted = _AUTH.get(kind)
        given = set(self.auth) - {"type"}
        if wanted is None or not (wanted - _OPTIONAL <= given <= wanted):
            raise AgentDefinitionError(
                f"auth of an MCP server has the type {kind!r} and {sorted(given)}.",
                hint="Give {'type': 'bearer', 'token': ...}, {'type': 'basic', 'username': ...,"
                " 'password': ...} or {'type': 'api-key', 'key': ..., 'header': ...}.",
            )

    def provided(self, name: str, config: Configuration) -> None:
        """Take the name in the agent. Raises `MissingExtraError` without the SDK."""
        super().provided(name, config)
        check_extra(name)
        self._name = name
        self._users += 1
        enter(self._parameters)

    def close(self) -> None:
        """Give the server up; it ends if nothing else in the pool needs it."""
        if self._users:
            self._users -= 1
            leave(self._parameters)

    @property
    def server_name(self) -> str:
        """Its name in the agent; before that it is its command or address."""
        return self._name or self.endpoint or self.command

    @property
    def _parameters(self) -> Parameters:
        return Parameters(
            name=self.server_name,
            command=self.command,
            args=self.args,
            env=self.env,
            cwd=self.cwd,
            endpoint=self.endpoint,
            headers=self.headers,
            auth=self.auth,
            timeout=self.timeout,
            answer_timeout=self.sse_read_timeout,
            protocol=self.protocol,
            roots=self.roots,
        )

    @property
    def requests(self) -> Requests:
        """Makes requests to it."""
        return Requests(self._parameters)

    # -- tools

    async def adescribe_tools(self) -> list[dict[str, Any]]:
        """The tools as they are now; only those that are allowed."""
        return self._allowed(await self.requests.amake("tools"))

    def describe_tools(self) -> list[dict[str, Any]]:
        """As `adescribe_tools`; blocks."""
        return self._allowed(self.requests.make("tools"))

    def _allowed(self, tools: list[dict[str, Any]]) -> list[dict[str, Any]]:
        known = {tool["name"] for tool in tools}
        for argument, names in (("allowed_tools", self.allowed_tools), ("approval", self.approval)):
            missing = (
                [] if not isinstance(names, list) else [each for each in names if each not in known]
            )
            if missing:
                raise MCPServerError(
                    f"{argument} of the MCP server {self.server_name!r} has {missing}; the server"
                    f" has {sorted(known)}.",
                    server=self.server_name,
                )
        if self.allowed_tools is None:
            return tools
        return [tool for tool in tools if tool["name"] in self.allowed_tools]

    def tool_of(self, description: Mapping[str, Any], *, qualified: bool = False) -> MCPTool:
        """The tool with this description."""
        needed = self.approval
        return MCPTool(
            server=self,
            description_given=dict(description),
            qualified=qualified,
            needs_approval=needed if isinstance(needed, bool) else description["name"] in needed,
        )

    async def acall_tool(self, name: str, arguments: Mapping[str, Any] | None = None) -> Any:
        """Call a tool, and return its result: a text, or a list of blocks.

        A tool that asks for input gets none: the call is declined. `call_tools` and the built-in
        actions have the question answered.
        """
        idempotent = await self._is_idempotent(name)
        answer = await self.requests.amake(
            "call",
            tool=name,
            arguments=dict(arguments or {}),
            digest=None,
            repeatable=idempotent,
        )
        return self._result(name, answer)

    async def _is_idempotent(self, name: str) -> bool:
        return any(
            tool["idempotent"]
            for tool in await self.requests.amake("tools")
            if tool["name"] == name
        )

    def call_tool(self, name: str, arguments: Mapping[str, Any] | None = None) -> Any:
        """As `acall_tool`; blocks."""
        tools = self.requests.make("tools")
        answer = self.requests.make(
            "call",
            tool=name,
            arguments=dict(arguments or {}),
            digest=None,
            repeatable=any(tool["idempotent"] for tool in tools if tool["name"] == name),
        )
        return self._result(name, answer)

    def _result(self, name: str, answer: dict[str, Any]) -> Any:
        result = answer.get("result")
        if result is None:
            raise MCPServerError(
                f"The tool {name!r} of the MCP server {self.server_name!r} asks for input.",
                hint="Have it called by a model, or with call_tools: the run then waits for it.",
                server=self.server_name,
            )
        if result.get("isError"):
            raise MCPToolError(error_of(result), server=self.server_name)
        return result_of(result)

    # -- prompts

    async def adescribe_prompts(self) -> list[dict[str, Any]]:
        """The prompts as they are now."""
        found: list[dict[str, Any]] = await self.requests.amake("prompts")
        return found

    def describe_prompts(self) -> list[dict[str, Any]]:
        """As `adescribe_prompts`; blocks."""
        found: list[dict[str, Any]] = self.requests.make("prompts")
        return found

    def prompt_of(self, description: Mapping[str, Any]) -> MCPPrompt:
        """The prompt with this description."""
        return MCPPrompt(server=self, prompt_name=description["name"], given=dict(description))

    async def aget_prompt(self, name: str, arguments: Mapping[str, Any] | None = None) -> list[Any]:
        """The messages of a prompt, made by the server with these arguments."""
        texts = {key: str(value) for key, value in (arguments or {}).items()}
        return messages_of(await self.requests.amake("prompt", name=name, arguments=texts))

    def get_prompt(self, name: str, arguments: Mapping[str, Any] | None = None) -> list[Any]:
        """As `aget_prompt`; blocks."""
        texts = {key: str(value) for key, value in (arguments or {}).items()}
        return messages_of(self.requests.make("prompt", name=name, arguments=texts))

    # -- resources

    async def alist_resources(self) -> list[dict[str, Any]]:
        """The resources that can be read: ``uri``, ``name``, ``description``, ``mimeType``."""
        found: list[dict[str, Any]] = await self.requests.amake("resources")
        return found

    def list_resources(self) -> list[dict[str, Any]]:
        """As `alist_resources`; blocks."""
        found: list[dict[str, Any]] = self.requests.make("resources")
        return found

    async def alist_resource_templates(self) -> list[dict[str, Any]]:
        """The kinds of resources that can be read: ``uriTemplate``, ``name``, ``description``."""
        found: list[dict[str, Any]] = await self.requests.amake("templates")
        return found

    def list_resource_templates(self) -> list[dict[str, Any]]:
        """As `alist_resource_templates`; blocks."""
        found: list[dict[str, Any]] = self.requests.make("templates")
        return found

    async def aread_resource(self, uri: str) -> str | bytes:
        """The contents of a resource: a text, or bytes."""
        return contents_of(await self.requests.amake("read", uri=uri))

    def read_resource(self, uri: str) -> str | bytes:
        """As `aread_resource`; blocks."""
        return contents_of(self.requests.make("read", uri=uri))


def pickled(auth: Any) -> str:
    """An object that signs requests, as a text.

    Raises:
        AgentDefinitionError: it cannot be copied into another process.
    """
    try:
        return base64.b64encode(cloudpickle.dumps(auth)).decode()
    except Exception as error:
        msg = f"auth of an MCP server is {type(auth).__name__}, which cannot be copied: {error}"
        raise AgentDefinitionError(msg, hint="Make it in a module of its own.") from error
