"""`ThoughtFilter`: keeps what a model writes into ``<think>`` apart, while the text still comes."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Split", "ThoughtFilter"]

_OPEN, _CLOSE = "<think>", "</think>"


class Split(NamedTuple):
    """A piece of an answer."""

    text: str = ""
    reasoning: str = ""


class ThoughtFilter:
    """Divides a text that may begin with thoughts, piece by piece."""

    def __init__(self, *, is_on: bool = True) -> None:
        """Begin.

        Args:
            is_on: whether to divide at all.
        """
        self._state = "begin" if is_on else "text"
        self._held = ""

    def add(self, piece: str) -> Split:
        """Take a piece; what may be passed on of it and of those before."""
        self._held += piece
        if self._state == "begin":
            start = self._held.lstrip()
            if _OPEN.startswith(start[: len(_OPEN)]) and len(start) < len(_OPEN):
                return Split()
            self._state = "thoughts" if start.startswith(_OPEN) else "text"
            self._held = start.removeprefix(_OPEN) if self._state == "thoughts" else self._held
        if self._state == "thoughts":
            return self._thoughts()
        if self._state == "behind":
            # Not the empty lines between thoughts and answer.
            self._held = self._held.lstrip()
            if self._held:
                self._state = "text"
        found, self._held = self._held, ""
        return Split(text=found)

    def _thoughts(self) -> Split:
        thoughts, found, rest = self._held.partition(_CLOSE)
        if found:
            self._state, self._held = "behind", ""
            return Split(self.add(rest).text, thoughts)
        # The tag may be cut in two.
        kept = next(
            (size for size in range(len(_CLOSE) - 1, 0, -1) if thoughts.endswith(_CLOSE[:size])), 0
        )
        end = len(thoughts) - kept
        self._held = thoughts[end:]
        return Split(reasoning=thoughts[:end])

    def end(self) -> Split:
        """What is left when the text has ended."""
        held, self._held = self._held, ""
        return Split(reasoning=held) if self._state == "thoughts" else Split(text=held)
