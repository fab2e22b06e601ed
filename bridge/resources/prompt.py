"""Prompts whose class is a Java class."""

from __future__ import annotations

from typing import Any

from ...agent.naming.public import public
from ...agent.resources.chat_message import ChatMessage, MessageRole
from ...agent.resources.prompt import Prompt
from . import convert
from .java_resource import JavaResource


@public
class JavaPrompt(JavaResource, Prompt):
    """A prompt that lives in Java: a subclass of ``Prompt``, or what a static method returns."""

    def format_string(self, **values: object) -> str:
        """The prompt as one text. Raises as `tamias.bridge.resources.calls.JavaCalls.call`."""
        return str(self.java_call("format_string", values=_texts(values)))

    def format_messages(
        self, role: MessageRole = MessageRole.SYSTEM, **values: object
    ) -> list[ChatMessage]:
        """The prompt as messages. Raises as `tamias.bridge.resources.calls.JavaCalls.call`."""
        args: dict[str, Any] = {"role": role, "values": _texts(values)}
        return convert.messages(self.java_call("format_messages", **args))


def _texts(values: dict[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}
