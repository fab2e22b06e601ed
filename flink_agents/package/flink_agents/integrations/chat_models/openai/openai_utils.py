"""As `flink_agents.integrations.chat_models.openai.openai_utils` of Flink Agents."""

from __future__ import annotations

import json
import os
import sys
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tamias import ChatMessage, MessageRole

__all__ = [
    "DEFAULT_OPENAI_API_BASE_URL",
    "convert_from_openai_message",
    "convert_to_openai_message",
    "convert_to_openai_messages",
    "resolve_openai_credentials",
]

DEFAULT_OPENAI_API_BASE_URL: Final = "https://api.openai.com/v1"


def resolve_openai_credentials(
    api_key: str | None = None, api_base_url: str | None = None
) -> tuple[str, str]:
    """The key and the address: as given, from the environment, or from the library's module."""
    library = sys.modules.get("openai")
    key = api_key or os.environ.get("OPENAI_API_KEY") or getattr(library, "api_key", None) or ""
    url = (
        api_base_url
        or os.environ.get("OPENAI_API_BASE_URL")
        or os.environ.get("OPENAI_BASE_URL")
        or getattr(library, "base_url", None)
        or DEFAULT_OPENAI_API_BASE_URL
    )
    return str(key), str(url)


def convert_to_openai_messages(messages: Sequence[ChatMessage]) -> list[dict[str, Any]]:
    """Messages as the service takes them."""
    return [convert_to_openai_message(message) for message in messages]


def convert_to_openai_message(message: ChatMessage) -> dict[str, Any]:
    """A message as the service takes it. Raises ValueError for a result of an unknown call."""
    wire: dict[str, Any] = {"role": message.role.value, "content": message.content}
    if message.role is MessageRole.TOOL:
        call = message.extra_args.get("external_id")
        if not call or not isinstance(call, str):
            msg = "The message of a tool needs extra_args={'external_id': the id of its call}."
            raise ValueError(msg)
        return {**wire, "tool_call_id": call}
    if message.tool_calls:
        wire["content"] = message.content or None
        wire["tool_calls"] = [_wire_call(call) for call in message.tool_calls]
    return {**wire, **message.extra_args}


def _wire_call(call: Mapping[str, Any]) -> dict[str, Any]:
    known_as = call.get("original_id") or call.get("id")
    if known_as is None:
        msg = "A call of a tool needs an original_id or an id."
        raise ValueError(msg)
    arguments = call["function"]["arguments"]
    return {
        "id": str(known_as),
        "type": "function",
        "function": {
            "name": call["function"]["name"],
            "arguments": json.dumps(arguments) if isinstance(arguments, dict) else arguments,
        },
    }


def convert_from_openai_message(message: Any, extra_args: Mapping[str, Any]) -> ChatMessage:
    """The service's message as ours; what it refuses is in ``extra_args["refusal"]``."""
    calls = [
        {
            "id": uuid.uuid4(),
            "type": call.type,
            "function": {
                "name": call.function.name,
                "arguments": json.loads(call.function.arguments),
            },
            "original_id": call.id,
        }
        for call in message.tool_calls or ()
    ]
    refused = {} if message.refusal is None else {"refusal": message.refusal}
    return ChatMessage(
        role=MessageRole(message.role),
        content=message.content or "",
        tool_calls=calls,
        extra_args={**extra_args, **refused},
    )
