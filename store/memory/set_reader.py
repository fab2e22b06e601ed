"""`MemorySetReader`: a memory set of a state directory, for other programs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from ...agent.errors import MemorySetError
from ...agent.naming.public import public
from ...agent.waiting.moments import Duration, seconds_of
from .. import clock
from ..encoding.keys import decode_key
from ..sets.index.vectors import pack_vector
from ..sets.parts import fits
from ..sets.searching import MOST, Query
from .asked import check_filters
from .items import to_item, to_items, vector_of
from .opened_set import opened_set

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from ...agent.long_term.memory_set import MemorySetItem
    from ..sets.records import SetSettings
    from ..state.reader import StoreReader
    from .opened_set import OpenedSet, SetPlace

__all__ = ["MemorySetReader", "description"]

Vector = Sequence[float]


@public
class MemorySetReader:
    """A memory set, read by any program; `MemoryReader` gives it.

    Each answer is the state that one commit has left: of the shard of the key, or, of a shared set,
    of each shard. Nothing is kept in between, so the next answer may be that of a later commit.
    """

    def __init__(self, reader: StoreReader, place: SetPlace) -> None:
        self._reader = reader
        self._place = place

    @property
    def name(self) -> str:
        """Its name."""
        return self._place.name

    @property
    def shared(self) -> bool:
        """Whether it is the set of all keys."""
        return self._place.key is None

    @property
    def key(self) -> Any:
        """The key that has it; None if it is shared."""
        return None if self._place.key is None else decode_key(self._place.key)

    @property
    def size(self) -> int:
        """The number of items."""
        with self._opened() as opened:
            return opened.totals(clock.now()).items

    def describe(self) -> dict[str, Any]:
        """What it is: sizes and settings, as JSON has them.

        ``items``, ``bytes``, ``tokens`` and ``vectors`` are sums over its items. ``capacity`` is 0
        where the agent's option counts, ``model`` empty and ``dimensions`` 0 without vectors.
        """
        with self._opened() as opened:
            return description(self._place, opened)

    def get(
        self,
        ids: str | Sequence[str] | None = None,
        filters: Mapping[str, Any] | None = None,
        limit: int | None = 100,
    ) -> list[MemorySetItem]:
        """The items with these ids, in their order, or without ids the first ones of the set.

        ``filters`` are values that their metadata must have. With ids there is no limit.
        """
        now = clock.now()
        most = MOST if limit is None else min(limit, MOST)
        filters = check_filters(filters)
        kept = []
        with self._opened() as opened:
            if ids is not None:
                names = [ids] if isinstance(ids, str) else ids
                found = [opened.item(item_id, now) for item_id in names]
                kept = [item for item in found if item is not None and fits(item, filters)]
            elif most > 0:
                kept = list(islice(opened.items_that_fit(filters, now), most))
        return [to_item(self.name, item) for item in kept]

    def __iter__(self) -> Iterator[MemorySetItem]:
        """Yield all items, as of one moment, in bounded memory.

        Space that is freed meanwhile is not used again: do not stop in the middle for long.
        """
        with self._opened() as opened:
            for item in opened.items(clock.now()):
                yield to_item(self.name, item)

    def vector(self, item_id: str) -> list[float] | None:
        """The vector of an item, of length 1; None if there is no such item, or it has none."""
        with self._opened() as opened:
            item = opened.item(item_id, clock.now(), with_vector=True)
        return None if item is None else vector_of(item)

    def search(
        self,
        query: str = "",
        limit: int = 10,
        filters: Mapping[str, Any] | None = None,
        *,
        vector: Vector | None = None,
        embed: Callable[[str], Vector] | None = None,
        half_life: Duration | None = None,
    ) -> list[MemorySetItem]:
        """The items that fit best, the best first.

        Args:
            query: words to look for. Without a vector, the search goes by words alone.
            limit: the number of items, at most.
            filters: values that their metadata must have.
            vector: of what is looked for, made by the set's model (`describe` names it).
            embed: makes the vector of a text; called with ``query`` if the set has vectors.
            half_life: the time in which the weight of an item halves; None for what the set says.

        Raises:
            MemorySetError: the vector does not fit the set, or filters are none.
            MissingExtraError: a vector is given, and numpy is not installed.
        """
        if not isinstance(query, str):
            raise MemorySetError(f"A search was given a {type(query).__name__}, not a text.")
        filters = check_filters(filters)
        if vector is None and embed is not None and query.strip() and self._has_vectors():
            vector = embed(query)  # outside of the snapshot: it may take long
        with self._opened() as opened:
            settings = opened.settings()
            packed = b"" if vector is None else self._packed(vector, settings)
            faded = settings.half_life
            if half_life is not None:
                faded = seconds_of(half_life, "the half-life of a search", error=MemorySetError)
            wanted = Query(query, packed, limit, filters, faded, clock.now())
            return to_items(self.name, opened.find(wanted))

    def _has_vectors(self) -> bool:
        with self._opened() as opened:
            return opened.settings().dimensions > 0

    def _packed(self, vector: Vector, settings: SetSettings) -> bytes:
        if not settings.dimensions:
            raise MemorySetError(
                f"The memory set {self.name!r} has no vectors.", hint="Search it by words."
            )
        try:
            packed = pack_vector(vector)
        except ValueError as error:
            raise MemorySetError(f"This is no vector to search for: {error}") from None
        dimensions = len(packed) // 2
        if dimensions != settings.dimensions:
            raise MemorySetError(
                f"The vector has {dimensions} dimensions, and those of the memory set "
                f"{self.name!r} have {settings.dimensions}.",
                hint=f"Make it with the model of the set, {settings.model!r}.",
            )
        return packed

    def _opened(self) -> AbstractContextManager[OpenedSet]:
        return opened_set(self._reader, self._place, required=True)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r} {'shared' if self.shared else self.key!r}>"


def description(place: SetPlace, opened: OpenedSet) -> dict[str, Any]:
    """What a set is, as JSON has it."""
    settings, totals = opened.settings(), opened.totals(clock.now())
    return {
        "name": place.name,
        "shared": place.key is None,
        "items": totals.items,
        "bytes": totals.size,
        "tokens": totals.tokens,
        "vectors": totals.vectors,
        "item_type": settings.item_type,
        "embedding": settings.embedding,
        "model": settings.model,
        "dimensions": settings.dimensions,
        "capacity": settings.capacity,
        "max_tokens": settings.max_tokens,
        "max_bytes": settings.max_bytes,
        "eviction": settings.eviction,
        "ttl": settings.ttl,
        "half_life": settings.half_life,
        "compaction": settings.compaction is not None,
    }
