"""Cuts the contents of events for the log, in the form of Flink Agents.

What is cut has an object in its place, which says how much is missing: {"truncatedString",
"omittedChars"}, {"truncatedList", "omittedElements"}, {"truncatedObject", "omittedFields"}.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Truncator"]


@dataclass(frozen=True, slots=True)
class Truncator:
    """Cuts long texts, long lists, and what lies deep; 0 for no limit."""

    max_string_length: int = 2000
    max_array_elements: int = 20
    max_depth: int = 5

    def cut(self, attributes: dict[str, Any]) -> dict[str, Any]:
        """The contents of an event, plain JSON, cut."""
        return self._object(attributes, 1)

    def _object(self, fields: dict[str, Any], depth: int) -> dict[str, Any]:
        if self.max_depth and depth >= self.max_depth:
            kept = {
                name: self._text(value) if isinstance(value, str) else value
                for name, value in fields.items()
                if not isinstance(value, (dict, list))
            }
            omitted = len(fields) - len(kept)
            return {"truncatedObject": kept, "omittedFields": omitted} if omitted else kept
        return {name: self._value(value, depth + 1) for name, value in fields.items()}

    def _value(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, dict):
            return self._object(value, depth)
        if isinstance(value, list):
            return self._list(value, depth)
        return value

    def _list(self, values: list[Any], depth: int) -> Any:
        most = self.max_array_elements
        # Not deeper by itself, except that its elements are; so has it Flink Agents.
        kept = [self._value(value, depth) for value in (values[:most] if most else values)]
        omitted = len(values) - len(kept)
        return {"truncatedList": kept, "omittedElements": omitted} if omitted else kept

    def _text(self, text: str) -> Any:
        most = self.max_string_length
        if not most or len(text) <= most:
            return text
        return {"truncatedString": f"{text[:most]}...", "omittedChars": len(text) - most}
