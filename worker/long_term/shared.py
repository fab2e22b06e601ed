"""Reads of shared sets: over all shards, on record because other runs write meanwhile.

A run adds to the part of the set that is in its own shard. It reads the parts in all shards of the
state directory, each as of one commit, and its own changes on top of its part.
"""

from __future__ import annotations

from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ...agent.errors import MemorySetError
from ...store.sets.changes import SetName
from ...store.sets.parts import StoredPart, fits
from ...store.sets.records import SetSettings, StoredItem, shared_owner
from ...store.sets.searching import Found, search
from ...store.sets.selecting import shared_sets
from .bounded_set import no_such_item, not_own, other_items
from .embedding import other_dimensions
from .view import parts_of, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ...store.sets.changes import SetChange
    from ...store.sets.parts import Part
    from ...store.sets.reading import StoredSet
    from ...store.sets.searching import Query
    from ...store.shard.snapshot import Snapshot
    from ..runs.lane import Lane
    from .all_shards import AllShards
    from .view import SetView


class Recording(Protocol):
    """Puts on record what an action has read."""

    def read(self, name: str, arguments: tuple[Any, ...], read: Callable[[], Any]) -> Any:
        """What `read` returns, or has returned at the first execution."""

    async def aread(self, name: str, arguments: tuple[Any, ...], read: Callable[[], Any]) -> Any:
        """The same; reads in a thread."""


class _Parts(NamedTuple):
    """The parts of a set in open snapshots."""

    own: StoredSet | None
    """That to which the run adds."""
    others: list[StoredSet]


class SharedSets:
    """The shared sets, as runs of one lane read them."""

    def __init__(self, lane: Lane, shards: AllShards, records: Recording) -> None:
        self._lane = lane
        self.key = lane.key_bytes
        self._owner = shared_owner(lane.key_bytes)
        self._shards = shards
        self.records = records

    def settings(self, name: str) -> SetSettings | None:
        """What is laid down for a set: in the lane's own shard, or else in another one."""
        own = SetName(self._owner, name)

        def read() -> bytes | None:
            known = self._lane.read_set_settings(own)
            with self.parts(name) as parts:
                found = [each.settings() for each in parts.others]
            given = [each for each in (known, *found) if each is not None]
            for other in given[1:]:
                check_together(name, given[0], other)
            best = max(
                given[:1] if known else given, key=lambda each: each.dimensions, default=None
            )
            return None if best is None else best.encode()

        data = self.records.read("ctx.memory_set", (name,), read)
        return None if data is None else SetSettings.decode(data)

    def names(self) -> list[str]:
        """The names of all shared sets."""

        def read() -> list[str]:
            names = set(self._lane.read_set_names(self._owner))
            with self._shards.snapshots() as opened:
                for _, snapshot in opened:
                    names.update(found.name for found in shared_sets(snapshot.sets()))
            return sorted(names)

        found: list[str] = self.records.read("ctx.memory_set_names", (), read)
        return found

    @contextmanager
    def parts(self, name: str) -> Iterator[_Parts]:
        """Give the parts of a set."""
        own_shard = self._lane.writer.number
        with self._shards.snapshots() as opened:
            own, others = None, []
            for number, snapshot in opened:
                for owner in self._owners(snapshot, name):
                    part = snapshot.set(SetName(owner, name))
                    if number == own_shard and owner == self._owner:
                        own = part
                    elif part.settings() is not None:
                        others.append(part)
            yield _Parts(own, others)

    def _owners(self, snapshot: Snapshot, name: str) -> list[bytes]:
        if len(self._owner) == 1:
            return [self._owner]
        found = {each.owner for each in shared_sets(snapshot.sets()) if each.name == name}
        return sorted({*found, self._owner})  # of other key groups, too


class SharedReading:
    """What a shared set answers; see `reading.Reading`."""

    def __init__(self, sets: SharedSets, view: SetView, settings: SetSettings) -> None:
        self._sets = sets
        self._view = view
        self._settings = settings
        self._name = view.name.name

    def size(self) -> int:
        """See `Reading.size`."""
        size: int = self._sets.records.read("memory_set.size", (self._name,), self._size())
        return size

    async def asize(self) -> int:
        """See `Reading.asize`."""
        read = self._size()
        size: int = await self._sets.records.aread("memory_set.size", (self._name,), read)
        return size

    def _size(self) -> Callable[[], int]:
        own, now = self._view.recount().total().items, self._view.now()

        def read() -> int:
            with self._sets.parts(self._name) as parts:
                return own + sum(part.live_totals(now).items for part in parts.others)

        return read

    def items(
        self, ids: Sequence[str] | None, filters: Mapping[str, Any] | None, most: int
    ) -> list[StoredItem]:
        """See `Reading.items`."""
        arguments = self._name, ids, filters, most
        read = self._items(ids, filters, most)
        return _decoded(self._sets.records.read("memory_set.get", arguments, read))

    async def aitems(
        self, ids: Sequence[str] | None, filters: Mapping[str, Any] | None, most: int
    ) -> list[StoredItem]:
        """See `Reading.aitems`."""
        arguments = self._name, ids, filters, most
        read = self._items(ids, filters, most)
        return _decoded(await self._sets.records.aread("memory_set.get", arguments, read))

    def _items(
        self, ids: Sequence[str] | None, filters: Mapping[str, Any] | None, most: int
    ) -> Callable[[], list[bytes]]:
        now = self._view.now()
        changes = self._view.changes()

        def is_wanted(item: StoredItem) -> bool:
            return not item.is_expired(now) and fits(item, filters)

        def read() -> list[bytes]:
            with self._sets.parts(self._name) as parts:
                if ids is None:
                    wanted = islice(filter(is_wanted, _all(parts, changes, now)), most)
                    return [item.encode() for item in wanted]
                found = (_item(parts, changes, item_id, now) for item_id in ids)
                return [item.encode() for item in found if item is not None and is_wanted(item)]

        return read

    def find(self, query: Query) -> list[Found]:
        """See `Reading.find`."""
        read = self._find(query)
        return _scored(self._sets.records.read("memory_set.search", self._asked(query), read))

    async def afind(self, query: Query) -> list[Found]:
        """See `Reading.afind`."""
        read = self._find(query)
        found = await self._sets.records.aread("memory_set.search", self._asked(query), read)
        return _scored(found)

    def _asked(self, query: Query) -> tuple[Any, ...]:
        """What tells searches apart: not their moment, nor vectors, which follow from the text."""
        return (
            self._name,
            query.text,
            bool(query.vector),
            query.limit,
            query.filters,
            query.half_life,
        )

    def _find(self, query: Query) -> Callable[[], list[tuple[bytes, float]]]:
        changes = self._view.changes()

        def read() -> list[tuple[bytes, float]]:
            with self._sets.parts(self._name) as parts:
                searched: list[Part] = []
                if parts.own is not None:
                    searched += parts_of(parts.own, changes)
                for part in parts.others:
                    known = part.settings()
                    if known is not None:
                        check_together(self._name, self._settings, known)
                    searched.append(StoredPart(part))
                return [(found.item.encode(), found.score) for found in search(searched, query)]

        return read

    def check_own(self, ids: Sequence[str], *, must_be_there: bool = False) -> None:
        """See `Reading.check_own`."""
        if ids:
            arguments = self._name, list(ids)
            found = self._sets.records.read("memory_set.owners", arguments, self._owned(ids))
            self._refuse(found, ids, must_be_there=must_be_there)

    async def acheck_own(self, ids: Sequence[str], *, must_be_there: bool = False) -> None:
        """See `Reading.acheck_own`."""
        if ids:
            arguments = self._name, list(ids)
            found = await self._sets.records.aread("memory_set.owners", arguments, self._owned(ids))
            self._refuse(found, ids, must_be_there=must_be_there)

    def _owned(self, ids: Sequence[str]) -> Callable[[], list[bool | None]]:
        changes, key, now = self._view.changes(), self._sets.key, self._view.now()

        def read() -> list[bool | None]:
            with self._sets.parts(self._name) as parts:
                found = (_item(parts, changes, item_id, now) for item_id in ids)
                return [None if item is None else item.owner == key for item in found]

        return read

    def _refuse(
        self, owned: Sequence[bool | None], ids: Sequence[str], *, must_be_there: bool
    ) -> None:
        for item_id, is_own in zip(ids, owned, strict=True):
            if is_own is False:
                raise not_own(self._name, item_id)
            if must_be_there and is_own is None:
                raise no_such_item(self._name, item_id)


def check_together(name: str, one: SetSettings, other: SetSettings) -> None:
    """Raise MemorySetError if two parts of a shared set cannot be one set."""
    if one.item_type != other.item_type:
        raise other_items(name, other.item_type, one.item_type)
    if one.dimensions and other.dimensions:
        if one.model != other.model:
            raise MemorySetError(
                f"The shared memory set {name!r} has vectors of the models {one.model!r} and"
                f" {other.model!r} in different shards: they cannot be compared.",
                hint="Embed its items anew: tamias memory reembed.",
            )
        if one.dimensions != other.dimensions:
            raise other_dimensions(name, one.dimensions, other.dimensions)


def _item(parts: _Parts, changes: SetChange, item_id: str, now: float) -> StoredItem | None:
    """The item of an id: of the run's own part first."""
    if item_id in changes.items:
        return changes.items[item_id]
    for part in (parts.own, *parts.others):
        number = None if part is None else part.number_of(item_id)
        item = None if number is None or part is None else part.item(number)
        if item is not None and not item.is_expired(now):
            return item
    return None


def _all(parts: _Parts, changes: SetChange, now: float) -> Iterator[StoredItem]:
    if parts.own is not None:
        for _, item in visible(parts.own, changes, now):
            yield item
    for part in parts.others:
        for _, item in part.items():  # noqa: PERF102 (no mapping)
            yield item


def _decoded(found: Sequence[bytes]) -> list[StoredItem]:
    return [StoredItem.decode(record) for record in found]


def _scored(found: Sequence[tuple[bytes, float]]) -> list[Found]:
    return [Found(StoredItem.decode(record), score) for record, score in found]
