"""Conversations in Ollama's form, and answers back. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...agent.resources.chat_message import ChatMessage, MessageRole
from ...agent.resources.content import ImageBlock, TextBlock
from ...agent.resources.model_errors import BadRequest
from ...agent.resources.usage import TokenUsage
from ..shared.tool_calls import arguments_of, call_id, tool_call
from .service import PROVIDER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...agent.tools.tool import Tool

__all__ = ["answer_of", "described_tools", "request_body", "wire_messages"]

_FIELDS = frozenset(("keep_alive", "logprobs", "model", "think", "top_logprobs", "truncate"))
"""Parameters that are fields of a request; all others are among its options."""


def request_body(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a request. Those that are None are left out, for the server to decide."""
    body: dict[str, Any] = {}
    options: dict[str, Any] = {}
    for name, value in kwargs.items():
        if value is None:
            continue
        if name == "options":
            options.update(value)
        elif name == "max_tokens":
            options["num_predict"] = value
        else:
            (body if name in _FIELDS else options)[name] = value
    if options:
        body["options"] = options
    return body


def wire_messages(messages: Sequence[ChatMessage]) -> list[dict[str, Any]]:
    """Messages as the server takes them.

    Raises:
        BadRequest: one has a part that the protocol has no form for.
    """
    wired = []
    names: dict[str, str] = {}
    for message in messages:
        wire: dict[str, Any] = {"role": message.role.value, "content": message.content}
        if message.blocks:
            wire.update(_parts(message))
        if message.tool_calls:
            wire["tool_calls"] = [_wire_call(call) for call in message.tool_calls]
            names.update((call_id(call), call["function"]["name"]) for call in message.tool_calls)
        thinking = (message.raw or {}).get("thinking")
        if thinking and (message.raw or {}).get("provider") == PROVIDER:
            wire["thinking"] = thinking
        if message.role is MessageRole.TOOL:
            # The protocol has no ids of calls: results go by the name of the tool, and by order.
            name = names.get(str(message.extra_args.get("external_id")))
            if name:
                wire["tool_name"] = name
        wired.append(wire)
    return wired


def _wire_call(call: Mapping[str, Any]) -> dict[str, Any]:
    return {"function": {"name": call["function"]["name"], "arguments": arguments_of(call)}}


def _parts(message: ChatMessage) -> dict[str, Any]:
    texts, images = [], []
    for part in message.parts:
        if isinstance(part, TextBlock):
            texts.append(part.text)
        elif isinstance(part, ImageBlock):
            images.append(_image(part))
        elif part.text is not None:
            texts.append(f"{part.name}:\n{part.text}" if part.name else part.text)
        else:
            msg = "Ollama takes no documents but those that are text."
            raise BadRequest(msg, hint="Give DocumentBlock(text=...).", provider=PROVIDER)
    parts: dict[str, Any] = {"content": "\n".join(texts)}
    if images:
        parts["images"] = images
    return parts


def _image(part: ImageBlock) -> str:
    if part.data is None:
        msg = f"Ollama takes no images by URL: {part.url}"
        raise BadRequest(msg, hint="Give ImageBlock(data=...).", provider=PROVIDER)
    return part.data


def described_tools(tools: Sequence[Tool]) -> list[dict[str, Any]]:
    """Tools as the server takes them."""
    return [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.parameters,
            },
        }
        for tool in tools
    ]


def answer_of(
    message: Mapping[str, Any], end: Mapping[str, Any], *, turn: int, reasoning: str | None = None
) -> ChatMessage:
    """The message that an answer is.

    Args:
        message: as the server gave it.
        end: the answer's other fields.
        turn: how many messages were there before it: by it, calls of tools get ids, which the
            protocol has not.
        reasoning: what was found of it in the text.
    """
    calls = []
    for index, call in enumerate(message.get("tool_calls") or ()):
        function = call["function"]
        calls.append(
            tool_call(function["name"], function.get("arguments") or {}, f"call_{turn}_{index}")
        )
    thinking = message.get("thinking") or ""
    return ChatMessage(
        role=MessageRole.ASSISTANT,
        content=message.get("content") or "",
        tool_calls=calls,
        extra_args={"finish_reason": end["done_reason"]} if end.get("done_reason") else {},
        reasoning=thinking or reasoning or None,
        # Between calls of tools, some models go on from what they have thought.
        raw={"provider": PROVIDER, "thinking": thinking} if thinking and calls else None,
        usage=TokenUsage(
            prompt_tokens=end.get("prompt_eval_count") or 0,
            completion_tokens=end.get("eval_count") or 0,
        ),
    )
