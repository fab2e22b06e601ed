"""Reads of a memory set of the run's own key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from ...store.sets.parts import fits

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...store.sets.records import StoredItem
    from ...store.sets.searching import Found, Query
    from .view import SetView

ALL: Final = 1 << 62
"""More items than there are."""


class Reading(Protocol):
    """What a set answers, in both forms."""

    def size(self) -> int:
        """The number of items."""

    async def asize(self) -> int:
        """The awaitable form of `size`."""

    def items(
        self, ids: Sequence[str] | None, filters: Mapping[str, Any] | None, most: int
    ) -> list[StoredItem]:
        """The items with these ids, in their order; without ids, the first ones."""

    async def aitems(
        self, ids: Sequence[str] | None, filters: Mapping[str, Any] | None, most: int
    ) -> list[StoredItem]:
        """The awaitable form of `items`."""

    def find(self, query: Query) -> list[Found]:
        """What fits a query best."""

    async def afind(self, query: Query) -> list[Found]:
        """The awaitable form of `find`."""


class OwnReading:
    """What a set of the run's own key answers: no other run changes it meanwhile."""

    def __init__(self, view: SetView) -> None:
        self._view = view

    def size(self) -> int:
        """See `Reading.size`."""
        return self._view.recount().total().items

    async def asize(self) -> int:
        """See `Reading.asize`."""
        return self.size()

    def items(
        self, ids: Sequence[str] | None, filters: Mapping[str, Any] | None, most: int
    ) -> list[StoredItem]:
        """See `Reading.items`."""
        if ids is None:
            return self._view.items(filters, most)
        found = [self._view.item(item_id) for item_id in ids]
        return [item for item in found if item is not None and fits(item, filters)]

    async def aitems(
        self, ids: Sequence[str] | None, filters: Mapping[str, Any] | None, most: int
    ) -> list[StoredItem]:
        """See `Reading.aitems`."""
        return self.items(ids, filters, most)

    def find(self, query: Query) -> list[Found]:
        """See `Reading.find`."""
        return self._view.search(query)

    async def afind(self, query: Query) -> list[Found]:
        """See `Reading.afind`."""
        return self.find(query)
