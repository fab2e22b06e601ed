"""As `flink_agents.integrations.chat_models.tongyi_chat_model` of Flink Agents.

With DashScope's library installed, as Flink Agents needs it, models are asked by that: what a
program sets there holds. Without it, by Tongyi's endpoint that is compatible with OpenAI's.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Final

from pydantic import ConfigDict, Field, SecretStr

import tamias
from tamias import ChatDelta, ChatMessage, Tool, ToolMetadata

from .chat_model_utils import to_openai_tool
from .given_clients import Answer, PeerConnection, plain_key, told

try:
    from dashscope import Generation
except ImportError:
    Generation = None

from ...api.chat_models.chat_model import BaseChatModelConnection, BaseChatModelSetup

__all__ = [
    "DEFAULT_MODEL",
    "DEFAULT_REQUEST_TIMEOUT",
    "TongyiChatModelConnection",
    "TongyiChatModelSetup",
    "to_dashscope_tool",
]

DEFAULT_REQUEST_TIMEOUT: Final = 60.0
DEFAULT_MODEL: Final = "qwen-plus"


class NoKeyError(tamias.AgentDefinitionError, ValueError):
    """A connection has no key."""


class DashScopeError(tamias.ModelError, RuntimeError):
    """DashScope refuses a request."""


class DashScopeUnavailableError(DashScopeError):
    """DashScope takes no request for now."""

    is_temporary = True


def key_of(given: object) -> str:
    """The key that is given, or that of the environment. Raises a ValueError without one."""
    if isinstance(given, SecretStr):
        given = given.get_secret_value()
    key = str(given or os.environ.get("DASHSCOPE_API_KEY") or "").strip()
    if not key:
        msg = "DashScope API key is not provided."
        raise NoKeyError(msg, hint="Set DASHSCOPE_API_KEY, or give the connection an api_key.")
    return key


def checked(response: Any, what: str) -> Any:
    """An answer of DashScope; raises a `DashScopeError` if it is none."""
    status = int(response.status_code)
    if status == 200:
        return response
    kind = DashScopeUnavailableError if status == 429 or status >= 500 else DashScopeError
    raise kind(f"{what} failed: {response.message}", status=status, provider="tongyi")


def to_dashscope_tool(metadata: ToolMetadata, *, skip_length_check: bool = False) -> dict[str, Any]:
    """A tool as the service takes it. Raises a ValueError if its description is too long."""
    return to_openai_tool(metadata=metadata, skip_length_check=skip_length_check)


class TongyiChatModelConnection(
    PeerConnection, tamias.TongyiChatModelConnection, BaseChatModelConnection
):
    """The way to Tongyi."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True, protected_namespaces=())

    # As in Flink Agents a plain text, which nothing shows by itself.
    api_key: str | SecretStr | None = Field(default=None, repr=False)
    request_timeout: float = Field(default=DEFAULT_REQUEST_TIMEOUT, gt=0)

    def __init__(self, **data: Any) -> None:
        """Find the key. Raises a ValueError without one."""
        super().__init__(**{**data, "api_key": key_of(data.get("api_key"))})

    @classmethod
    def preload(cls, arguments: Mapping[str, Any]) -> None:
        """Check the arguments, and that there is a client library."""
        if Generation is None:
            super().preload(arguments)
        else:
            cls(**arguments)

    def chat(
        self,
        messages: Sequence[ChatMessage],
        tools: list[Tool] | None = None,
        output_schema: Any = None,
        **kwargs: Any,
    ) -> ChatMessage:
        """The model's answer to a conversation. A schema is refused: the model is told in words."""
        self._reject_unsupported_output_schema(output_schema)
        if Generation is None:
            return super().chat(messages, tools, output_schema=output_schema, **kwargs)
        kwargs = {"model": DEFAULT_MODEL, **kwargs}
        key = plain_key(kwargs.pop("api_key", self.api_key))
        model, _, given = self._asked(None, kwargs)
        # It takes conversations and tools as chat completions do.
        request = self._request(messages, tools, None, given)
        for each in request.body["messages"]:
            each["content"] = each["content"] or ""
        response = checked(
            Generation.call(
                **request.body, api_key=key, timeout=self.request_timeout, result_format="message"
            ),
            "DashScope Generation call",
        )
        body = _completion(response)
        return told(self._message(Answer(body), extracts=request.extracts), model)  # type: ignore[arg-type]

    async def achat(
        self,
        messages: Sequence[ChatMessage],
        tools: list[Tool] | None = None,
        output_schema: Any = None,
        **kwargs: Any,
    ) -> ChatMessage:
        """The awaitable form of `chat`."""
        self._reject_unsupported_output_schema(output_schema)
        if Generation is None:
            return await super().achat(messages, tools, output_schema=output_schema, **kwargs)
        return await asyncio.to_thread(self.chat, messages, tools, output_schema, **kwargs)

    async def astream(
        self,
        messages: Sequence[ChatMessage],
        tools: list[Tool] | None = None,
        output_schema: Any = None,
        **kwargs: Any,
    ) -> AsyncGenerator[ChatDelta, None]:
        """The answer of `chat`; bit by bit without DashScope's library only."""
        if Generation is None:
            async for piece in super().astream(
                messages, tools, output_schema=output_schema, **kwargs
            ):
                yield piece
            return
        message = await self.achat(messages, tools, output_schema, **kwargs)
        yield ChatDelta(text=message.content, reasoning=message.reasoning or "", message=message)


def _completion(response: Any) -> dict[str, Any]:
    """An answer of DashScope in the form of chat completions."""
    usage = getattr(response, "usage", None)
    names = {"prompt_tokens": "input_tokens", "completion_tokens": "output_tokens"}
    counts = {name: getattr(usage, own, None) or 0 for name, own in names.items()}
    return {"choices": response.output["choices"], "usage": counts if usage else None}


class TongyiChatModelSetup(BaseChatModelSetup, tamias.TongyiChatModelSetup):
    """A Qwen model of Tongyi."""

    model_config = ConfigDict(extra="ignore", protected_namespaces=())

    model: str = DEFAULT_MODEL
    temperature: float | None = Field(default=0.7, ge=0, le=2)

    def __init__(self, **data: Any) -> None:
        """Take the arguments; those that are None, and may not be, are as if not given."""
        may_not = ("additional_kwargs", "extract_reasoning", "model")
        super().__init__(
            **{name: each for name, each in data.items() if each is not None or name not in may_not}
        )
