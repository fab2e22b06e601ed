"""Keeps the number of names bounded under which something is counted."""

from __future__ import annotations

from typing import Final

__all__ = ["LONGEST", "OTHER", "BoundedNames"]

OTHER: Final = "other"
"""The name of all that came when there was no more place."""
LONGEST: Final = 200
"""A longer name gets no place."""


class BoundedNames:
    """The first names that came, up to a limit; all later ones share `OTHER`.

    A name keeps its place for ever, so that a count never moves from one name to another.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._names: set[str] = set()

    def place_of(self, name: str) -> str:
        """The name itself if it has a place, else `OTHER`."""
        if name in self._names:
            return name
        if len(self._names) >= self._most or len(name) > LONGEST:
            return OTHER
        self._names.add(name)
        return name
