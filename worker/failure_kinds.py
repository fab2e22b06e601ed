"""Failures of inputs, counted by kind: the type of the error and its place in the user's code.

A job of millions of inputs has few kinds of failures; which they are, and how often each, is what
its user wants to see first.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from ..agent.failures.error_text import traceback_of
from .own_code import OWN_FOLDERS

if TYPE_CHECKING:
    from types import TracebackType

MOST: Final = 50
"""Kinds that are counted one by one."""
_NUMBERS: Final = re.compile(r"\d+")
_LONGEST: Final = 300
"""Characters of a text."""


class FailureKinds:
    """Counts of failures by kind, each with the first of them."""

    def __init__(self) -> None:
        self._kinds: dict[str, list[Any]] = {}

    def add(self, kind: str, offset: int | None, error: str) -> None:
        """Count the failure of an input; `error` is its text, in one line.

        `offset` is None for a run that goes back to no input.
        """
        known = self._kinds
        if kind not in known and len(known) >= MOST:
            kind = "others"
        counted = known.setdefault(kind, [0, offset, error[:_LONGEST]])
        counted[0] += 1

    def counts(self) -> dict[str, list[Any]]:
        """By kind, the count, and offset and text of the first failure."""
        return {kind: list(counted) for kind, counted in self._kinds.items()}


def kind_of_error(error: BaseException) -> str:
    """The type of an exception, and where the user's code has raised it."""
    name = type(error).__qualname__
    place = _place(traceback_of(error))
    return f"{name} ({place})" if place else name


def kind_of_rejection(cause: str, error: str) -> str:
    """The kind of a failure that the launcher has found: the text without its numbers."""
    return f"{cause}: {_NUMBERS.sub('N', error)}"[:_LONGEST] if error else cause


def _place(step: TracebackType | None) -> str:
    place = ""
    while step is not None:
        code = step.tb_frame.f_code
        if not code.co_filename.startswith(OWN_FOLDERS):
            place = f"{code.co_filename}:{step.tb_lineno} in {code.co_name}"
        step = step.tb_next
    return place
