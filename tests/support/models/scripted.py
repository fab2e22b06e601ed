"""A chat model whose answers a test writes; it logs what it is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tamias import (
    Agent,
    BaseChatModelConnection,
    BaseChatModelSetup,
    ChatMessage,
    MessageRole,
    ResourceDescriptor,
    ResourceType,
    TokenUsage,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

asked: list[list[str]] = []
"""The texts of the messages of each call."""
script: list[Callable[[Sequence[ChatMessage]], Any]] = []
"""The one function that answers calls."""


def answer_by(function: Callable[[Sequence[ChatMessage]], Any]) -> None:
    """Have calls answered by a function: with a text, a message, or an exception."""
    asked.clear()
    script[:] = [function]


def answer_with(*answers: Any) -> None:
    """Have calls answered in this order."""
    left = list(answers)
    answer_by(lambda _: left.pop(0))


class ScriptedConnection(BaseChatModelConnection):
    """Answers as the test says."""

    def chat(
        self, messages: Sequence[ChatMessage], tools: Any = None, **kwargs: Any
    ) -> ChatMessage:
        """The next answer."""
        asked.append([str(message) for message in messages])
        answer = script[0](messages)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, ChatMessage):
            return answer
        return ChatMessage(role=MessageRole.ASSISTANT, content=answer, usage=TokenUsage())

    async def achat(
        self, messages: Sequence[ChatMessage], tools: Any = None, **kwargs: Any
    ) -> ChatMessage:
        """The same, without a thread."""
        return self.chat(messages, tools, **kwargs)


class ScriptedSetup(BaseChatModelSetup):
    """A setup of it."""

    @property
    def model_kwargs(self) -> dict[str, Any]:
        """None."""
        return {}


def calls(*named: tuple[str, dict[str, Any]]) -> ChatMessage:
    """An answer that asks for tools; the service's ids are a, b, ..."""
    return ChatMessage(
        role=MessageRole.ASSISTANT,
        tool_calls=[
            {
                "id": "",
                "type": "function",
                "function": {"name": name, "arguments": arguments},
                "original_id": chr(ord("a") + place),
            }
            for place, (name, arguments) in enumerate(named)
        ],
    )


def with_model(agent: Agent, *tools: Callable[..., Any], **setup: Any) -> Agent:
    """The agent with the chat model "model", and tools."""
    for tool in tools:
        agent.add_resource(tool.__name__, ResourceType.TOOL, tool)
    connection = ResourceDescriptor(clazz=ScriptedConnection)
    agent.add_resource("scripted", ResourceType.CHAT_MODEL_CONNECTION, connection)
    clazz = setup.pop("clazz", ScriptedSetup)
    setup = {"connection": "scripted", "tools": [tool.__name__ for tool in tools], **setup}
    model = ResourceDescriptor(clazz=clazz, **setup)
    return agent.add_resource("model", ResourceType.CHAT_MODEL, model)
