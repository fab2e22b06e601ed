"""`ChatMessage`: one message of a conversation with a chat model, and its role."""

from __future__ import annotations

from enum import Enum
from typing import Any

from pydantic import BaseModel, Field

from ..naming.public import public

__all__ = ["ChatMessage", "MessageRole"]


@public
class MessageRole(str, Enum):
    """Who says a message: the instructions, the user, the model, or a tool that it has called."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


@public
class ChatMessage(BaseModel):
    """One message of a conversation.

    ``tool_calls`` are those that a model asks for: mappings with an ``id``, a ``type`` and a
    ``function`` that has a ``name`` and ``arguments``. ``extra_args`` holds everything
    else: values for a prompt, the ``external_id`` of the tool call that a result belongs to.
    """

    role: MessageRole = MessageRole.USER
    content: str = ""
    tool_calls: list[dict[str, Any]] = Field(default_factory=list)
    extra_args: dict[str, Any] = Field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.role.value}: {self.content}"
