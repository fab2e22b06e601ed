"""Reads of a memory set of the run's own key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from ...agent.waiting.threads import call_in_thread
from ...store.sets.parts import fits
from .bounded_set import no_such_item

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...store.sets.records import StoredItem
    from ...store.sets.searching import Found, Query
    from .all_shards import AllShards
    from .view import SetView

ALL: Final = 1 << 62
"""More items than there are."""
_MANY: Final = 20_000
"""Items from which on an awaited search is made in a thread: one of fewer takes the loop for a
millisecond or two, and a thread for as long again when all cores have work."""


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

    def check_own(self, ids: Sequence[str], *, must_be_there: bool = False) -> None:
        """Check that runs of this key may change the items with these ids.

        Raises:
            MemorySetError: another key has added one; or there is none, with `must_be_there`.
        """

    async def acheck_own(self, ids: Sequence[str], *, must_be_there: bool = False) -> None:
        """The awaitable form of `check_own`."""


class OwnReading:
    """What a set of the run's own key answers: no other run changes it meanwhile."""

    def __init__(self, view: SetView, shards: AllShards | None) -> None:
        """`shards` is None where nothing is read in a thread."""
        self._view = view
        self._shards = shards

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
        shards = self._shards
        if shards is None or self._view.tally().total().items < _MANY:
            return self.find(query)
        return await call_in_thread(self._view.search_in(shards, query))

    def check_own(self, ids: Sequence[str], *, must_be_there: bool = False) -> None:
        """See `Reading.check_own`."""
        if must_be_there:
            now = self._view.now()
            for item_id in ids:
                known = self._view.item(item_id)
                if known is None or known.is_expired(now):
                    raise no_such_item(self._view.name.name, item_id)

    async def acheck_own(self, ids: Sequence[str], *, must_be_there: bool = False) -> None:
        """See `Reading.acheck_own`."""
        self.check_own(ids, must_be_there=must_be_there)
