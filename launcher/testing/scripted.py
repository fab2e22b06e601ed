"""A chat model whose answers a test writes, and which remembers what it was asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

from pydantic import PrivateAttr

from ...agent.models.chat_model import BaseChatModelConnection
from ...agent.resources.chat_message import ChatMessage, MessageRole

if TYPE_CHECKING:
    from typing import TypeAlias

    from ...agent.tools.tool import Tool

    ScriptedAnswer: TypeAlias = (
        str | ChatMessage | BaseException | Callable[[Sequence[ChatMessage]], Any]
    )

__all__ = ["AskedModel", "ScriptedChatModel", "asks_for_tool"]


@dataclass(frozen=True)
class AskedModel:
    """A call of a scripted model."""

    messages: list[ChatMessage]
    tools: list[str]
    """The names of the tools that it may ask for."""
    arguments: dict[str, Any]
    """Further ones: `model`, `temperature`."""

    @property
    def text(self) -> str:
        """The content of the last message."""
        return self.messages[-1].content if self.messages else ""


class ScriptedChatModel(BaseChatModelConnection):
    """A connection that gives prepared answers, in their order.

    An answer is a text; a `ChatMessage` (`asks_for_tool` makes one that asks for a tool); an
    exception, which is raised; or a function of the messages that returns one of these. The last
    answer is used again and again if it is a function.
    """

    _answers: list[Any] = PrivateAttr(default_factory=list)
    _asked: list[AskedModel] = PrivateAttr(default_factory=list)
    _lock: Any = PrivateAttr(default_factory=Lock)

    def __init__(self, *answers: ScriptedAnswer, **data: Any) -> None:
        """Take the answers."""
        super().__init__(**data)
        self._answers = list(answers)

    @property
    def asked(self) -> list[AskedModel]:
        """What it was asked, call by call."""
        return list(self._asked)

    @property
    def left(self) -> int:
        """How many answers were not used."""
        return len(self._answers)

    def chat(
        self, messages: Sequence[ChatMessage], tools: list[Tool] | None = None, **kwargs: Any
    ) -> ChatMessage:
        """The next answer.

        Raises:
            LookupError: there is none left.
        """
        with self._lock:
            names = [tool.name for tool in tools or ()]
            self._asked.append(AskedModel(list(messages), names, kwargs))
            if not self._answers:
                raise LookupError(
                    f"the scripted model was asked {len(self._asked)} times, and has no answer left"
                )
            answer = self._answers[0]
            if not callable(answer) or len(self._answers) > 1:
                self._answers.pop(0)
        if callable(answer):
            answer = answer(messages)
        if isinstance(answer, BaseException):
            raise answer
        if isinstance(answer, ChatMessage):
            return answer
        return ChatMessage(role=MessageRole.ASSISTANT, content=answer)

    async def achat(
        self, messages: Sequence[ChatMessage], tools: list[Tool] | None = None, **kwargs: Any
    ) -> ChatMessage:
        """The same, without a thread."""
        return self.chat(messages, tools, **kwargs)


def asks_for_tool(name: str, /, **arguments: Any) -> ChatMessage:
    """An answer that asks for a call of a tool."""
    return ChatMessage(
        role=MessageRole.ASSISTANT,
        tool_calls=[
            {"id": "", "type": "function", "function": {"name": name, "arguments": arguments}}
        ],
    )
