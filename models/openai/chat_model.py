"""`OpenAIChatModelConnection` and `OpenAIChatModelSetup`: chat completions.

The service is OpenAI, or any that speaks its protocol, at ``api_base_url``.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from pydantic import ConfigDict, Field

from ...agent.models.chat_model import BaseChatModelConnection, BaseChatModelSetup
from ...agent.naming.public import public
from ...agent.resources.chat_message import ChatDelta, ChatMessage
from ..shared.arguments import check_arguments
from ..shared.sdk_requests import split_options
from .chunks import Pieces
from .messages import answer_of, described_tools, response_format, wire_messages
from .models import knows_schemas, reasons
from .places import KeyedConnection

if TYPE_CHECKING:
    from ...agent.tools.tool import Tool
    from .service import Answer

__all__ = ["OpenAIChatModelConnection", "OpenAIChatModelSetup"]

_PATH = "/chat/completions"


class _Request(NamedTuple):
    body: dict[str, Any]
    how: dict[str, Any]
    extracts: bool


class ChatCompletions(KeyedConnection, BaseChatModelConnection):
    """What all connections by chat completions do."""

    max_retries: int = Field(
        default=3, ge=0, description="Not used: durable calls have a retry policy of their own."
    )
    timeout: float = Field(
        default=60, gt=0, description="Seconds that the service may be silent for."
    )

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
            kwargs: ``model`` and other fields of the service's request; ``strict`` (arguments of
                tools match their schemas exactly), ``extract_reasoning`` (reasoning in the text of
                the answer is kept apart), and, of the request itself, ``timeout``, ``request_id``,
                ``extra_headers``, ``extra_query``, ``extra_body``.

        Raises:
            ModelError: the service refuses, fails, or cannot be reached.
            MissingExtraError: the extra ``openai`` is not installed.
        """
        request = self._request(messages, tools, output_schema, kwargs)
        answer = self._service().post(_PATH, request.body, request.how)
        return self._message(answer, extracts=request.extracts)

    async def achat(
        self,
        messages: Sequence[ChatMessage],
        tools: list[Tool] | None = None,
        output_schema: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> ChatMessage:
        """The awaitable form of `chat`."""
        request = self._request(messages, tools, output_schema, kwargs)
        answer = await self._service().apost(_PATH, request.body, request.how)
        return self._message(answer, extracts=request.extracts)

    async def astream(
        self,
        messages: Sequence[ChatMessage],
        tools: list[Tool] | None = None,
        output_schema: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> AsyncGenerator[ChatDelta, None]:
        """The answer of `chat`, bit by bit; with ``extract_reasoning`` in one piece."""
        request = self._request(messages, tools, output_schema, kwargs)
        if request.extracts:
            answer = await self._service().apost(_PATH, request.body, request.how)
            message = self._message(answer, extracts=True)
            yield ChatDelta(
                text=message.content, reasoning=message.reasoning or "", message=message
            )
            return
        body = {"stream_options": {"include_usage": True}, **request.body, "stream": True}
        pieces = Pieces()
        service = self._service()
        async with aclosing(service.astream(_PATH, body, request.how)) as chunks:
            async for chunk in chunks:
                text, reasoning = pieces.add(chunk)
                if text or reasoning:
                    yield ChatDelta(text=text, reasoning=reasoning)
        if pieces.finish is None:
            raise service.service.cut("it ended before the answer was complete")
        yield ChatDelta(
            message=answer_of(
                pieces.message(),
                finish=pieces.finish,
                usage=pieces.usage,
                request_id="",
                logprobs=pieces.logprobs,
            )
        )

    def _request(
        self,
        messages: Sequence[ChatMessage],
        tools: list[Tool] | None,
        output_schema: Mapping[str, Any] | None,
        kwargs: dict[str, Any],
    ) -> _Request:
        body, how = split_options(kwargs)
        strict = body.pop("strict", False)
        extracts = body.pop("extract_reasoning", False)
        known_as = body.pop("model_of_azure_deployment", None) or body.get("model", "")
        if "max_tokens" in body and reasons(known_as):
            body["max_completion_tokens"] = body.pop("max_tokens")
        body["messages"] = wire_messages(messages)
        if tools:
            body["tools"] = described_tools(tools, strict=strict)
        if output_schema is not None:
            schema = response_format(output_schema)
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return _Request(body, how, extracts)

    def _message(self, answer: Answer, *, extracts: bool) -> ChatMessage:
        body = answer.body
        try:
            choice = body["choices"][0]
            message = answer_of(
                choice["message"],
                finish=choice.get("finish_reason"),
                usage=body.get("usage"),
                request_id=answer.request_id,
                logprobs=choice.get("logprobs"),
            )
        except (KeyError, IndexError, TypeError, AttributeError):
            raise self._service().service.unreadable(str(body)) from None
        if extracts and not message.reasoning:
            message.content, message.reasoning = self._extract_reasoning(message.content)
        return message


@public
class OpenAIChatModelConnection(ChatCompletions):
    """The way to OpenAI's chat completions, or to a service that speaks this protocol.

    The key and the address come from ``OPENAI_API_KEY`` and ``OPENAI_BASE_URL``, unless they are
    given.
    """

    SERVICE: ClassVar[str] = "OpenAI"
    KEY_VARIABLE: ClassVar[str] = "OPENAI_API_KEY"
    URL_VARIABLE: ClassVar[str] = "OPENAI_BASE_URL"

    api_base_url: str | None = Field(default=None, description="The service's address.")
    default_headers: dict[str, str] | None = Field(default=None, repr=False)
    reuse_client: bool = Field(default=True, description="Whether calls share connections.")

    def supports_native_structured_output(self, model: str | None = None) -> bool:
        """All but OpenAI's oldest models do."""
        return model is None or knows_schemas(model)


class SamplingSetup(BaseChatModelSetup):
    """What setups of models by OpenAI's protocols share."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    additional_kwargs: dict[str, Any] = Field(
        default_factory=dict, description="Further fields of the service's requests."
    )

    @classmethod
    def preload(cls, arguments: Mapping[str, Any]) -> None:
        """Check the arguments."""
        check_arguments(cls, arguments)

    def _sampling(self, model: str, **fields: Any) -> dict[str, Any]:
        """The fields that have a value; of those that models that reason refuse, only set ones."""
        refused = ("temperature", "top_p", "logprobs", "top_logprobs") if reasons(model) else ()
        return {
            name: value
            for name, value in fields.items()
            if value is not None and (name not in refused or name in self.model_fields_set)
        }


@public
class OpenAIChatModelSetup(SamplingSetup):
    """A chat model of OpenAI, or of a service that speaks its protocol.

    Models that reason take no ``temperature``; it is sent to them only if it is set.
    """

    model: str = "gpt-4o-mini"
    temperature: float | None = Field(default=0.1, ge=0, le=2)
    max_tokens: int | None = Field(default=None, gt=0)
    logprobs: bool | None = None
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    strict: bool = Field(default=False, description="Arguments of tools match their schemas.")
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None = None

    @property
    def model_kwargs(self) -> dict[str, Any]:
        """The model and its parameters."""
        return {
            "model": self.model,
            **self._sampling(
                self.model,
                temperature=self.temperature,
                max_tokens=self.max_tokens,
                logprobs=self.logprobs,
                top_logprobs=self.top_logprobs if self.logprobs else None,
                strict=self.strict or None,
                reasoning_effort=self.reasoning_effort,
            ),
            **self.additional_kwargs,
        }
