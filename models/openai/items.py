"""Conversations as items of the responses API, and answers back.

What a model gives besides its text, as sealed reasoning, is kept in ``raw`` and sent back in the
next turn as it was: the service keeps nothing of a conversation (``store`` is off), so it can be
carried on anywhere, any time later.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ...agent.resources.chat_message import ChatMessage, MessageRole
from ...agent.resources.content import ImageBlock, TextBlock
from ...agent.resources.usage import TokenUsage
from ..shared.tool_calls import arguments_of, call_id, tool_call
from .messages import (
    FUNCTIONS,
    STRICT_FUNCTIONS,
    data_url,
    document_text,
    external_id,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...agent.tools.tool import Tool

__all__ = ["PROVIDER", "described_tools", "response_message", "wire_items"]

PROVIDER = "openai-responses"
"""In ``raw`` of messages."""


def wire_items(messages: Sequence[ChatMessage]) -> list[dict[str, Any]]:
    """Messages as the service takes them.

    Raises:
        BadRequest: a tool's result does not say which call it belongs to.
    """
    return [item for message in messages for item in _items(message)]


def _items(message: ChatMessage) -> list[dict[str, Any]]:
    role = message.role
    if role is MessageRole.TOOL:
        output: Any = message.content
        if message.blocks:
            output = [_part(part) for part in message.parts]
        return [{"type": "function_call_output", "call_id": external_id(message), "output": output}]
    if role is not MessageRole.ASSISTANT:
        content: Any = message.content
        if message.blocks:
            content = [_part(part) for part in message.parts]
        return [{"type": "message", "role": role.value, "content": content}]
    items = _reasoning(message)
    if message.content:
        items.append({"type": "message", "role": "assistant", "content": message.content})
    items += [
        {
            "type": "function_call",
            "call_id": call_id(call),
            "name": call["function"]["name"],
            "arguments": json.dumps(arguments_of(call)),
        }
        for call in message.tool_calls
    ]
    return items


def _reasoning(message: ChatMessage) -> list[dict[str, Any]]:
    """The sealed reasoning of an answer; what is not sealed would be unknown to the service."""
    raw = message.raw or {}
    if raw.get("provider") != PROVIDER:
        return []
    return [
        {name: value for name, value in item.items() if name != "status"}
        for item in raw.get("blocks", ())
        if item.get("type") == "reasoning" and item.get("encrypted_content")
    ]


def _part(part: Any) -> dict[str, Any]:
    if isinstance(part, TextBlock):
        return {"type": "input_text", "text": part.text}
    if isinstance(part, ImageBlock):
        return {"type": "input_image", "image_url": data_url(part), "detail": "auto"}
    if part.text is not None:
        return {"type": "input_text", "text": document_text(part)}
    if part.url is not None:
        return {"type": "input_file", "file_url": part.url}
    return {
        "type": "input_file",
        "filename": part.name or "document",
        "file_data": data_url(part),
    }


def described_tools(tools: Sequence[Tool], *, strict: bool) -> list[dict[str, Any]]:
    """Tools as the service takes them; it makes them strict unless it is told not to."""
    known = STRICT_FUNCTIONS if strict else FUNCTIONS
    return [{"type": "function", "strict": False, **known.of(tool)} for tool in tools]


def response_message(response: Mapping[str, Any], request_id: str) -> ChatMessage:
    """A response as a message."""
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[dict[str, Any]] = []
    extra: dict[str, Any] = {"finish_reason": _finish(response)}
    for item in response["output"]:
        kind = item.get("type")
        if kind == "message":
            for part in item.get("content") or ():
                texts.append(part.get("text") or part.get("refusal") or "")
                if part.get("type") == "refusal":
                    extra["refusal"] = True
        elif kind == "reasoning":
            thoughts += [part.get("text") or "" for part in item.get("summary") or ()]
            thoughts += [part.get("text") or "" for part in item.get("content") or ()]
        elif kind == "function_call":
            calls.append(tool_call(item["name"], item.get("arguments"), item.get("call_id") or ""))
    if request_id:
        extra["request_id"] = request_id
    kept = [item for item in response["output"] if item.get("type") == "reasoning"]
    return ChatMessage(
        role=MessageRole.ASSISTANT,
        content="".join(texts),
        tool_calls=calls,
        reasoning="\n\n".join(filter(None, thoughts)) or None,
        usage=_usage(response.get("usage")),
        raw={"provider": PROVIDER, "blocks": kept} if kept else None,
        extra_args=extra,
    )


def _finish(response: Mapping[str, Any]) -> str:
    """Why the model has stopped, in the words of chat completions."""
    if response.get("status") != "incomplete":
        calls = any(item.get("type") == "function_call" for item in response["output"])
        return "tool_calls" if calls else "stop"
    reason = (response.get("incomplete_details") or {}).get("reason") or "incomplete"
    return "length" if reason == "max_output_tokens" else str(reason)


def _usage(usage: object) -> TokenUsage | None:
    if not isinstance(usage, dict):
        return None
    given = usage.get("input_tokens_details") or {}
    made = usage.get("output_tokens_details") or {}
    return TokenUsage(
        prompt_tokens=usage.get("input_tokens") or 0,
        completion_tokens=usage.get("output_tokens") or 0,
        cached_tokens=given.get("cached_tokens") or 0,
        reasoning_tokens=made.get("reasoning_tokens") or 0,
    )
