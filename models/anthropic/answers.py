"""From an answer in Anthropic's protocol, whole or in pieces, to a `ChatMessage`. Pure.

What the next turn has to send back as it was (signed thinking above all) is kept in
``ChatMessage.raw``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ...agent.resources.chat_message import ChatDelta, ChatMessage, MessageRole
from ...agent.resources.usage import TokenUsage
from ..shared.tool_calls import tool_call

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["PROVIDER", "AnswerStream", "message_of", "text_of_blocks", "usage_of"]

PROVIDER = "anthropic"

_REBUILT = frozenset(("text", "tool_use"))
"""Blocks that can be made again from a message's fields."""


def message_of(
    blocks: Sequence[Mapping[str, Any]],
    usage: Mapping[str, Any],
    stop_reason: str | None,
    *,
    prefix: str = "",
    answer_tool: str = "",
) -> ChatMessage:
    """The message that an answer's blocks are.

    Args:
        blocks: as the service gave them. A ``tool_use`` whose arguments were no JSON object has
            their text under ``malformed``.
        usage: as the service gave it.
        stop_reason: why the model stopped.
        prefix: what the content begins with, because it was put into the model's mouth.
        answer_tool: the tool whose arguments are the content.
    """
    content = prefix + text_of_blocks(blocks)
    calls, answer = [], None
    for block in blocks:
        if block.get("type") != "tool_use":
            continue
        if answer_tool and block.get("name") == answer_tool:
            answer = block
        else:
            calls.append(_call(block))
    extra: dict[str, Any] = {"finish_reason": stop_reason} if stop_reason else {}
    raw = None
    blocks = [block for block in blocks if block is not answer]
    if answer is not None and not calls:
        content = _answer_text(answer)
    elif not prefix and _must_go_back(blocks):
        # An answer beside calls of other tools came too early: the model is asked again.
        clean = [{name: v for name, v in block.items() if name != "malformed"} for block in blocks]
        raw = {"provider": PROVIDER, "blocks": clean}
    thoughts = [
        str(block.get("thinking") or "") for block in blocks if block.get("type") == "thinking"
    ]
    return ChatMessage(
        role=MessageRole.ASSISTANT,
        content=content,
        tool_calls=calls,
        extra_args=extra,
        reasoning="\n\n".join(filter(None, thoughts)) or None,
        raw=raw,
        usage=usage_of(usage),
    )


def text_of_blocks(blocks: Sequence[Mapping[str, Any]]) -> str:
    """The text of an answer."""
    return "".join(str(block.get("text") or "") for block in blocks if block.get("type") == "text")


def _must_go_back(blocks: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a message's fields do not say all: other blocks, citations, text behind a call."""
    kinds = [str(block.get("type")) for block in blocks]
    is_plain = all(kind in _REBUILT for kind in kinds) and kinds == sorted(kinds)
    return not is_plain or any(block.get("citations") for block in blocks)


def _call(block: Mapping[str, Any]) -> dict[str, Any]:
    arguments = block.get("malformed", block.get("input"))
    return tool_call(str(block.get("name", "")), arguments, str(block.get("id") or ""))


def _answer_text(block: Mapping[str, Any]) -> str:
    malformed = block.get("malformed")
    return malformed if isinstance(malformed, str) else json.dumps(block.get("input"))


def usage_of(usage: Mapping[str, Any]) -> TokenUsage:
    """The tokens of a call: Anthropic counts those of the cache apart from the others."""

    def count(name: str, of: Any = usage) -> int:
        value = of.get(name) if hasattr(of, "get") else None
        return value if isinstance(value, int) else 0

    cached = count("cache_read_input_tokens")
    return TokenUsage(
        prompt_tokens=count("input_tokens") + cached + count("cache_creation_input_tokens"),
        completion_tokens=count("output_tokens"),
        cached_tokens=cached,
        reasoning_tokens=count("thinking_tokens", usage.get("output_tokens_details")),
    )


class AnswerStream:
    """Puts the events of a stream together.

    Attributes:
        is_complete: whether the model's answer has ended.
    """

    def __init__(
        self, *, prefix: str = "", answer_tool: str = "", has_other_tools: bool = False
    ) -> None:
        """Begin.

        Args:
            prefix: see `message_of`.
            answer_tool: see `message_of`.
            has_other_tools: whether the model may call others, so that it is known at the end only
                whether the arguments of `answer_tool` are the content.
        """
        self.is_complete = False
        self._pieces_are_content = not has_other_tools
        self._has_streamed = False
        self._prefix = prefix
        self._answer_tool = answer_tool
        self._blocks: dict[int, dict[str, Any]] = {}
        self._texts: dict[int, list[str]] = {}
        self._usage: dict[str, Any] = {}
        self._stop_reason: str | None = None

    def add(self, event: Mapping[str, Any]) -> ChatDelta | None:
        """Take an event; the piece of the answer that it brings, if any."""
        delta = self._add(event)
        if delta is not None and delta.text and not self._has_streamed:
            self._has_streamed = True
            delta.text = self._prefix + delta.text
        return delta

    def _add(self, event: Mapping[str, Any]) -> ChatDelta | None:
        kind = event.get("type")
        if kind == "message_start":
            self._count(event.get("message", {}).get("usage"))
        elif kind == "content_block_start":
            self._blocks[event["index"]] = dict(event["content_block"])
            self._texts[event["index"]] = []
        elif kind == "content_block_delta":
            return self._extend(event["index"], event["delta"])
        elif kind == "content_block_stop":
            self._finish(event["index"])
        elif kind == "message_delta":
            self._count(event.get("usage"))
            self._stop_reason = event.get("delta", {}).get("stop_reason") or self._stop_reason
        elif kind == "message_stop":
            self.is_complete = True
        return None

    def _count(self, usage: Mapping[str, Any] | None) -> None:
        for name, value in (usage or {}).items():
            if value is not None:
                self._usage[name] = value

    def _extend(self, index: int, delta: Mapping[str, Any]) -> ChatDelta | None:
        block, kind = self._blocks[index], delta.get("type")
        if kind == "text_delta":
            block["text"] = block.get("text", "") + delta["text"]
            # A text beside an answer that comes by a tool is not part of it.
            return None if self._answer_tool else ChatDelta(text=delta["text"])
        if kind == "thinking_delta":
            block["thinking"] = block.get("thinking", "") + delta["thinking"]
            return ChatDelta(reasoning=delta["thinking"])
        if kind == "signature_delta":
            block["signature"] = delta["signature"]
        elif kind == "citations_delta":
            block["citations"] = [*(block.get("citations") or ()), delta["citation"]]
        elif kind == "input_json_delta":
            self._texts[index].append(delta["partial_json"])
            is_answer = self._answer_tool and block.get("name") == self._answer_tool
            if is_answer and self._pieces_are_content:
                return ChatDelta(text=delta["partial_json"])
        return None

    def _finish(self, index: int) -> None:
        block, text = self._blocks[index], "".join(self._texts[index])
        if not text:
            return
        try:
            arguments = json.loads(text)
        except (ValueError, RecursionError):
            arguments = None
        block["input"] = arguments if isinstance(arguments, dict) else {}
        if not isinstance(arguments, dict) or block.get("name") == self._answer_tool:
            # The answer of a stream is what has been streamed, to the letter.
            block["malformed"] = text

    def end(self) -> ChatDelta:
        """The last piece, with the whole answer, and with its text if that has not come before."""
        message = self._message()
        return ChatDelta(text="" if self._has_streamed else message.content, message=message)

    def _message(self) -> ChatMessage:
        blocks = [self._blocks[index] for index in sorted(self._blocks)]
        return message_of(
            blocks,
            self._usage,
            self._stop_reason,
            prefix=self._prefix,
            answer_tool=self._answer_tool,
        )
