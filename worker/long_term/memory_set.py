"""A memory set as an action holds it: changes go into the run, reads see them on top of the store.

Each method has two forms that differ only in how vectors are asked for; the rest is done by
`_Adding` and by functions that neither block nor wait.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar, cast, get_args

from ...agent.config.memory_options import LongTermMemoryOptions
from ...agent.errors import MemorySetError
from ...agent.long_term.compactable import CompactableSet, Summary
from ...agent.long_term.memory_set import CompactionConfig, MemorySetItem, SearchMode
from ...agent.resources.chat_message import ChatMessage
from ...agent.upkeep.compaction import amake_room, make_room, request
from ...agent.waiting.moments import seconds_of
from ...store import clock
from ...store.memory.items import to_item
from ...store.sets.parts import ItemsPart, StoredPart, fits
from ...store.sets.records import StoredItem, text_of
from ...store.sets.searching import Query, search
from ..memory.set_layers import refuse_inside_durable_call
from .embedding import Embedder, filled
from .items import (
    CHARACTERS_PER_TOKEN,
    as_list,
    checked_id,
    derived_id,
    plain_metadata,
    plain_value,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ...agent.context import RunnerContext
    from ...agent.waiting.moments import Duration
    from ...store.sets.changes import SetChange, SetName
    from ...store.sets.parts import Part
    from ...store.sets.reading import StoredSet
    from ...store.sets.records import SetSettings
    from ...store.shard.snapshot import Snapshot
    from ..runs.run import Run

_T = TypeVar("_T")

_TYPES: Final = {"text": str, "message": ChatMessage, "json": object}


class _Given(NamedTuple):
    """An item that is to be added, without its vector."""

    id: str
    value: Any
    metadata: dict[str, Any]


class WorkerMemorySet(CompactableSet):
    """A memory set in the run of an action."""

    def __init__(
        self,
        context: RunnerContext,
        run: Run,
        set_name: SetName,
        settings: SetSettings,
        known: SetSettings | None,
    ) -> None:
        """`known` are the settings that are laid down so far; None if there is no such set."""
        self._context = context
        self._run = run
        self._set = set_name
        self._settings = settings
        self._known = known
        self._embedder = Embedder(context, set_name.name, settings)

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
        """The number of items that it may have."""
        most: int = self._context.config.get(LongTermMemoryOptions.MAX_ITEMS)
        return self._settings.capacity or most

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
        refuse_inside_durable_call()
        return self._read(self._count)

    async def asize(self) -> int:
        """The awaitable form of `size`."""
        return self.size

    # -- adding -------------------------------------------------------------------------------

    def add(
        self,
        items: Any | Sequence[Any],
        ids: str | Sequence[str | None] | None = None,
        metadatas: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        *,
        keep: bool = False,
        infer: bool | str = False,  # noqa: ARG002 (to come)
        ttl: Duration | None = None,
        vectors: Sequence[Sequence[float] | None] | None = None,
    ) -> list[str]:
        """See `MemorySet.add`."""
        given = self._given(items, ids, metadatas)
        known = self._embedder.known(vectors, len(given))
        if given and self._settings.compaction:
            make_room(self._context, self, given[0].id)
        texts = self._embedder.missing(known, [text_of(item.value) for item in given])
        if texts:
            made = self._embedder.model().embed(list(texts.values()))
            known = filled(known, texts, made)
        return self._put(given, self._embedder.check(known), keep=keep, ttl=ttl)

    async def aadd(
        self,
        items: Any | Sequence[Any],
        ids: str | Sequence[str | None] | None = None,
        metadatas: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        *,
        keep: bool = False,
        infer: bool | str = False,  # noqa: ARG002 (to come)
        ttl: Duration | None = None,
        vectors: Sequence[Sequence[float] | None] | None = None,
    ) -> list[str]:
        """See `MemorySet.add`."""
        given = self._given(items, ids, metadatas)
        known = self._embedder.known(vectors, len(given))
        if given and self._settings.compaction:
            await amake_room(self._context, self, given[0].id)
        texts = self._embedder.missing(known, [text_of(item.value) for item in given])
        if texts:
            made = await self._embedder.model().aembed(list(texts.values()))
            known = filled(known, texts, made)
        return self._put(given, self._embedder.check(known), keep=keep, ttl=ttl)

    def _given(self, items: Any, ids: Any, metadatas: Any) -> list[_Given]:
        """Check what is to be added, and give it ids."""
        refuse_inside_durable_call()
        values = as_list(items)
        names = [None] * len(values) if ids is None else as_list(ids)
        about = as_list(metadatas) if metadatas is not None else [None]
        if len(about) == 1:
            about *= len(values)
        for what, found in (("ids", names), ("metadatas", about)):
            if len(found) != len(values):
                raise MemorySetError(
                    f"{len(values)} items for the memory set {self.name!r} came with {len(found)} "
                    f"{what}."
                )
        given = []
        for place, (value, item_id, metadata) in enumerate(zip(values, names, about, strict=True)):
            where = f"item {place} for the memory set {self.name!r}"
            plain = plain_value(value, self._settings.item_type, where)
            found_id = self._next_id() if item_id is None else checked_id(item_id)
            given.append(_Given(found_id, plain, plain_metadata(metadata, where)))
        return given

    def _next_id(self) -> str:
        run = self._run
        index = run.next_item()
        return derived_id(run.lane.key_bytes, run.offset, run.step, index)

    def _put(
        self, given: list[_Given], vectors: list[bytes], *, keep: bool, ttl: Duration | None
    ) -> list[str]:
        stored = [
            self._stored(item, vectors[place], keep=keep, ttl=ttl)
            for place, item in enumerate(given)
        ]
        self._write(stored)
        if self._settings.compaction and self.is_full:
            request(self._context, self)
        return [item.id for item in stored]

    def _stored(
        self, item: _Given, vector: bytes, *, keep: bool, ttl: Duration | None
    ) -> StoredItem:
        """An item as the store has it.

        Raises:
            MemorySetError: it is too large.
        """
        now = clock.now()
        seconds = self._settings.ttl if ttl is None else seconds_of(ttl, "the ttl of an item")
        stored = StoredItem(
            item.id,
            item.value,
            item.metadata,
            created=now,
            created_until=now,
            accessed=now,
            expires=now + seconds if seconds else 0.0,
            keep=keep,
            tokens=len(text_of(item.value)) // CHARACTERS_PER_TOKEN + 1,
            owner=self._run.lane.key_bytes if self.shared else b"",
            vector=vector,
        )
        size, largest = (
            len(stored.encode()),
            self._context.config.get(LongTermMemoryOptions.MAX_ITEM_SIZE),
        )
        if size > largest:
            raise MemorySetError(
                f"An item for the memory set {self.name!r} has {size:,} bytes, and {largest:,} are "
                "allowed.",
                hint="Split it, or set long-term-memory.max-item-size.",
            )
        return stored

    def _write(self, items: Sequence[StoredItem]) -> None:
        """Put items into the run's changes, with what is laid down for the set."""
        change = self._run.lane.set_layers().change(self._set)
        settings = self._settings
        with_vector = next((item for item in items if item.vector), None)
        if with_vector is not None and not settings.dimensions:
            dimensions = len(with_vector.vector) // 2
            model = self._embedder.model().model
            settings = replace(settings, dimensions=dimensions, model=model)
            self._settings = settings
            self._embedder = Embedder(self._context, self.name, settings)
        if settings != self._known:
            change.settings = self._known = settings
        for item in items:
            known = self._item(item.id)
            if known is not None:
                item = item._replace(created=known.created)  # noqa: PLW2901 (its successor)
            change.put(item)

    def update(self, id: str, item: Any, metadata: Mapping[str, Any] | None = None) -> None:
        """See `MemorySet.update`."""
        known = self._known_item(id)
        self.add(item, id, known.metadata if metadata is None else metadata, keep=known.keep)

    async def aupdate(self, id: str, item: Any, metadata: Mapping[str, Any] | None = None) -> None:
        """See `MemorySet.update`."""
        known = self._known_item(id)
        await self.aadd(item, id, known.metadata if metadata is None else metadata, keep=known.keep)

    def _known_item(self, item_id: str) -> StoredItem:
        refuse_inside_durable_call()
        known = self._item(checked_id(item_id))
        if known is None:
            raise MemorySetError(f"The memory set {self.name!r} has no item {item_id!r}.")
        return known

    # -- compaction ---------------------------------------------------------------------------

    @property
    def is_full(self) -> bool:
        """Whether it has as much as its bounds allow, or more."""
        return self._read(self._count) >= self.capacity

    @property
    def was_full(self) -> bool:
        """Whether it had that before this run has changed anything."""
        changes = self._run.lane.set_layers().before_run(self._set)

        def count(snapshot: Snapshot) -> int:
            return self._count(snapshot.set(self._set), changes)

        return self._run.lane.writer.shard.read(count) >= self.capacity

    def own_items(self) -> list[MemorySetItem]:
        """All items; of a shared set, those that runs of this key have added."""
        return self.get(limit=None)

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
        change = self._run.lane.set_layers().change(self._set)
        for item, vector, summary in zip(given, vectors, summaries, strict=True):
            sources = [self._item(source.id) for source in summary.sources]
            known = [source for source in sources if source is not None]
            if not known:
                continue
            expires = [source.expires for source in known]
            stored = self._stored(item, vector, keep=False, ttl=None)._replace(
                compacted=True,
                created=min(source.created for source in known),
                created_until=max(source.created_until for source in known),
                accessed=max(source.accessed for source in known),
                expires=max(expires) if all(expires) else 0.0,
            )
            for source in known:
                change.delete(source.id)
            self._write([stored])
        return [item.id for item in given]

    # -- deleting -----------------------------------------------------------------------------

    def delete(self, ids: str | Sequence[str] | None = None) -> None:
        """See `MemorySet.delete`."""
        change = self._run.lane.set_layers().change(self._set)
        if ids is None:
            change.clear()
            return
        for item_id in as_list(ids):
            change.delete(checked_id(item_id))

    async def adelete(self, ids: str | Sequence[str] | None = None) -> None:
        """See `MemorySet.delete`."""
        self.delete(ids)

    # -- reading ------------------------------------------------------------------------------

    def get(
        self,
        ids: str | Sequence[str] | None = None,
        filters: Mapping[str, Any] | None = None,
        limit: int | None = 100,
    ) -> list[MemorySetItem]:
        """See `MemorySet.get`."""
        refuse_inside_durable_call()
        now = clock.now()
        if ids is not None:
            found = [self._item(checked_id(item_id)) for item_id in as_list(ids)]
            chosen = [item for item in found if item is not None and fits(item, filters)]
        else:
            most = limit if limit is not None else 1 << 62

            def first(stored: StoredSet, changes: SetChange) -> list[StoredItem]:
                kept: list[StoredItem] = []
                if not changes.cleared:
                    for _, item in stored.items():  # noqa: PERF102 (no mapping)
                        if len(kept) >= most:
                            return kept
                        if item.id not in changes.items and not item.is_expired(now):
                            kept += [item] * fits(item, filters)
                kept += [item for item in _added(changes) if fits(item, filters)]
                return kept[:most]

            chosen = self._read(first)
        return [to_item(self.name, item) for item in chosen if not item.is_expired(now)]

    async def aget(
        self,
        ids: str | Sequence[str] | None = None,
        filters: Mapping[str, Any] | None = None,
        limit: int | None = 100,
    ) -> list[MemorySetItem]:
        """See `MemorySet.get`."""
        return self.get(ids, filters, limit)

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
        refuse_inside_durable_call()
        vector = b""
        if self._wants_vector(query, mode):
            vector = self._embedder.check([self._embedder.model().embed(query)])[0]
        return self._find("" if mode == "vector" else query, vector, limit, filters, half_life)

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
        refuse_inside_durable_call()
        vector = b""
        if self._wants_vector(query, mode):
            vector = self._embedder.check([await self._embedder.model().aembed(query)])[0]
        return self._find("" if mode == "vector" else query, vector, limit, filters, half_life)

    def _wants_vector(self, text: str, mode: SearchMode) -> bool:
        """Whether a search needs the vector of its text."""
        if not isinstance(text, str):
            raise MemorySetError(f"A search was given a {type(text).__name__}, not a text.")
        if mode not in get_args(SearchMode):
            raise MemorySetError(f"{mode!r} is no mode of searches: give auto, vector or text.")
        if mode == "vector" and not self._embedder.is_there:
            raise MemorySetError(
                f"The memory set {self.name!r} has no embedding model to search by meaning.",
                hint="Give embedding= or set long-term-memory.embedding-model.",
            )
        has_vectors = self._embedder.is_there and bool(self._settings.dimensions)
        return mode != "text" and has_vectors and bool(text.strip())

    def _find(
        self,
        text: str,
        vector: bytes,
        limit: int,
        filters: Mapping[str, Any] | None,
        half_life: Duration | None,
    ) -> list[MemorySetItem]:
        faded = self._settings.half_life
        if half_life is not None:
            faded = seconds_of(half_life, "the half-life of a search")
        query = Query(text, vector, limit, filters, faded, clock.now())

        def find(stored: StoredSet, changes: SetChange) -> list[MemorySetItem]:
            added = ItemsPart(_added(changes))
            parts: list[Part] = (
                [added] if changes.cleared else [StoredPart(stored, changes.items), added]
            )
            return [to_item(self.name, found.item, found.score) for found in search(parts, query)]

        return self._read(find)

    def _item(self, item_id: str) -> StoredItem | None:
        def read(stored: StoredSet, changes: SetChange) -> StoredItem | None:
            if item_id in changes.items:
                return changes.items[item_id]
            number = None if changes.cleared else stored.number_of(item_id)
            return None if number is None else stored.item(number)

        item = self._read(read)
        return None if item is None or item.is_expired(clock.now()) else item

    def _count(self, stored: StoredSet, changes: SetChange) -> int:
        count = 0 if changes.cleared else stored.totals().items
        for item_id, item in changes.items.items():
            is_stored = not changes.cleared and stored.number_of(item_id) is not None
            count += (item is not None) - is_stored
        return count

    def _read(self, read: Callable[[StoredSet, SetChange], _T]) -> _T:
        """Return what `read` returns for the stored set, and the changes on top of it."""
        lane = self._run.lane
        changes = lane.set_layers().of_set(self._set)

        def in_snapshot(snapshot: Snapshot) -> _T:
            return read(snapshot.set(self._set), changes)

        return lane.writer.shard.read(in_snapshot)


def _added(changes: SetChange) -> list[StoredItem]:
    return cast("list[StoredItem]", [item for item in changes.items.values() if item is not None])
