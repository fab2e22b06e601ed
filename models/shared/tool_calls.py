"""Calls of tools between providers' forms and that of `ChatMessage.tool_calls`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ...agent.resources.content import sound_text

__all__ = ["arguments_of", "call_id", "tool_call"]


def tool_call(name: str, arguments: object, original_id: str) -> dict[str, Any]:
    """A call as messages have it.

    Arguments that are no JSON object are kept as text under ``malformed``, so that the model can be
    told.
    """
    function: dict[str, Any] = {"name": name, "arguments": {}}
    if isinstance(arguments, Mapping):
        function["arguments"] = dict(arguments)
    else:
        text = arguments if isinstance(arguments, str) else json.dumps(arguments)
        try:
            # No arguments at all: some services send nothing in place of "{}".
            parsed = json.loads(text) if text.strip() else {}
        except (ValueError, RecursionError):
            parsed = None
        if isinstance(parsed, dict):
            function["arguments"] = _sound(parsed) if "\\ud" in text.lower() else parsed
        else:
            function["malformed"] = text
    return {
        "id": original_id,
        "type": "function",
        "function": function,
        "original_id": original_id,
    }


def _sound(arguments: dict[str, Any]) -> dict[str, Any]:
    """Arguments whose texts UTF-8 can hold, as the next request has to."""
    return json.loads(sound_text(json.dumps(arguments, ensure_ascii=False)))  # type: ignore[no-any-return]


def call_id(call: Mapping[str, Any]) -> str:
    """The id by which the service knows a call."""
    return str(call.get("original_id") or call.get("id") or "")


def arguments_of(call: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a call; none if they were malformed."""
    arguments = call.get("function", {}).get("arguments")
    return dict(arguments) if isinstance(arguments, Mapping) else {}
