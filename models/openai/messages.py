"""Conversations in the form of chat completions, and answers back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ...agent.models.described import Described
from ...agent.resources.chat_message import ChatMessage, MessageRole
from ...agent.resources.content import DocumentBlock, ImageBlock, TextBlock
from ...agent.resources.model_errors import BadRequest
from ...agent.resources.usage import TokenUsage
from ..shared.strict_schema import strict_schema
from ..shared.tool_calls import arguments_of, call_id, tool_call

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...agent.tools.tool import Tool

__all__ = ["answer_of", "described_tools", "response_format", "usage_of", "wire_messages"]


def wire_messages(messages: Sequence[ChatMessage]) -> list[dict[str, Any]]:
    """Messages as the service takes them.

    Raises:
        BadRequest: one has a part that the protocol has no form for.
    """
    return [_wire(message) for message in messages]


def _wire(message: ChatMessage) -> dict[str, Any]:
    role = message.role
    if role is MessageRole.TOOL:
        return {"role": "tool", "tool_call_id": external_id(message), "content": _texts(message)}
    if role is MessageRole.ASSISTANT:
        wire: dict[str, Any] = {"role": "assistant", "content": message.content}
        if message.tool_calls:
            wire["content"] = message.content or None
            wire["tool_calls"] = [_wire_call(call) for call in message.tool_calls]
        return wire
    if role is MessageRole.SYSTEM or not message.blocks:
        return {"role": role.value, "content": _texts(message)}
    return {"role": "user", "content": [_part(part) for part in message.parts]}


def external_id(message: ChatMessage) -> str:
    """The id of the call that a tool's result belongs to.

    Raises:
        BadRequest: the message has none.
    """
    found = message.extra_args.get("external_id")
    if not found:
        msg = "A message of a tool does not say which call it belongs to."
        hint = "Give it extra_args={'external_id': the call's original_id}."
        raise BadRequest(msg, hint=hint, provider="openai")
    return str(found)


def _texts(message: ChatMessage) -> str:
    """The text of a message of whose other parts the protocol has no form here."""
    if not message.blocks:
        return message.content
    return "\n".join(
        part.text if isinstance(part, TextBlock) else f"[{part.type}]" for part in message.parts
    )


def _wire_call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = {"name": call["function"]["name"], "arguments": json.dumps(arguments_of(call))}
    return {"id": call_id(call), "type": "function", "function": function}


def _part(part: Any) -> dict[str, Any]:
    if isinstance(part, TextBlock):
        return {"type": "text", "text": part.text}
    if isinstance(part, ImageBlock):
        return {"type": "image_url", "image_url": {"url": data_url(part)}}
    if part.text is not None:
        return {"type": "text", "text": document_text(part)}
    if part.url is not None:
        msg = f"Chat completions take no documents by URL: {part.url}"
        hint = "Give its data, or use the responses API (OpenAIResponsesModelConnection)."
        raise BadRequest(msg, hint=hint, provider="openai")
    file = {"filename": part.name or "document", "file_data": data_url(part)}
    return {"type": "file", "file": file}


def data_url(part: ImageBlock | DocumentBlock) -> str:
    """The URL of an image or a document, which may hold all of it."""
    return part.url if part.url is not None else f"data:{part.media_type};base64,{part.data}"


def document_text(part: DocumentBlock) -> str:
    """A document that is text, as a text with its name."""
    return f"{part.name}:\n{part.text}" if part.name else str(part.text)


def described_tools(tools: Sequence[Tool], *, strict: bool) -> list[dict[str, Any]]:
    """Tools as the service takes them.

    Args:
        tools: which the model may ask for.
        strict: whether arguments are to match the schema exactly; for a tool whose schema has no
            strict form, they are not.
    """
    known = STRICT_FUNCTIONS if strict else FUNCTIONS
    return [{"type": "function", "function": known.of(tool)} for tool in tools]


def _function(tool: Tool) -> dict[str, Any]:
    """One tool: name, description and parameters."""
    return {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
    }


def _strict_function(tool: Tool) -> dict[str, Any]:
    """One tool, whose arguments match the schema, if it has a strict form."""
    function = _function(tool)
    closed = strict_schema(function["parameters"])
    return function if closed is None else {**function, "parameters": closed, "strict": True}


FUNCTIONS = Described(_function)
STRICT_FUNCTIONS = Described(_strict_function)


def response_format(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The name and the schema of a structured answer; strict, if it has such a form."""
    closed = strict_schema(dict(schema))
    name = "".join(
        each if each.isascii() and (each.isalnum() or each in "_-") else "_"
        for each in str(schema.get("title") or "answer")
    )[:64]
    if closed is None:
        return {"name": name, "schema": dict(schema)}
    return {"name": name, "schema": closed, "strict": True}


def usage_of(usage: object) -> TokenUsage | None:
    """The tokens of a chat completion; None if the service does not say."""
    if not isinstance(usage, dict):
        return None
    prompt = usage.get("prompt_tokens_details") or {}
    completion = usage.get("completion_tokens_details") or {}
    return TokenUsage(
        prompt_tokens=usage.get("prompt_tokens") or 0,
        completion_tokens=usage.get("completion_tokens") or 0,
        cached_tokens=prompt.get("cached_tokens") or 0,
        reasoning_tokens=completion.get("reasoning_tokens") or 0,
    )


def answer_of(
    message: Mapping[str, Any], *, finish: str | None, usage: object, request_id: str, logprobs: Any
) -> ChatMessage:
    """The model's message as ours."""
    extra: dict[str, Any] = {}
    if finish:
        extra["finish_reason"] = finish
    if request_id:
        extra["request_id"] = request_id
    if logprobs:
        extra["logprobs"] = logprobs
    content = message.get("content") or ""
    if not content and message.get("refusal"):
        content = message["refusal"]
        extra["refusal"] = True
    calls = [
        tool_call(call["function"]["name"], call["function"].get("arguments"), call.get("id") or "")
        for call in message.get("tool_calls") or ()
        if call.get("function")
    ]
    return ChatMessage(
        role=MessageRole.ASSISTANT,
        content=content if isinstance(content, str) else _text_of(content),
        tool_calls=calls,
        reasoning=message.get("reasoning_content") or _text_or_none(message.get("reasoning")),
        usage=usage_of(usage),
        extra_args=extra,
    )


def _text_of(content: Any) -> str:
    """The text of a content that is a list of parts, as some services have it."""
    return "".join(part.get("text") or "" for part in content if isinstance(part, dict))


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
