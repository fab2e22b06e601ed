"""From a conversation to the body of a request in Anthropic's protocol. Pure.

The system prompt is apart from the messages; results of tools are blocks of a user's message, all
of one turn in one; turns of one role in a row become one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ...agent.resources.chat_message import ChatMessage, MessageRole
from ...agent.resources.content import DocumentBlock, ImageBlock, TextBlock
from ...agent.resources.model_errors import BadRequest
from ..shared.tool_calls import arguments_of, call_id
from .answers import PROVIDER, text_of_blocks

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ...agent.tools.tool import Tool

__all__ = [
    "ANSWER_TOOL",
    "conversation",
    "request_body",
    "tool_id",
    "tool_params",
    "with_answer_tool",
]

ANSWER_TOOL = "give_answer"
"""The tool that a model is made to call, where an answer that matches a schema comes by a tool."""

_OF_OTHERS = frozenset(
    (
        "extract_reasoning",
        "keep_alive",
        "logprobs",
        "num_ctx",
        "reasoning_effort",
        "strict",
        "think",
        "top_logprobs",
    )
)
"""Parameters of other providers' setups: this one may be asked in their place."""
_MAX_TOKENS = 1024
"""Of an answer, where nothing is said: the service requires a number."""
_FOREIGN = re.compile(r"[^a-zA-Z0-9_-]")


def request_body(
    messages: Sequence[ChatMessage], tools: Sequence[Tool] | None, kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    """The body of a request.

    Args:
        messages: the conversation.
        tools: what the model may ask for.
        kwargs: the parameters of the call. Those that are None are left out, for the service to
            decide, and so are those that only other providers know.
    """
    given = {name: value for name, value in kwargs.items() if name not in _OF_OTHERS}
    body = {name: value for name, value in given.items() if value is not None}
    body.setdefault("max_tokens", _MAX_TOKENS)
    prefill = body.pop("json_prefill", False)
    thinking = body.pop("thinking", None)
    effort = body.pop("effort", None)
    system, turns = conversation(messages)
    if prefill and not tools:
        turns.append({"role": "assistant", "content": [_text("{")]})
    body["messages"] = turns
    if system:
        body["system"] = system
    if tools:
        body["tools"] = tool_params(tools)
    if thinking is not None and thinking is not False:
        body["thinking"] = _thinking(thinking)
    if effort is not None:
        body["output_config"] = {**body.get("output_config", {}), "effort": effort}
    return body


def _thinking(wanted: Any) -> dict[str, Any]:
    if wanted is True:
        return {"type": "adaptive"}
    if isinstance(wanted, int):
        return {"type": "enabled", "budget_tokens": wanted}
    return dict(wanted)


def tool_params(tools: Iterable[Tool]) -> list[dict[str, Any]]:
    """What a model is told of its tools."""
    params = []
    for tool in tools:
        param: dict[str, Any] = {"name": tool.name, "input_schema": _object(tool.parameters)}
        if tool.description:
            param["description"] = tool.description
        params.append(param)
    return params


def _object(schema: dict[str, Any]) -> dict[str, Any]:
    return schema if schema.get("type") == "object" else {**schema, "type": "object"}


def with_answer_tool(body: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """A request whose answer comes as the arguments of a tool, which match a schema.

    With other tools, the model calls one of those or gives its answer. A model that thinks cannot
    be made to call a tool, so it is asked to.
    """
    description = "Give the final answer. Call it in place of writing text."
    answer = {"name": ANSWER_TOOL, "description": description, "input_schema": _object(schema)}
    tools = [*body.get("tools", ()), answer]
    body = {**body, "tools": tools}
    if body.get("thinking", {}).get("type", "disabled") != "disabled":
        wish = f"Give your final answer by calling the tool {ANSWER_TOOL}."
        body["system"] = f"{body['system']}\n\n{wish}" if body.get("system") else wish
    elif len(tools) > 1:
        body["tool_choice"] = {"type": "any"}
    else:
        body["tool_choice"] = {"type": "tool", "name": ANSWER_TOOL}
    return body


def conversation(messages: Sequence[ChatMessage]) -> tuple[str, list[dict[str, Any]]]:
    """The system prompt, and the turns.

    Raises:
        BadRequest: a tool's result does not say to which call it belongs.
    """
    system: list[str] = []
    turns: list[dict[str, Any]] = []
    for message in messages:
        if message.role is MessageRole.SYSTEM:
            system.append(message.content)
            continue
        role = "assistant" if message.role is MessageRole.ASSISTANT else "user"
        content = _content(message)
        if not content:
            continue
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += content
        else:
            turns.append({"role": role, "content": content})
    for turn in turns:
        if turn["role"] == "user":
            # Results have to come first; the order among them, and among the others, stays.
            turn["content"].sort(key=lambda block: block["type"] != "tool_result")
    if turns and turns[-1]["role"] == "assistant":
        turns[-1]["content"] = _without_white_end(turns[-1]["content"])
    return "\n\n".join(filter(None, system)), [turn for turn in turns if turn["content"]]


def _content(message: ChatMessage) -> list[dict[str, Any]]:
    if message.role is MessageRole.ASSISTANT:
        return _assistant(message)
    blocks = [_block(part) for part in message.parts]
    blocks = [block for block in blocks if block.get("text") != ""]
    if message.role is not MessageRole.TOOL:
        return blocks
    result: dict[str, Any] = {
        "type": "tool_result",
        "tool_use_id": tool_id(_external_id(message)),
        "content": message.content if not message.blocks else blocks,
    }
    if message.extra_args.get("is_error"):
        result["is_error"] = True
    return [result]


def _external_id(message: ChatMessage) -> str:
    found = message.extra_args.get("external_id")
    if not found:
        msg = "A message of a tool does not say which call it belongs to."
        hint = "Give it extra_args={'external_id': the call's original_id}."
        raise BadRequest(msg, hint=hint, provider=PROVIDER)
    return str(found)


def _assistant(message: ChatMessage) -> list[dict[str, Any]]:
    raw = _own_raw(message)
    if raw is not None:
        return raw
    blocks = [_text(message.content)] if message.content.strip() else []
    calls: list[dict[str, Any]] = [
        {
            "type": "tool_use",
            "id": tool_id(call_id(call)),
            "name": call.get("function", {}).get("name", ""),
            "input": arguments_of(call),
        }
        for call in message.tool_calls
    ]
    return [*blocks, *calls]


def _own_raw(message: ChatMessage) -> list[dict[str, Any]] | None:
    """The blocks as the service gave them, if they still say what the message says."""
    raw = message.raw or {}
    blocks = raw.get("blocks")
    if raw.get("provider") != PROVIDER or not isinstance(blocks, list):
        return None
    called = [block.get("id") for block in blocks if block.get("type") == "tool_use"]
    wanted = [call_id(call) for call in message.tool_calls]
    is_same = text_of_blocks(blocks) == message.content and called == wanted
    return [dict(block) for block in blocks] if is_same else None


def _block(part: Any) -> dict[str, Any]:
    if isinstance(part, TextBlock):
        return _text(part.text)
    if isinstance(part, ImageBlock):
        return {"type": "image", "source": _source(part)}
    assert isinstance(part, DocumentBlock)  # noqa: S101 (there are no others)
    if part.text is not None:
        source = {"type": "text", "media_type": "text/plain", "data": part.text}
    else:
        source = _source(part)
    block = {"type": "document", "source": source}
    if part.name:
        block["title"] = part.name
    return block


def _source(part: ImageBlock | DocumentBlock) -> dict[str, Any]:
    if part.url is not None:
        return {"type": "url", "url": part.url}
    return {"type": "base64", "media_type": part.media_type, "data": part.data}


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _without_white_end(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Blocks that a model may carry on: the service refuses white space at the end."""
    if not blocks or blocks[-1]["type"] != "text":
        return blocks
    text = blocks[-1]["text"].rstrip()
    return [*blocks[:-1], {**blocks[-1], "text": text}] if text else blocks[:-1]


def tool_id(given: str) -> str:
    """The id of a call, without what the service does not take: others may have made it."""
    return _FOREIGN.sub("_", given)
