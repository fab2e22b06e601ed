"""`OpenAIResponsesModelConnection` and `OpenAIResponsesModelSetup`: OpenAI's responses API."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from ...agent.models.chat_model import BaseChatModelConnection
from ...agent.naming.public import public
from ...agent.resources.chat_message import ChatDelta, ChatMessage
from ..shared.sdk_requests import split_options
from .chat_model import SamplingSetup
from .items import described_tools, response_message, wire_items
from .messages import response_format
from .models import knows_schemas, reasons
from .places import KeyedConnection
from .service import Answer

if TYPE_CHECKING:
    from ...agent.tools.tool import Tool

__all__ = ["OpenAIResponsesModelConnection", "OpenAIResponsesModelSetup"]

_PATH = "/responses"
_SEALED = "reasoning.encrypted_content"
_ENDS = frozenset({"response.completed", "response.incomplete"})


@public
class OpenAIResponsesModelConnection(KeyedConnection, BaseChatModelConnection):
    """The way to OpenAI's responses API, or to a service that speaks this protocol.

    The service stores nothing: each call has the whole conversation, with the reasoning of earlier
    turns sealed. The key and the address come from ``OPENAI_API_KEY`` and ``OPENAI_BASE_URL``,
    unless they are given.
    """

    SERVICE: ClassVar[str] = "OpenAI"
    KEY_VARIABLE: ClassVar[str] = "OPENAI_API_KEY"
    URL_VARIABLE: ClassVar[str] = "OPENAI_BASE_URL"

    api_base_url: str | None = Field(default=None, description="The service's address.")
    max_retries: int = Field(
        default=3, ge=0, description="Not used: durable calls have a retry policy of their own."
    )
    timeout: float = Field(
        default=60, gt=0, description="Seconds that the service may be silent for."
    )
    default_headers: dict[str, str] | None = Field(default=None, repr=False)
    reuse_client: bool = Field(default=True, description="Whether calls share connections.")

    def supports_native_structured_output(self, model: str | None = None) -> bool:
        """All but OpenAI's oldest models do."""
        return model is None or knows_schemas(model)

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
            kwargs: ``model`` and other fields of the service's request; ``strict``,
                ``reasoning_effort``, ``max_tokens`` (``max_output_tokens``); and, of the request
                itself, ``timeout``, ``request_id``, ``extra_headers``, ``extra_query``,
                ``extra_body``.

        Raises:
            ModelError: the service refuses, fails, or cannot be reached.
            MissingExtraError: the extra ``openai`` is not installed.
        """
        body, how = self._request(messages, tools, output_schema, kwargs)
        return self._message(self._service().post(_PATH, body, how))

    async def achat(
        self,
        messages: Sequence[ChatMessage],
        tools: list[Tool] | None = None,
        output_schema: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> ChatMessage:
        """The awaitable form of `chat`."""
        body, how = self._request(messages, tools, output_schema, kwargs)
        return self._message(await self._service().apost(_PATH, body, how))

    async def astream(
        self,
        messages: Sequence[ChatMessage],
        tools: list[Tool] | None = None,
        output_schema: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> AsyncGenerator[ChatDelta, None]:
        """The answer of `chat`, bit by bit."""
        body, how = self._request(messages, tools, output_schema, kwargs)
        service = self._service()
        async with aclosing(service.astream(_PATH, {**body, "stream": True}, how)) as events:
            async for event in events:
                kind = event.get("type")
                if kind in {"response.output_text.delta", "response.refusal.delta"}:
                    yield ChatDelta(text=event["delta"])
                elif kind in {
                    "response.reasoning_summary_text.delta",
                    "response.reasoning_text.delta",
                }:
                    yield ChatDelta(reasoning=event["delta"])
                elif kind in _ENDS:
                    yield ChatDelta(message=self._message(Answer(event["response"], "")))
                    return
                elif kind == "response.failed":
                    raise service.told((event.get("response") or {}).get("error") or {}, "")
                elif kind == "error":
                    raise service.told(event.get("error") or event, "")
        raise service.service.cut("it ended before the answer was complete")

    def _request(
        self,
        messages: Sequence[ChatMessage],
        tools: list[Tool] | None,
        output_schema: Mapping[str, Any] | None,
        kwargs: dict[str, Any],
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        body, how = split_options(kwargs)
        strict = body.pop("strict", False)
        effort = body.pop("reasoning_effort", None)
        if effort is not None:
            body["reasoning"] = {**body.get("reasoning", {}), "effort": effort}
        if "max_tokens" in body:
            body["max_output_tokens"] = body.pop("max_tokens")
        body.setdefault("store", False)
        if reasons(body.get("model", "")) and not body["store"]:
            body.setdefault("include", [_SEALED])
        body["input"] = wire_items(messages)
        if tools:
            body["tools"] = described_tools(tools, strict=strict)
        if output_schema is not None:
            form = {"type": "json_schema", **response_format(output_schema)}
            body["text"] = {**body.get("text", {}), "format": form}
        return body, how

    def _message(self, answer: Answer) -> ChatMessage:
        body = answer.body
        if body.get("status") == "failed":
            raise self._service().told(body.get("error") or {}, answer.request_id)
        try:
            return response_message(body, answer.request_id)
        except (KeyError, TypeError, AttributeError):
            raise self._service().service.unreadable(str(body)) from None


@public
class OpenAIResponsesModelSetup(SamplingSetup):
    """A chat model of OpenAI by the responses API."""

    model: str = "gpt-4o-mini"
    temperature: float | None = Field(default=None, ge=0, le=2)
    max_tokens: int | None = Field(default=None, gt=0)
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
                strict=self.strict or None,
                reasoning_effort=self.reasoning_effort,
            ),
            **self.additional_kwargs,
        }
