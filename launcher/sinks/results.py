"""Outputs in the order of their inputs, each put in its place when it arrives.

To sort them all in the end would have a program wait while its workers have nothing left to do.
Places are for the usual case: each input has one output. Once one has two, or most have none,
outputs are kept as they arrive from then on, and are sorted in the end.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Results"]

_ROOM: Final = 1 << 16
"""So many places may be empty, besides as many as there are outputs."""


class Results:
    """Outputs that have been decoded, with the offset of the input of each.

    Args:
        as_arrived: keep them in the order in which they arrive.
    """

    def __init__(self, *, as_arrived: bool = False) -> None:
        self._as_arrived = as_arrived
        self._have_places = not as_arrived
        self._values: list[Any] = []
        """With places: by offset, None where there is nothing."""
        self._offsets: list[int] = []
        """Without places: that of each value."""
        self._count = 0

    def add(self, offsets: Sequence[int], values: list[Any], *, are_distinct: bool) -> None:
        """Add values, each with its offset; those of one offset come in their order.

        `are_distinct` tells that no two of these offsets are equal.
        """
        if self._have_places and not (are_distinct and self._place(offsets, values)):
            self._give_up_places()
        if not self._have_places:
            self._values += values
            if not self._as_arrived:
                self._offsets += offsets
        self._count += len(values)

    def take(self) -> list[Any]:
        """Return all values, in order; there are none left here."""
        values, self._values = self._values, []
        offsets, self._offsets = self._offsets, []
        count, self._count = self._count, 0
        if self._as_arrived or (self._have_places and count == len(values)):
            return values
        if self._have_places:
            return [value for value in values if value is not None]
        return [values[place] for place in sorted(range(count), key=offsets.__getitem__)]

    def _place(self, offsets: Sequence[int], values: list[Any]) -> bool:
        """Put values in their places; return whether each could have one of its own."""
        if not offsets:
            return True
        places = self._values
        end = max(offsets) + 1
        if end > len(places):
            if end > 2 * (self._count + len(values)) + _ROOM:
                return False
            places += [None] * (end - len(places))
        if not all(values) or any(map(places.__getitem__, offsets)):
            return False
        deque(map(places.__setitem__, offsets, values), maxlen=0)  # the fastest loop there is
        return True

    def _give_up_places(self) -> None:
        found = [(offset, value) for offset, value in enumerate(self._values) if value is not None]
        self._offsets = [offset for offset, _ in found]
        self._values = [value for _, value in found]
        self._have_places = False
