"""A memory set as an action holds it: changes go into the run, reads see them on top of the store.

Each method has two forms that differ only in how vectors are asked for; the rest is done by
functions that neither block nor wait.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, get_args

from ...agent.config.memory_options import LongTermMemoryOptions
from ...agent.errors import MemorySetError
from ...agent.long_term.compactable import CompactableSet, Summary
from ...agent.long_term.memory_set import CompactionConfig, MemorySetItem, SearchMode
from ...agent.resources.chat_message import ChatMessage
from ...agent.upkeep.compaction import amake_room, make_room, request
from ...agent.upkeep.extraction import GivenAs, aadd_extracted, add_extracted
from ...agent.upkeep.set_metrics import set_metrics
from ...agent.waiting.moments import seconds_of
from ...store.memory.asked import check_filters, check_limit
from ...store.memory.items import to_item, to_items
from ...store.sets.records import StoredItem, text_of
from ...store.sets.searching import Query
from .bounded_set import BoundedSet, no_such_item
from .embedding import Embedder, filled, whole_text
from .items import (
    CHARACTERS_PER_TOKEN,
    GivenItem,
    as_list,
    checked_id,
    given_items,
    ids_and_metadatas,
)
from .reading import ALL, OwnReading
from .shared import SharedReading

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...agent.context import RunnerContext
    from ...agent.long_term.memory_set import Ids, Metadatas
    from ...agent.waiting.moments import Duration
    from ...store.sets.changes import SetName
    from ...store.sets.records import SetSettings
    from ...store.sets.searching import Found
    from ..memory.set_layers import ActionChanges
    from ..runs.run import Run
    from .all_shards import AllShards
    from .reading import Reading
    from .shared import SharedSets

_TYPES: Final = {"text": str, "message": ChatMessage, "json": object}


class WorkerMemorySet(CompactableSet):
    """A memory set in the run of an action."""

    def __init__(
        self,
        context: RunnerContext,
        run: Run,
        changes: ActionChanges,
        set_name: SetName,
        *,
        settings: SetSettings,
        shards: AllShards | None,
    ) -> None:
        """`settings` are those that the next change lays down for the set."""
        self._context = context
        self._run = run
        self._changes = changes
        self._set = set_name
        self._bounded = BoundedSet(run.lane, changes, set_name, settings, context.config)
        self._reading: Reading = OwnReading(self._bounded.view, shards)

    def read_from(self, sets: SharedSets) -> None:
        """Read the parts of a shared set in all shards."""
        self._reading = SharedReading(sets, self._bounded.view, self._settings)

    @property
    def _settings(self) -> SetSettings:
        return self._bounded.settings

    @property
    def _embedder(self) -> Embedder:
        return Embedder(self._context, self.name, self._settings)

    # -- what it is ---------------------------------------------------------------------------

    @property
    def name(self) -> str:  # type: ignore[override]
        """Its name."""
        return self._set.name

    @property
    def item_type(self) -> type:  # type: ignore[override]
        """The type of its items."""
        return _TYPES[self._settings.item_type]

    @property
    def capacity(self) -> int:  # type: ignore[override]
        """The number of items that it may have; a shared one in each shard."""
        return self._bounded.capacity

    @property
    def compaction_config(self) -> CompactionConfig | None:  # type: ignore[override]
        """How a model makes it smaller."""
        found = self._settings.compaction
        return None if found is None else CompactionConfig.model_validate(found)

    @property
    def shared(self) -> bool:  # type: ignore[override]
        """Whether runs of all keys use it."""
        return self._settings.shared

    @property
    def size(self) -> int:
        """The number of items."""
        self._changes.check()
        return self._reading.size()

    async def asize(self) -> int:
        """The awaitable form of `size`."""
        self._changes.check()
        return await self._reading.asize()

    # -- adding -------------------------------------------------------------------------------

    def add(
        self,
        items: Any | Sequence[Any],
        ids: Ids | Metadatas = None,
        metadatas: Metadatas = None,
        *,
        keep: bool = False,
        infer: bool | str = False,
        ttl: Duration | None = None,
        vectors: Sequence[Sequence[float] | None] | None = None,
    ) -> list[str]:
        """See `MemorySet.add`."""
        if infer:
            given_as = GivenAs(*ids_and_metadatas(ids, metadatas), keep, ttl, vectors)
            found = add_extracted(self._context, self, as_list(items), infer, given_as)
            if found is not None:
                return found
        given = self._given(items, ids, metadatas)
        self._reading.check_own(named(given))
        known = self._embedder.known(vectors, len(given))
        has_room = True
        if given and self._settings.compaction:
            has_room = make_room(self._context, self, given[0].id)
        texts = self._embedder.missing(known, [text_of(item.value) for item in given])
        if texts:
            made = self._embedder.model().embed(list(texts.values()))
            known = filled(known, texts, made)
        stored = self._stored(given, self._embedder.check(known), keep=keep, ttl=ttl)
        return self._put(stored, has_room=has_room)

    async def aadd(
        self,
        items: Any | Sequence[Any],
        ids: Ids | Metadatas = None,
        metadatas: Metadatas = None,
        *,
        keep: bool = False,
        infer: bool | str = False,
        ttl: Duration | None = None,
        vectors: Sequence[Sequence[float] | None] | None = None,
    ) -> list[str]:
        """See `MemorySet.add`."""
        if infer:
            given_as = GivenAs(*ids_and_metadatas(ids, metadatas), keep, ttl, vectors)
            found = await aadd_extracted(self._context, self, as_list(items), infer, given_as)
            if found is not None:
                return found
        given = self._given(items, ids, metadatas)
        await self._reading.acheck_own(named(given))
        known = self._embedder.known(vectors, len(given))
        has_room = True
        if given and self._settings.compaction:
            has_room = await amake_room(self._context, self, given[0].id)
        texts = self._embedder.missing(known, [text_of(item.value) for item in given])
        if texts:
            made = await self._embedder.model().aembed(list(texts.values()))
            known = filled(known, texts, made)
        stored = self._stored(given, self._embedder.check(known), keep=keep, ttl=ttl)
        return self._put(stored, has_room=has_room)

    def _given(self, items: Any, ids: Any, metadatas: Any) -> list[GivenItem]:
        """Check what is to be added, and give it ids."""
        self._changes.check()
        return given_items(self._run, self.name, self._settings.item_type, items, ids, metadatas)

    def _stored(
        self,
        given: Sequence[GivenItem],
        vectors: Sequence[bytes],
        *,
        keep: bool = False,
        ttl: Duration | None = None,
    ) -> list[StoredItem]:
        """Items as the store has them.

        Raises:
            MemorySetError: one is too large.
        """
        now = self._bounded.view.now()
        seconds = self._settings.ttl
        if ttl is not None:
            seconds = seconds_of(ttl, "the ttl of an item", error=MemorySetError)
        largest = self._context.config.get(LongTermMemoryOptions.MAX_ITEM_SIZE)
        stored = []
        for item, vector in zip(given, vectors, strict=True):
            found = StoredItem(
                item.id,
                item.value,
                item.metadata,
                created=now,
                created_until=now,
                accessed=now,
                expires=round(now + seconds, 3) if seconds else 0.0,
                keep=bool(keep),
                tokens=len(text_of(item.value)) // CHARACTERS_PER_TOKEN + 1,
                owner=self._run.lane.key_bytes if self.shared else b"",
                vector=vector,
            )
            size = len(found.encode())
            if size > largest:
                raise MemorySetError(
                    f"An item for the memory set {self.name!r} has {size:,} bytes, and "
                    f"{largest:,} are allowed.",
                    hint="Split it, or set long-term-memory.max-item-size.",
                )
            stored.append(found)
        return stored

    def _put(self, items: Sequence[StoredItem], *, has_room: bool) -> list[str]:
        """Add items; `has_room` is whether a model sees to it that there is room for them."""
        if not items:
            return []
        model = self._embedder.model().model if self._embedder.is_there else ""
        by_model = has_room and self._settings.compaction is not None
        removed = self._bounded.add(items, model=model, evicts=not by_model)
        if any(removed):
            counters = set_metrics(self._context, self.name)
            counters.get_counter("mergedItems").inc(removed.merged)
            counters.get_counter("evictedItems").inc(removed.evicted)
        if self._settings.compaction and self.is_full:
            request(self._context, self)
        return [item.id for item in items]

    def update(self, id: str, item: Any, metadata: Mapping[str, Any] | None = None) -> None:
        """See `MemorySet.update`."""
        self._changes.check()
        self._reading.check_own([checked_id(id)], must_be_there=True)
        known = self._known_item(id)
        self.add(item, id, known.metadata if metadata is None else metadata, keep=known.keep)

    async def aupdate(self, id: str, item: Any, metadata: Mapping[str, Any] | None = None) -> None:
        """See `MemorySet.update`."""
        self._changes.check()
        await self._reading.acheck_own([checked_id(id)], must_be_there=True)
        known = self._known_item(id)
        await self.aadd(item, id, known.metadata if metadata is None else metadata, keep=known.keep)

    def _known_item(self, item_id: str) -> StoredItem:
        known = self._bounded.view.item(item_id)
        if known is None:
            raise no_such_item(self.name, item_id)
        return known

    # -- compaction ---------------------------------------------------------------------------

    @property
    def is_full(self) -> bool:
        """Whether it has as much as its bounds allow, or more."""
        return self._bounded.is_full

    @property
    def was_full(self) -> bool:
        """Whether it had that before this run has changed anything."""
        return self._bounded.was_full

    def own_items(self) -> list[MemorySetItem]:
        """All items; of a shared set, those that runs of this key have added."""
        self._changes.check()
        own = self._run.lane.key_bytes
        return [
            to_item(self.name, item)
            for item in self._bounded.view.items(None, ALL)
            if not self.shared or item.owner == own
        ]

    @property
    def lock(self) -> asyncio.Lock:
        """Held by the task of this run that compacts the set."""
        run = self._run
        if run.set_locks is None:
            run.set_locks = {}
        return run.set_locks.setdefault(self._set, asyncio.Lock())

    def replace(self, summaries: Sequence[Summary]) -> list[str]:
        """See `CompactableSet.replace`."""
        known: list[Sequence[float] | None] = [None] * len(summaries)
        texts = self._embedder.missing(known, [text_of(each.value) for each in summaries])
        if texts:
            known = filled(known, texts, self._embedder.model().embed(list(texts.values())))
        return self._replace(summaries, self._embedder.check(known))

    async def areplace(self, summaries: Sequence[Summary]) -> list[str]:
        """See `CompactableSet.replace`."""
        known: list[Sequence[float] | None] = [None] * len(summaries)
        texts = self._embedder.missing(known, [text_of(each.value) for each in summaries])
        if texts:
            known = filled(known, texts, await self._embedder.model().aembed(list(texts.values())))
        return self._replace(summaries, self._embedder.check(known))

    def _replace(self, summaries: Sequence[Summary], vectors: Sequence[bytes]) -> list[str]:
        given = self._given(
            [summary.value for summary in summaries],
            None,
            [summary.metadata for summary in summaries],
        )
        items = self._stored(given, vectors)
        model = self._embedder.model().model if self._embedder.is_there else ""
        for item, summary in zip(items, summaries, strict=True):
            self._bounded.replace([source.id for source in summary.sources], item, model)
        return [item.id for item in given]

    # -- deleting -----------------------------------------------------------------------------

    def delete(self, ids: str | Sequence[str] | None = None) -> None:
        """See `MemorySet.delete`."""
        self._changes.check()
        if ids is None:
            self._bounded.clear()
            return
        names = [checked_id(item_id) for item_id in as_list(ids)]
        self._reading.check_own(names)
        self._bounded.delete(names)

    async def adelete(self, ids: str | Sequence[str] | None = None) -> None:
        """See `MemorySet.delete`."""
        self._changes.check()
        if ids is None:
            self._bounded.clear()
            return
        names = [checked_id(item_id) for item_id in as_list(ids)]
        await self._reading.acheck_own(names)
        self._bounded.delete(names)

    # -- reading ------------------------------------------------------------------------------

    def get(
        self,
        ids: str | Sequence[str] | None = None,
        filters: Mapping[str, Any] | None = None,
        limit: int | None = 100,
    ) -> list[MemorySetItem]:
        """See `MemorySet.get`."""
        return self._shown(ids, self._reading.items(*self._wanted(ids, filters, limit)))

    async def aget(
        self,
        ids: str | Sequence[str] | None = None,
        filters: Mapping[str, Any] | None = None,
        limit: int | None = 100,
    ) -> list[MemorySetItem]:
        """See `MemorySet.get`."""
        return self._shown(ids, await self._reading.aitems(*self._wanted(ids, filters, limit)))

    def _wanted(
        self, ids: Any, filters: Any, limit: Any
    ) -> tuple[list[str] | None, dict[str, Any] | None, int]:
        """The arguments of `get`, checked."""
        self._changes.check()
        names = None if ids is None else [checked_id(item_id) for item_id in as_list(ids)]
        return names, check_filters(filters), ALL if limit is None else check_limit(limit)

    def _shown(self, ids: Any, found: list[StoredItem]) -> list[MemorySetItem]:
        """Items as programs get them; those that were asked for by id count as used."""
        if ids is not None:
            self._bounded.touch(found, self._bounded.view.now())
        return [to_item(self.name, item) for item in found]

    def search(
        self,
        query: str,
        limit: int = 10,
        filters: Mapping[str, Any] | None = None,
        *,
        half_life: Duration | None = None,
        mode: SearchMode = "auto",
    ) -> list[MemorySetItem]:
        """See `MemorySet.search`."""
        asked = self._query(query, limit, filters, half_life, mode)
        vector = b""
        if self._wants_vector(query, mode):
            vector = self._embedder.check([self._embedder.model().embed(whole_text(query))])[0]
        return self._found(self._reading.find(asked._replace(vector=vector)))

    async def asearch(
        self,
        query: str,
        limit: int = 10,
        filters: Mapping[str, Any] | None = None,
        *,
        half_life: Duration | None = None,
        mode: SearchMode = "auto",
    ) -> list[MemorySetItem]:
        """See `MemorySet.search`."""
        asked = self._query(query, limit, filters, half_life, mode)
        vector = b""
        if self._wants_vector(query, mode):
            made = await self._embedder.model().aembed(whole_text(query))
            vector = self._embedder.check([made])[0]
        return self._found(await self._reading.afind(asked._replace(vector=vector)))

    def _query(
        self, text: Any, limit: Any, filters: Any, half_life: Duration | None, mode: SearchMode
    ) -> Query:
        """What is searched for, without its vector.

        Raises:
            MemorySetError: it is nothing that can be searched for.
        """
        self._changes.check()
        if not isinstance(text, str):
            raise MemorySetError(f"A search was given a {type(text).__name__}, not a text.")
        if mode not in get_args(SearchMode):
            raise MemorySetError(f"{mode!r} is no mode of searches: give auto, vector or text.")
        if mode == "vector" and not self._embedder.is_there:
            raise MemorySetError(
                f"The memory set {self.name!r} has no embedding model to search by meaning.",
                hint="Give embedding= or set long-term-memory.embedding-model.",
            )
        faded = self._settings.half_life
        if half_life is not None:
            faded = seconds_of(half_life, "the half-life of a search", error=MemorySetError)
        words = "" if mode == "vector" else text
        return Query(
            words, b"", check_limit(limit), check_filters(filters), faded, self._bounded.view.now()
        )

    def _wants_vector(self, text: str, mode: SearchMode) -> bool:
        """Whether a search needs the vector of its text."""
        has_vectors = self._embedder.is_there and bool(self._settings.dimensions)
        return mode != "text" and has_vectors and bool(text.strip())

    def _found(self, found: Sequence[Found]) -> list[MemorySetItem]:
        """Items as programs get them; they count as used."""
        self._bounded.touch([each.item for each in found], self._bounded.view.now())
        return to_items(self.name, found)


def named(given: Sequence[GivenItem]) -> list[str]:
    """The ids that the program has given."""
    return [item.id for item in given if item.is_named]
