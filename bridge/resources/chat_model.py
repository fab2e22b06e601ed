"""Chat models whose class is a Java class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...agent.models.chat_model import BaseChatModelConnection, BaseChatModelSetup
from ...agent.naming.public import public
from ...agent.resources.chat_message import ChatMessage
from . import convert
from .java_resource import JavaResource

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...agent.tools.tool import Tool


@public
class JavaChatModelConnection(JavaResource, BaseChatModelConnection):
    """A connection that lives in Java."""

    def chat(
        self, messages: Sequence[ChatMessage], tools: list[Tool] | None = None, **kwargs: Any
    ) -> ChatMessage:
        """The model's answer. Raises as `tamias.bridge.resources.calls.JavaCalls.call`."""
        return convert.message(self.java_call("chat", **_args(messages, tools, kwargs)))

    async def achat(
        self, messages: Sequence[ChatMessage], tools: list[Tool] | None = None, **kwargs: Any
    ) -> ChatMessage:
        """The awaitable form of `chat`."""
        return convert.message(await self.java_acall("chat", **_args(messages, tools, kwargs)))


@public
class JavaChatModelSetup(JavaResource, BaseChatModelSetup):
    """A setup that lives in Java, and finds its connection, prompt and tools there or here."""

    connection: str = ""

    @property
    def model_kwargs(self) -> dict[str, Any]:
        """Empty: only Java knows the arguments."""
        return {}

    def chat(
        self,
        messages: Sequence[ChatMessage],
        prompt_args: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> ChatMessage:
        """The model's answer. Raises as `tamias.bridge.resources.calls.JavaCalls.call`."""
        args = {"messages": _with_values(messages, prompt_args), "kwargs": kwargs}
        return convert.message(self.java_call("chat", **args))

    async def achat(
        self,
        messages: Sequence[ChatMessage],
        prompt_args: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> ChatMessage:
        """The awaitable form of `chat`."""
        args = {"messages": _with_values(messages, prompt_args), "kwargs": kwargs}
        return convert.message(await self.java_acall("chat", **args))


def _with_values(
    messages: Sequence[ChatMessage], prompt_args: Mapping[str, Any] | None
) -> list[ChatMessage]:
    """The messages, and the values for the prompt as Java's setups find them: in a message."""
    if not prompt_args:
        return list(messages)
    return [*messages, ChatMessage(extra_args=dict(prompt_args))]


def _args(
    messages: Sequence[ChatMessage], tools: list[Tool] | None, kwargs: dict[str, Any]
) -> dict[str, Any]:
    trees = [
        {"java": tool.java_name} if isinstance(tool, JavaResource) else convert.tool_tree(tool)
        for tool in tools or ()
    ]
    return {"messages": list(messages), "tools": trees, "kwargs": kwargs}
