"""Chat models: the connection to a service, and setups of it for particular conversations.

A connection knows where the service is and how to speak to it; a setup names a connection, a
prompt, tools and parameters. Several setups may share a connection. A class of one's own needs
``chat`` of a connection, and ``model_kwargs`` of a setup.

Every ``chat`` has an awaitable form, ``achat``, so that other keys go on meanwhile. By default it
runs ``chat`` in a thread; a connection that can do better overrides it.
"""

from __future__ import annotations

import asyncio
import re
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, cast

from pydantic import Field

from ..errors import AgentDefinitionError
from ..naming.public import public
from ..resources.chat_message import ChatDelta, ChatMessage, MessageRole
from ..resources.prompt import Prompt  # noqa: TC001 (pydantic needs it, for a field)
from ..resources.resource import Resource, ResourceType

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from ..resources.tool import Tool

__all__ = ["BaseChatModelConnection", "BaseChatModelSetup"]


class _CountsTokens(Resource, ABC):
    """Reports how many tokens a model has taken and given."""

    def _record_token_metrics(
        self, model_name: str, prompt_tokens: int, completion_tokens: int
    ) -> None:
        """Add to the model's counters ``promptTokens`` and ``completionTokens``."""
        if self.metric_group is not None:
            group = self.metric_group.get_sub_group(model_name)
            group.get_counter("promptTokens").inc(prompt_tokens)
            group.get_counter("completionTokens").inc(completion_tokens)


@public
class BaseChatModelConnection(_CountsTokens, ABC):
    """The way to a service that has chat models."""

    DEFAULT_REASONING_PATTERNS: ClassVar[tuple[re.Pattern[str], ...]] = (
        re.compile(r"<think>(.*?)</think>", re.DOTALL | re.IGNORECASE),
        re.compile(r"<analysis>(.*?)</analysis>", re.DOTALL | re.IGNORECASE),
        re.compile(r"<reasoning>(.*?)</reasoning>", re.DOTALL | re.IGNORECASE),
        re.compile(r"```(?:think|thought|reasoning)[ \t]*\n(.*?)\n```", re.DOTALL | re.IGNORECASE),
    )

    @classmethod
    def resource_type(cls) -> ResourceType:
        """`ResourceType.CHAT_MODEL_CONNECTION`."""
        return ResourceType.CHAT_MODEL_CONNECTION

    @abstractmethod
    def chat(
        self, messages: Sequence[ChatMessage], tools: list[Tool] | None = None, **kwargs: Any
    ) -> ChatMessage:
        """The model's answer to a conversation.

        ``tools`` are those that it may ask for; ``kwargs`` are for the service: ``model``,
        ``temperature``. A connection that `supports_native_structured_output` has a parameter
        ``output_schema``, too: the JSON schema that the answer's content is to match, a dict, or
        None.

        Raises `ModelError`, whose classes say what may be done about it.
        """

    async def achat(
        self, messages: Sequence[ChatMessage], tools: list[Tool] | None = None, **kwargs: Any
    ) -> ChatMessage:
        """The awaitable form of `chat`."""
        return await asyncio.to_thread(self.chat, messages, tools, **kwargs)

    async def astream(
        self, messages: Sequence[ChatMessage], tools: list[Tool] | None = None, **kwargs: Any
    ) -> AsyncIterator[ChatDelta]:
        """The answer, bit by bit; the last one has the whole ``message``.

        Unless a connection overrides it, there is one, with all of the answer.
        """
        message = await self.achat(messages, tools, **kwargs)
        yield ChatDelta(text=message.content, reasoning=message.reasoning or "", message=message)

    def supports_native_structured_output(self, model: str | None = None) -> bool:  # noqa: ARG002
        """Whether `chat` takes an ``output_schema``, and the service sees to it, for a model."""
        return False

    @staticmethod
    def _extract_reasoning(
        content: str, patterns: Sequence[re.Pattern[str]] = DEFAULT_REASONING_PATTERNS
    ) -> tuple[str, str | None]:
        """What a model says, without its thoughts, and the thoughts."""
        thoughts: list[str] = []
        for pattern in patterns:
            thoughts += pattern.findall(content)
            content = pattern.sub("", content)
        content = re.sub(r" {2,}", " ", re.sub(r"\n{3,}", "\n\n", content)).strip()
        return content, "\n\n".join(filter(None, map(str.strip, thoughts))) or None


class _Request(NamedTuple):
    """What a setup has its connection asked."""

    connection: BaseChatModelConnection
    messages: list[ChatMessage]
    tools: list[Tool] | None
    kwargs: dict[str, Any]


@public
class BaseChatModelSetup(_CountsTokens, ABC):
    """A chat model as an agent uses it: with a prompt, tools and parameters."""

    connection: str = Field(description="Name of the connection.")
    prompt: Prompt | str | None = None
    tools: list[str] | None = None

    @classmethod
    def resource_type(cls) -> ResourceType:
        """`ResourceType.CHAT_MODEL`."""
        return ResourceType.CHAT_MODEL

    @property
    @abstractmethod
    def model_kwargs(self) -> dict[str, Any]:
        """The parameters that each call of the connection gets."""

    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatMessage:
        """The model's answer to a conversation.

        The prompt comes first, filled in with the ``extra_args`` of the messages; messages without
        content, unless the model's own, are there for their ``extra_args`` only. ``kwargs`` take
        precedence over `model_kwargs`.

        Raises `AgentDefinitionError` when the agent has no such connection, prompt or tool.
        """
        request = self._request(messages, kwargs)
        return request.connection.chat(request.messages, request.tools, **request.kwargs)

    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatMessage:
        """The awaitable form of `chat`."""
        request = self._request(messages, kwargs)
        return await request.connection.achat(request.messages, request.tools, **request.kwargs)

    def _request(self, messages: Sequence[ChatMessage], kwargs: dict[str, Any]) -> _Request:
        connection = self._connection()
        if self.metric_group is not None:
            connection.set_metric_group(self.metric_group)
        tools = None
        if self.tools is not None:
            tools = [cast("Tool", self._other(name, ResourceType.TOOL)) for name in self.tools]
        kwargs = {**self.model_kwargs, **kwargs}
        return _Request(connection, self._prompted(messages), tools, kwargs)

    def _prompted(self, messages: Sequence[ChatMessage]) -> list[ChatMessage]:
        prompt = self.prompt
        if prompt is None:
            return list(messages)
        if isinstance(prompt, str):
            prompt = cast("Prompt", self._other(prompt, ResourceType.PROMPT))
        values: dict[str, Any] = {}
        for message in messages:
            values.update((name, str(value)) for name, value in message.extra_args.items())
        # `format_messages` has a parameter of that name.
        values.pop("role", None)
        return prompt.format_messages(**values) + [
            message
            for message in messages
            if message.content or message.role is MessageRole.ASSISTANT
        ]

    def _connection(self) -> BaseChatModelConnection:
        kind = ResourceType.CHAT_MODEL_CONNECTION
        return cast("BaseChatModelConnection", self._other(self.connection, kind))

    def _other(self, name: str, kind: ResourceType) -> Resource:
        if self.get_resource is None:
            msg = f"The chat model needs {name!r}, and belongs to no agent."
            hint = "Declare it as a resource of an agent, and ask the context for it."
            raise AgentDefinitionError(msg, hint=hint)
        return self.get_resource(name, kind)
