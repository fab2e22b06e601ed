"""`MCPTool`: a tool of an MCP server, as a run has listed it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast

from pydantic import Field

from ...agent.naming.public import public
from ...agent.resources.mcp_server import BaseMCPServer, MCPServerError, MCPToolError, offered_name
from ...agent.tools.metadata import InputRequired, ToolType
from ...agent.tools.settings import ToolSettings
from ...agent.tools.tool import Tool
from .answers import ask_of, replies_to
from .content import error_of, result_of

if TYPE_CHECKING:
    from .requests import Requests

__all__ = ["MCPTool"]


class _Server(Protocol):
    """A server that requests can be made to: `MCPServer`."""

    @property
    def server_name(self) -> str:
        """Its name in the agent."""

    @property
    def requests(self) -> Requests:
        """Makes requests to it."""


@public
class MCPTool(Tool):
    """A tool of an MCP server.

    It is called only while the server says of it what it said when it was listed: name,
    description and parameters. Otherwise the call is refused (`MCPToolChangedError`).
    """

    server: BaseMCPServer = Field(exclude=True, repr=False)
    description_given: dict[str, Any]
    """What the server says of it."""
    qualified: bool = False
    """Whether its name begins with that of the server."""

    needs_approval: bool = False
    """Whether a call has to be approved before it is made."""

    @classmethod
    def tool_type(cls) -> ToolType:
        """`ToolType.MCP`."""
        return ToolType.MCP

    @property
    def name(self) -> str:
        """The name a model calls the tool by."""
        server = self._server.server_name if self.qualified else ""
        return offered_name(self.description_given["name"], server)

    @property
    def description(self) -> str:
        """What the tool does, in the server's words."""
        return str(self.description_given["description"])

    @property
    def parameters(self) -> dict[str, Any]:
        """The JSON schema of the arguments."""
        parameters: dict[str, Any] = self.description_given["parameters"]
        return parameters

    @property
    def call_settings(self) -> ToolSettings:
        """Those that it was given; else the defaults, idempotent only if the server says so."""
        idempotent = self.description_given["idempotent"]
        return self.settings or ToolSettings(idempotent=idempotent, approval=self.needs_approval)

    @property
    def _server(self) -> _Server:
        return cast("_Server", self.server)

    @property
    def _name(self) -> str:
        return str(self.description_given["name"])

    def call(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG002 (there are none)
        """Call the tool. Raises `MCPServerError` if it asks for input."""
        answer = self._server.requests.make("call", **self._request(kwargs))
        result = self._outcome(answer, kwargs, [])
        if isinstance(result, InputRequired):
            raise MCPServerError(
                f"The tool {self._name!r} of the MCP server {self._server.server_name!r} asks for"
                " input.",
                hint="Have it called by a model, or with call_tools: the run then waits for it.",
                server=self._server.server_name,
            )
        return result

    async def acall(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG002 (there are none)
        """Call the tool; returns `InputRequired` if it asks for input."""
        answer = await self._server.requests.amake("call", **self._request(kwargs))
        return self._outcome(answer, kwargs, [])

    async def aresume(self, state: Any, answer: Any, /, **arguments: Any) -> Any:
        """Go on with a call that has asked for input."""
        questions: dict[str, dict[str, Any]] = state["questions"]
        replies = replies_to(questions, answer, server=self._server.server_name)
        given = list(state["answers"])
        more: dict[str, Any]
        op = "call"
        if state["kind"] == "live":
            given.append([next(iter(questions.values())), next(iter(replies.values()))])
            op, more = "resume", {"live": state["live"], "answers": given}
        elif state["kind"] == "again":
            if any(reply["action"] != "accept" for reply in replies.values()):
                raise MCPToolError("What the tool asks for was declined.")
            more = {}
        else:
            more = {"responses": {**state["responses"], **replies}, "state": state["state"]}
            more["questions"] = questions
        made = await self._server.requests.amake(op, **self._request(arguments), **more)
        return self._outcome(made, arguments, given)

    def _request(self, arguments: dict[str, Any]) -> dict[str, Any]:
        return {
            "tool": self._name,
            "arguments": arguments,
            "digest": self.description_given["digest"],
            "repeatable": self.idempotent,
        }

    def _outcome(
        self, answer: dict[str, Any], arguments: dict[str, Any], answers: list[Any]
    ) -> Any:
        """The result of a call, or what it asks for."""
        result = answer.get("result")
        if result is not None:
            if result.get("isError"):
                raise MCPToolError(error_of(result), server=self._server.server_name)
            return result_of(result)
        if "asks" in answer:
            questions = answer["asks"]
            state = {"kind": "state", "state": answer["state"], "responses": answer["responses"]}
        else:
            questions = {str(place): each for place, each in enumerate(answer["ask"])}
            state = {"kind": "again"}
            if "live" in answer:
                state = {"kind": "live", "live": answer["live"]}
        ask = {**ask_of(self._server.server_name, self._name, questions), "arguments": arguments}
        return InputRequired(ask, {**state, "questions": questions, "answers": answers})
