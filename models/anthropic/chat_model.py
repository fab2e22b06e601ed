"""`AnthropicChatModelConnection` and `AnthropicChatModelSetup`."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from pydantic import ConfigDict, Field, PrivateAttr

from ...agent.errors import AgentDefinitionError
from ...agent.models.chat_model import BaseChatModelConnection, BaseChatModelSetup
from ...agent.naming.public import public
from ..shared.arguments import check_arguments
from ..shared.http import preload_http
from ..shared.sdk_requests import split_options
from ..shared.secrets import SecretText, revealed
from .answers import AnswerStream, message_of
from .requests import ANSWER_TOOL, request_body, with_answer_tool
from .service import (
    DEFAULT_URL,
    KEY_HINT,
    Answer,
    AnthropicService,
    Place,
    has_credentials,
    sdk,
)

if TYPE_CHECKING:
    from ...agent.resources.chat_message import ChatDelta, ChatMessage
    from ...agent.tools.tool import Tool

__all__ = ["AnthropicChatModelConnection", "AnthropicChatModelSetup"]

_WITHOUT_SCHEMAS: Final = re.compile(
    r"claude-(?:[123]|instant|(?:opus|sonnet)-4(?:-0|-20250514|@20250514|$))"
)
"""Names of the models that know no schemas: their answers come as the arguments of a tool."""


class _Request(NamedTuple):
    body: dict[str, Any]
    how: dict[str, Any]
    prefix: str
    answer_tool: str


@public
class AnthropicChatModelConnection(BaseChatModelConnection):
    """The way to Anthropic's models, or to a server that speaks this protocol.

    The key and the address come from ``ANTHROPIC_API_KEY`` and ``ANTHROPIC_BASE_URL``, unless they
    are given.
    """

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, protected_namespaces=())

    api_key: SecretText | None = Field(default=None, description="By default from the environment.")
    base_url: str | None = Field(default=None, description="The service's address.")
    max_retries: int = Field(
        default=3, ge=0, description="Not used: durable calls have a retry policy of their own."
    )
    timeout: float = Field(
        default=60, gt=0, description="Seconds that the service may be silent for."
    )
    default_headers: dict[str, str] | None = Field(default=None, repr=False)
    structured_output: Literal["auto", "native", "tool"] = Field(
        default="auto",
        description="How an answer is made to match a schema: by the service, or as the arguments"
        " of a tool; by default the latter for models that know no schemas.",
    )

    _made: AnthropicService | None = PrivateAttr(default=None)
    _lock: Any = PrivateAttr(default_factory=Lock)

    @classmethod
    def preload(cls, arguments: Mapping[str, Any]) -> None:
        """Import the client library, so that workers share it, and check the arguments."""
        check_arguments(cls, arguments)
        if not arguments.get("api_key") and not has_credentials():
            raise AgentDefinitionError(f"{cls.__name__} has no API key.", hint=KEY_HINT)
        sdk()
        preload_http("httpx2")

    def supports_native_structured_output(self, model: str | None = None) -> bool:  # noqa: ARG002
        """All models do: those that know no schemas answer by a tool."""
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
            kwargs: ``model``, ``max_tokens`` and other fields of the service's request;
                ``json_prefill`` (the answer is made to begin with ``{``, where no tools are
                used), ``thinking`` (True, a number of tokens, or the service's own mapping),
                ``effort``, and, of the request itself, ``timeout``, ``request_id``,
                ``extra_headers``, ``extra_query``, ``extra_body``.

        Raises:
            ModelError: the service refuses, fails, or cannot be reached.
            MissingExtraError: the extra ``anthropic`` is not installed.
        """
        request = self._request(messages, tools, output_schema, kwargs)
        return self._message(self._service().post(request.body, request.how), request)

    async def achat(
        self,
        messages: Sequence[ChatMessage],
        tools: list[Tool] | None = None,
        output_schema: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> ChatMessage:
        """The awaitable form of `chat`."""
        request = self._request(messages, tools, output_schema, kwargs)
        return self._message(await self._service().apost(request.body, request.how), request)

    async def astream(
        self,
        messages: Sequence[ChatMessage],
        tools: list[Tool] | None = None,
        output_schema: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> AsyncGenerator[ChatDelta, None]:
        """The answer of `chat`, bit by bit."""
        request = self._request(messages, tools, output_schema, kwargs)
        answer = AnswerStream(
            prefix=request.prefix,
            answer_tool=request.answer_tool,
            has_other_tools=bool(tools),
        )
        service = self._service()
        async with aclosing(service.astream(request.body, request.how)) as events:
            async for event in events:
                try:
                    delta = answer.add(event)
                except (KeyError, TypeError, AttributeError):
                    raise service.service.unreadable(str(event)) from None
                if delta is not None:
                    yield delta
        if not answer.is_complete:
            raise service.service.cut("it ended before the answer was complete")
        yield answer.end()

    def _request(
        self,
        messages: Sequence[ChatMessage],
        tools: list[Tool] | None,
        output_schema: Mapping[str, Any] | None,
        kwargs: Mapping[str, Any],
    ) -> _Request:
        given, how = split_options(kwargs)
        if output_schema is not None:
            given["json_prefill"] = False
        prefix = "{" if given.get("json_prefill") and not tools else ""
        body = request_body(messages, tools, given)
        answer_tool = ""
        if output_schema is not None:
            schema = self._native_schema(str(body.get("model", "")), output_schema)
            if schema is None:
                answer_tool = ANSWER_TOOL
                body = with_answer_tool(body, dict(output_schema))
            else:
                wanted = {"format": {"type": "json_schema", "schema": schema}}
                body["output_config"] = {**body.get("output_config", {}), **wanted}
        return _Request(body, how, prefix, answer_tool)

    def _native_schema(self, model: str, schema: Mapping[str, Any]) -> dict[str, Any] | None:
        """The schema as the service takes it; None if the answer has to come by a tool."""
        if self.structured_output == "tool":
            return None
        if self.structured_output == "auto" and _WITHOUT_SCHEMAS.match(model):
            return None
        try:
            found: dict[str, Any] = sdk().transform_schema(dict(schema))
        except ValueError:
            # It has parts that the service knows nothing of.
            return None
        return found

    def _message(self, answer: Answer, request: _Request) -> ChatMessage:
        body = answer.body
        try:
            message = message_of(
                body["content"],
                body.get("usage") or {},
                body.get("stop_reason"),
                prefix=request.prefix,
                answer_tool=request.answer_tool,
            )
        except (KeyError, TypeError, AttributeError):
            raise self._service().service.unreadable(str(body)) from None
        if answer.request_id:
            message.extra_args["request_id"] = answer.request_id
        return message

    def _service(self) -> AnthropicService:
        if self._made is None:
            with self._lock:
                if self._made is None:
                    self._made = AnthropicService(self._place())
        return self._made

    def _place(self) -> Place:
        return Place(
            url=self.base_url or os.environ.get("ANTHROPIC_BASE_URL") or DEFAULT_URL,
            key=revealed(self.api_key) or os.environ.get("ANTHROPIC_API_KEY", ""),
            read=self.timeout,
            headers=self.default_headers or {},
        )

    def close(self) -> None:
        """Close the client that blocks."""
        if self._made is not None:
            self._made.close()

    async def aclose(self) -> None:
        """Close the clients of the running loop."""
        if self._made is not None:
            await self._made.aclose()


@public
class AnthropicChatModelSetup(BaseChatModelSetup):
    """A model of Anthropic.

    ``temperature`` and its like are sent only if they are set: newer models refuse them.
    """

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    model: str = Field(description="As the service calls it.")
    max_tokens: int = Field(default=1024, gt=0, description="Of the answer, reasoning included.")
    temperature: float | None = Field(default=None, ge=0, le=1)
    top_p: float | None = Field(default=None, ge=0, le=1)
    top_k: int | None = Field(default=None, gt=0)
    json_prefill: bool = Field(
        default=False,
        description="Make the answer begin with a brace, where no tools are used: older models.",
    )
    thinking: bool | int | dict[str, Any] | None = Field(
        default=None,
        description="True lets the model decide how much; a number of tokens is a limit for older"
        " models; a mapping is sent as it is.",
    )
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    additional_kwargs: dict[str, Any] = Field(
        default_factory=dict, description="Further fields of the service's requests."
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
            "max_tokens": self.max_tokens,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "top_k": self.top_k,
            "json_prefill": self.json_prefill or None,
            "thinking": self.thinking or None,
            "effort": self.effort,
        }
        given = {name: value for name, value in fields.items() if value is not None}
        return {**given, **self.additional_kwargs}
