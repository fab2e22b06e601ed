"""As `flink_agents.runtime.java.java_chat_model` of Flink Agents: chat models over Java's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tamias import ChatMessage, MessageRole, ResourceType, Tool

from ...api.chat_models.chat_model import BaseChatModelConnection, BaseChatModelSetup
from .java_resource_wrapper import OfJavaObject

__all__ = ["JavaChatModelConnectionImpl", "JavaChatModelSetupImpl"]


class JavaChatModelConnectionImpl(OfJavaObject, BaseChatModelConnection):
    """A connection that is an object of Java."""

    def chat(
        self,
        messages: Sequence[ChatMessage],
        tools: list[Tool] | None = None,
        output_schema: Any = None,
        **kwargs: Any,
    ) -> ChatMessage:
        """The model's answer. Raises NotImplementedError for a schema, which Java does not take."""
        self._reject_unsupported_output_schema(output_schema)
        adapter = self._j_resource_adapter
        given = [adapter.fromPythonChatMessage(each) for each in messages]
        named = [adapter.getResource(each.name, ResourceType.TOOL.value) for each in tools or ()]
        return _message(self._j_resource.chat(given, named, kwargs))


class JavaChatModelSetupImpl(OfJavaObject, BaseChatModelSetup):
    """A setup that is an object of Java."""

    connection: str = ""
    model: str = ""

    @property
    def model_kwargs(self) -> dict[str, Any]:
        """Nothing: only Java knows the arguments."""
        return {}

    def chat(
        self,
        messages: Sequence[ChatMessage],
        prompt_args: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> ChatMessage:
        """The model's answer."""
        adapter = self._j_resource_adapter
        given = [adapter.fromPythonChatMessage(each) for each in messages]
        return _message(self._j_resource.chat(given, prompt_args or {}, kwargs))


def _message(j_message: Any) -> ChatMessage:
    """A message of Java's as one here."""
    calls = []
    for each in j_message.getToolCalls() or ():
        call = dict(each)
        call["id"] = str(call.get("id") or "")
        calls.append(call)
    return ChatMessage(
        role=MessageRole(j_message.getRole().getValue()),
        content=j_message.getContent(),
        tool_calls=calls,
        extra_args=dict(j_message.getExtraArgs() or {}),
    )
