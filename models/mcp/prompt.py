"""`MCPPrompt`: a prompt of an MCP server, filled in by the server."""

from __future__ import annotations

from typing import Any, Protocol

from pydantic import Field

from ...agent.naming.public import public
from ...agent.resources.chat_message import ChatMessage, MessageRole
from ...agent.resources.prompt import Prompt

__all__ = ["MCPPrompt"]


class _HasPrompts(Protocol):
    """A server of prompts."""

    async def aget_prompt(self, name: str, arguments: dict[str, Any] | None = None) -> list[Any]:
        """The messages of a prompt."""

    def get_prompt(self, name: str, arguments: dict[str, Any] | None = None) -> list[Any]:
        """As `aget_prompt`; blocks."""


@public
class MCPPrompt(Prompt):
    """A prompt of an MCP server. Values that it does not have as arguments are left out."""

    server: Any = Field(exclude=True, repr=False)
    prompt_name: str
    given: dict[str, Any] = Field(default_factory=dict, repr=False)

    @property
    def arguments(self) -> list[str]:
        """The names of its arguments."""
        return [each["name"] for each in self.given.get("arguments", ())]

    def format_messages(
        self,
        role: MessageRole = MessageRole.SYSTEM,  # noqa: ARG002 (they have their own)
        **values: object,
    ) -> list[ChatMessage]:
        """The server's messages; they have roles of their own. Blocks: see `aformat_messages`."""
        server: _HasPrompts = self.server
        return server.get_prompt(self.prompt_name, self._known(values))

    async def aformat_messages(
        self,
        role: MessageRole = MessageRole.SYSTEM,  # noqa: ARG002 (they have their own)
        **values: object,
    ) -> list[ChatMessage]:
        """The awaitable form of `format_messages`."""
        server: _HasPrompts = self.server
        return await server.aget_prompt(self.prompt_name, self._known(values))

    def format_string(self, **values: object) -> str:
        """The server's messages as one text."""
        messages = self.format_messages(**values)  # type: ignore[arg-type]
        return "\n".join(f"{each.role.value}: {each.content}" for each in messages)

    def _known(self, values: dict[str, object]) -> dict[str, Any]:
        names = self.arguments
        return {name: value for name, value in values.items() if name in names}
