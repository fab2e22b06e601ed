"""`OllamaChatModelConnection` and `OllamaChatModelSetup`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from pydantic import ConfigDict, Field, PrivateAttr

from ...agent.models.chat_model import BaseChatModelConnection, BaseChatModelSetup
from ...agent.naming.public import public
from ...agent.resources.chat_message import ChatDelta, ChatMessage
from ...agent.resources.model_errors import BadRequest
from ..shared.arguments import check_arguments
from .messages import answer_of, described_tools, request_body, wire_messages
from .service import OllamaConnection
from .thinking import ThoughtFilter

if TYPE_CHECKING:
    from ...agent.tools.tool import Tool

__all__ = ["OllamaChatModelConnection", "OllamaChatModelSetup"]

_PATH: Final = "/api/chat"


class _Request(NamedTuple):
    body: dict[str, Any]
    read: float | None
    extracts: bool


@public
class OllamaChatModelConnection(OllamaConnection, BaseChatModelConnection):
    """The way to chat models on an Ollama server."""

    # Models that are known not to think, and refuse to be asked to.
    _thoughtless: set[str] = PrivateAttr(default_factory=set)

    def supports_native_structured_output(self, model: str | None = None) -> bool:  # noqa: ARG002
        """The server forces any model to keep to a schema."""
        return True

    def chat(
        self,
        messages: Sequence[ChatMessage],
        tools: list[Tool] | None = None,
        output_schema: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> ChatMessage:
        """The model's answer to a conversation.

        Args:
            messages: the conversation.
            tools: those that the model may ask for.
            output_schema: a JSON schema that the content of the answer is to match.
            kwargs: ``model``, ``keep_alive``, ``think`` (True is dropped for models that do not
                think), ``extract_reasoning`` (reasoning in the text of the answer is kept apart),
                ``timeout``; others are options of the model, as ``temperature``, ``num_ctx``.

        Raises:
            ModelError: the server refuses, fails, or cannot be reached.
            MissingExtraError: the extra ``ollama`` is not installed.
        """
        request = self._request(messages, tools, output_schema, kwargs)
        try:
            answer = self._service().post(_PATH, request.body, request.read)
        except BadRequest as error:
            self._without_thinking(request.body, error)
            answer = self._service().post(_PATH, request.body, request.read)
        return self._message(answer, request)

    async def achat(
        self,
        messages: Sequence[ChatMessage],
        tools: list[Tool] | None = None,
        output_schema: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> ChatMessage:
        """The awaitable form of `chat`."""
        request = self._request(messages, tools, output_schema, kwargs)
        try:
            answer = await self._service().apost(_PATH, request.body, request.read)
        except BadRequest as error:
            self._without_thinking(request.body, error)
            answer = await self._service().apost(_PATH, request.body, request.read)
        return self._message(answer, request)

    async def astream(
        self,
        messages: Sequence[ChatMessage],
        tools: list[Tool] | None = None,
        output_schema: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> AsyncGenerator[ChatDelta, None]:
        """The answer of `chat`, bit by bit; of reasoning in the text, what is in ``<think>``."""
        request = self._request(messages, tools, output_schema, kwargs)
        try:
            async with aclosing(self._stream(request)) as deltas:
                async for delta in deltas:
                    yield delta
        except BadRequest as error:
            self._without_thinking(request.body, error)
        else:
            return
        async with aclosing(self._stream(request)) as deltas:
            async for delta in deltas:
                yield delta

    async def _stream(self, request: _Request) -> AsyncGenerator[ChatDelta, None]:
        service = self._service()
        texts = ThoughtFilter(is_on=request.extracts)
        content: list[str] = []
        thoughts: list[str] = []
        thinking: list[str] = []
        calls: list[Any] = []
        end: Mapping[str, Any] | None = None
        body = {**request.body, "stream": True}
        async with aclosing(service.astream(_PATH, body, request.read)) as lines:
            async for line in lines:
                try:
                    message = line["message"]
                    calls += message.get("tool_calls") or ()
                    piece = texts.add(message.get("content") or "")
                    thought = message.get("thinking") or ""
                except (KeyError, TypeError, AttributeError):
                    raise service.service.unreadable(str(line)) from None
                thinking.append(thought)
                thoughts.append(piece.reasoning)
                content.append(piece.text)
                if piece.text or piece.reasoning or thought:
                    yield ChatDelta(text=piece.text, reasoning=thought + piece.reasoning)
                if line.get("done"):
                    end = line
        if end is None:
            raise service.service.cut("it ended before the answer was complete")
        last = texts.end()
        whole = {
            "content": "".join((*content, last.text)),
            "thinking": "".join(thinking),
            "tool_calls": calls,
        }
        reasoning = "".join((*thoughts, last.reasoning)).strip()
        answer = answer_of(
            whole, end, turn=len(request.body["messages"]), reasoning=reasoning or None
        )
        yield ChatDelta(text=last.text, reasoning=last.reasoning, message=answer)

    def _request(
        self,
        messages: Sequence[ChatMessage],
        tools: list[Tool] | None,
        output_schema: Mapping[str, Any] | None,
        kwargs: Mapping[str, Any],
    ) -> _Request:
        given = {name: value for name, value in kwargs.items() if name != "request_id"}
        read = given.pop("timeout", None)
        extracts = bool(given.pop("extract_reasoning", False))
        body = request_body(given)
        if body.get("think") is True and body.get("model") in self._thoughtless:
            del body["think"]
        body["messages"] = wire_messages(messages)
        body["stream"] = False
        if tools:
            body["tools"] = described_tools(tools)
        if output_schema is not None:
            body["format"] = dict(output_schema)
        return _Request(body, read, extracts)

    def _without_thinking(self, body: dict[str, Any], error: BadRequest) -> None:
        """Drop a wish that the model thinks, if that is what is wrong with a request."""
        if body.get("think") is not True or "does not support thinking" not in str(error):
            raise error
        self._thoughtless.add(body["model"])
        del body["think"]

    def _message(self, answer: Mapping[str, Any], request: _Request) -> ChatMessage:
        turn = len(request.body["messages"])
        try:
            message = answer_of(answer["message"], answer, turn=turn)
        except (KeyError, TypeError, AttributeError):
            raise self._service().service.unreadable(str(answer)) from None
        if request.extracts and not message.reasoning:
            message.content, message.reasoning = self._extract_reasoning(message.content)
        return message


@public
class OllamaChatModelSetup(BaseChatModelSetup):
    """A chat model on an Ollama server."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    model: str = Field(description="As the server calls it.")
    temperature: float | None = Field(default=0.75, ge=0, le=2)
    num_ctx: int | None = Field(default=2048, gt=0, description="Tokens that the model may see.")
    keep_alive: float | str | None = Field(
        default=None, description="How long the server keeps the model loaded, as 5m."
    )
    think: bool | Literal["low", "medium", "high"] | None = True
    extract_reasoning: bool = Field(
        default=True, description="Keep reasoning in the text of the answer apart."
    )
    additional_kwargs: dict[str, Any] = Field(
        default_factory=dict, description="Further options of the model."
    )

    @classmethod
    def preload(cls, arguments: Mapping[str, Any]) -> None:
        """Check the arguments."""
        check_arguments(cls, arguments)

    @property
    def model_kwargs(self) -> dict[str, Any]:
        """The model and its parameters."""
        fields = {
            "model": self.model,
            "temperature": self.temperature,
            "num_ctx": self.num_ctx,
            "keep_alive": self.keep_alive,
            "think": self.think,
            "extract_reasoning": self.extract_reasoning or None,
        }
        given = {name: value for name, value in fields.items() if value is not None}
        return {**given, **self.additional_kwargs}
