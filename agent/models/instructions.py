"""What a model is told, in words, where its service has no parameter for it.

Two things: that an answer is to match a schema, and which tools there are. A model without native
tools answers with JSON that is either a call of a tool or its answer (``tool_mode="schema"``).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ..resources.chat_message import ChatMessage, MessageRole, find_first_system_message

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "forced_schema",
    "read_turn",
    "with_forced_tools",
    "with_instruction",
    "with_schema",
]


def with_instruction(messages: Sequence[ChatMessage], text: str) -> list[ChatMessage]:
    """The messages with another instruction behind the first system message, or in front."""
    place = find_first_system_message(messages) + 1
    instruction = ChatMessage(role=MessageRole.SYSTEM, content=text)
    return [*messages[:place], instruction, *messages[place:]]


def with_schema(messages: Sequence[ChatMessage], schema: dict[str, Any]) -> list[ChatMessage]:
    """The messages with the instruction to answer as a JSON schema says."""
    return with_instruction(
        messages,
        "The final response should be JSON, and nothing but JSON, that matches this schema:\n"
        + _text(schema),
    )


# ------------------------------------------------------------------ tools by a schema


def forced_schema(
    tools: Sequence[dict[str, Any]], output_schema: dict[str, Any] | None
) -> dict[str, Any]:
    """The JSON schema of a turn: a call of one of the tools, or the answer.

    Args:
        tools: mappings with ``name`` and ``parameters``.
        output_schema: what the answer is to match; None for a text.
    """
    definitions: dict[str, Any] = {}
    turns = [
        _object(
            tool={"const": tool["name"]},
            arguments=_hoisted(tool["parameters"] or {"type": "object"}, tool["name"], definitions),
        )
        for tool in tools
    ]
    answer = output_schema or {"type": "string"}
    turns.append(_object(answer=_hoisted(answer, "answer", definitions)))
    schema: dict[str, Any] = {"title": "Turn", "anyOf": turns}
    if definitions:
        schema["$defs"] = definitions
    return schema


def with_forced_tools(
    messages: Sequence[ChatMessage],
    tools: Sequence[dict[str, Any]],
    schema: dict[str, Any],
    *,
    tell_schema: bool,
) -> list[ChatMessage]:
    """The conversation without native tools: calls and results are texts.

    Args:
        messages: the conversation.
        tools: mappings with ``name``, ``description`` and ``parameters``.
        schema: that of a turn.
        tell_schema: whether the model is told the schema, since its service is not.
    """
    lines = [
        "You can use these tools:",
        *(f"- {tool['name']}: {tool['description']}".rstrip(": ") for tool in tools),
        "Answer with one JSON object and nothing else. To use a tool:",
        '{"tool": "<its name>", "arguments": {...}}',
        "You are told its result then. When you know the answer:",
        '{"answer": ...}',
    ]
    if tell_schema:
        lines += ["The object matches this schema:", _text(schema)]
    else:
        lines += [f"Arguments of {tool['name']}: {_text(tool['parameters'])}" for tool in tools]
    return with_instruction(_as_texts(messages), "\n".join(lines))


def _as_texts(messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    texts: list[ChatMessage] = []
    names: dict[Any, str] = {}
    for message in messages:
        if message.tool_calls:
            for call in message.tool_calls:
                function = call.get("function", {})
                names[call.get("original_id")] = names[call.get("id")] = function.get("name", "?")
                turn = {"tool": function.get("name"), "arguments": function.get("arguments")}
                content = json.dumps(turn, ensure_ascii=False)
                texts.append(ChatMessage(role=MessageRole.ASSISTANT, content=content))
        elif message.role is MessageRole.TOOL:
            name = names.get(message.extra_args.get("external_id"), "the tool")
            result = message.with_text(lambda text: text)
            result.role = MessageRole.USER
            result.content = f"Result of {name}: {message.content}"
            texts.append(result)
        else:
            texts.append(message)
    return texts


def read_turn(response: ChatMessage) -> ChatMessage:
    """The model's turn with its tool calls, or its answer.

    What is not of either form is the answer as it is.
    """
    try:
        turn = json.loads(_unfenced(response.content))
    except (ValueError, RecursionError):
        return response
    if not isinstance(turn, dict):
        return response
    if isinstance(turn.get("tool"), str):
        arguments = turn.get("arguments", {})
        function: dict[str, Any] = {"name": turn["tool"], "arguments": arguments}
        if not isinstance(arguments, dict):
            malformed = json.dumps(arguments, ensure_ascii=False)
            function = {"name": turn["tool"], "arguments": {}, "malformed": malformed}
        call = {"id": "", "type": "function", "function": function}
        return response.model_copy(update={"content": "", "blocks": [], "tool_calls": [call]})
    if "answer" in turn:
        answer = turn["answer"]
        content = answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)
        return response.model_copy(update={"content": content, "blocks": []})
    return response


def _unfenced(text: str) -> str:
    stripped = text.strip()
    if stripped.startswith("```") and stripped.endswith("```") and "\n" in stripped:
        return stripped.partition("\n")[2].rpartition("```")[0]
    return stripped


def _object(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _hoisted(schema: dict[str, Any], name: str, definitions: dict[str, Any]) -> dict[str, Any]:
    """A schema as a part of another one, which has its definitions, under names of their own."""
    own: dict[str, str] = {}
    for section in ("$defs", "definitions"):
        for defined in schema.get(section, {}):
            own[f"#/{section}/{defined}"] = f"#/$defs/{name}_{defined}"

    def moved(part: Any) -> Any:
        if isinstance(part, list):
            return [moved(each) for each in part]
        if not isinstance(part, dict):
            return part
        return {
            key: own.get(value, value) if key == "$ref" and isinstance(value, str) else moved(value)
            for key, value in part.items()
        }

    for section in ("$defs", "definitions"):
        for defined, meaning in schema.get(section, {}).items():
            definitions[f"{name}_{defined}"] = moved(meaning)
    rest = {key: value for key, value in schema.items() if key not in ("$defs", "definitions")}
    found: dict[str, Any] = moved(rest)
    return found


def _text(schema: Any) -> str:
    return json.dumps(schema, ensure_ascii=False)
