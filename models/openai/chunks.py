"""`Pieces`: puts the chunks of a chat completion together."""

from __future__ import annotations

from typing import Any

__all__ = ["Pieces"]


class Pieces:
    """What has come of an answer so far.

    Attributes:
        finish: why the model has stopped; None while it has not.
        usage: the tokens, if the service says.
    """

    def __init__(self) -> None:
        self.finish: str | None = None
        self.usage: Any = None
        self.request_id = ""
        self._content: list[str] = []
        self._reasoning: list[str] = []
        self._refusal: list[str] = []
        self._logprobs: list[Any] = []
        self._calls: dict[int, dict[str, Any]] = {}

    def add(self, chunk: dict[str, Any]) -> tuple[str, str]:
        """Add a chunk; return the text and the reasoning in it."""
        if chunk.get("usage"):
            self.usage = chunk["usage"]
        choices = chunk.get("choices") or ()
        if not choices:
            return "", ""
        choice = choices[0]
        if choice.get("finish_reason"):
            self.finish = choice["finish_reason"]
        self._logprobs += (choice.get("logprobs") or {}).get("content") or ()
        delta = choice.get("delta") or {}
        text = delta.get("content") or ""
        reasoning = delta.get("reasoning_content") or delta.get("reasoning") or ""
        if text:
            self._content.append(text)
        if reasoning:
            self._reasoning.append(reasoning)
        if delta.get("refusal"):
            self._refusal.append(delta["refusal"])
        for call in delta.get("tool_calls") or ():
            self._add_call(call)
        return text, reasoning

    def _add_call(self, part: dict[str, Any]) -> None:
        index = part.get("index")
        if index is None:  # some services send a whole call at once, without a number
            index = len(self._calls)
        call = self._calls.setdefault(index, {"id": "", "function": {"name": "", "arguments": ""}})
        call["id"] = part.get("id") or call["id"]
        function = part.get("function") or {}
        call["function"]["name"] = function.get("name") or call["function"]["name"]
        call["function"]["arguments"] += function.get("arguments") or ""

    @property
    def logprobs(self) -> Any:
        """What the service says of the tokens' likelihood."""
        return {"content": self._logprobs} if self._logprobs else None

    def message(self) -> dict[str, Any]:
        """The whole message, as an answer in one piece has it."""
        return {
            "content": "".join(self._content),
            "reasoning_content": "".join(self._reasoning),
            "refusal": "".join(self._refusal),
            "tool_calls": [self._calls[index] for index in sorted(self._calls)],
        }
