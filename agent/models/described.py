"""`Described`: what a model is told of each tool, made once.

The JSON schema of a function's parameters takes as long to make as half a call of a model.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from ..tools.tool import Tool

__all__ = ["Described"]

T = TypeVar("T")


class Described(Generic[T]):
    """Remembers the descriptions of tools for as long as there are the tools."""

    def __init__(self, describe: Callable[[Tool], T]) -> None:
        self._describe = describe
        self._known: dict[int, tuple[weakref.ref[Tool], T]] = {}
        """By the identity of the object: tools need not be hashable."""

    def of(self, tool: Tool) -> T:
        """The description; not to be changed."""
        known = self._known.get(id(tool))
        if known is not None and known[0]() is tool:
            return known[1]
        description = self._describe(tool)
        number = id(tool)
        reference = weakref.ref(tool, lambda _: self._known.pop(number, None))
        self._known[number] = (reference, description)
        return description
