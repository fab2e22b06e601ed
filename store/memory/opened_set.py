"""A memory set in open snapshots: in that of its key's shard, or, if it is shared, in all."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, ExitStack, contextmanager
from heapq import merge
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from ...agent.errors import MemorySetError
from ..encoding.keys import key_prefix, shard_of
from ..sets.changes import SetName
from ..sets.parts import StoredPart
from ..sets.records import SHARED, SetSettings, Totals, shared_owner
from ..sets.searching import search
from ..sets.selecting import items_that_fit, shared_sets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import TracebackType

    from ..sets.reading import StoredSet
    from ..sets.records import StoredItem
    from ..sets.searching import Found, Query
    from ..shard.sets_view import SetsView
    from ..shard.snapshot import Snapshot
    from ..state.reader import StoreReader

__all__ = ["AllSets", "OpenedSet", "SetPlace", "all_sets", "opened_set", "set_names"]


_View = TypeVar("_View")


class SetPlace(NamedTuple):
    """Which set it is.

    Attributes:
        name: its name.
        key: the encoded key that has it; None for a shared set.
    """

    name: str
    key: bytes | None

    def in_store(self) -> SetName:
        """Its name in each shard that has a part of it, where keys have no groups."""
        owner = shared_owner(b"") if self.key is None else key_prefix(self.key)
        return SetName(owner, self.name)

    def parts(self, shard: Snapshot | SetsView) -> list[StoredSet]:
        """What a shard has of it; where keys have groups, there may be a part in each group."""
        if self.key is not None:
            return [shard.set(SetName(key_prefix(self.key), self.name))]
        return [shard.set(each) for each in shared_sets(shard.sets()) if each.name == self.name]

    def shards(self, count: int) -> Sequence[int]:
        """The shards, of so many, that may have a part of it."""
        return range(count) if self.key is None else (shard_of(self.key, count),)


class OpenedSet:
    """A set as of one commit of each of its shards, for as long as these are open."""

    def __init__(self, parts: Sequence[StoredSet]) -> None:
        """`parts` are those that the shards have; of a shared set there may be many."""
        self._parts: list[StoredSet] = []
        self._settings: list[SetSettings] = []
        for part in parts:
            settings = part.settings()
            if settings is not None:
                self._parts.append(part)
                self._settings.append(settings)

    @property
    def is_there(self) -> bool:
        """Whether there is such a set."""
        return bool(self._parts)

    def require(self, place: SetPlace) -> None:
        """Raise MemorySetError if there is no such set."""
        if not self._parts:
            raise MemorySetError(f"The memory set {place.name!r} is not there any more.")

    def settings(self) -> SetSettings:
        """What is laid down for it; of several parts, those of one with vectors."""
        if len(self._settings) == 1:
            return self._settings[0]
        return max(self._settings, key=lambda each: each.dimensions, default=SetSettings())

    def totals(self, now: float) -> Totals:
        """What the items are together that have not expired at a moment."""
        totals = Totals()
        for part in self._parts:
            totals = totals.plus(part.live_totals(now))
        return totals

    def items(self, now: float, *, with_vectors: bool = False) -> Iterator[StoredItem]:
        """Yield the items that have not expired, of each part in the order they were added."""
        for part in self._parts:
            for _, item in part.items(with_vectors=with_vectors):  # noqa: PERF102 (no mapping)
                if not item.is_expired(now):
                    yield item

    def items_that_fit(self, filters: Mapping[str, Any] | None, now: float) -> Iterator[StoredItem]:
        """Yield what `items` does, of the items that fit filters."""
        for part in self._parts:
            for _, item in items_that_fit(part, filters):
                if not item.is_expired(now):
                    yield item

    def item(self, item_id: str, now: float, *, with_vector: bool = False) -> StoredItem | None:
        """The item of an id, None if there is none."""
        for part in self._parts:
            number = part.number_of(item_id)
            item = None if number is None else part.item(number, with_vector=with_vector)
            if item is not None and not item.is_expired(now):
                return item
        return None

    def find(self, query: Query) -> list[Found]:
        """Search it."""
        return search([StoredPart(part) for part in self._parts], query)


def opened_set(
    reader: StoreReader, place: SetPlace, *, required: bool = False
) -> AbstractContextManager[OpenedSet]:
    """Give a set as it is now. Close it soon: until then, space that is freed is not used again.

    Raises:
        StoreError: a shard is lost, damaged, or of another store.
        MemorySetError: there is no such set, and it is `required`.
    """
    numbers = place.shards(reader.view.manifest.shards)
    if len(numbers) > 1:
        return _all_parts(reader, place, numbers, required=required)
    return _Opened(reader.sets(numbers[0]), place, required=required)


class _Opened:
    """A set that is in one shard; a class, as a generator takes as long as the rest of it."""

    __slots__ = ("_place", "_required", "_shard")

    def __init__(
        self, shard: AbstractContextManager[SetsView | None], place: SetPlace, *, required: bool
    ) -> None:
        self._shard = shard
        self._place = place
        self._required = required

    def __enter__(self) -> OpenedSet:
        view = self._shard.__enter__()
        try:
            opened = OpenedSet([] if view is None else self._place.parts(view))
            if self._required:
                opened.require(self._place)
        except BaseException:
            self._shard.__exit__(*sys.exc_info())
            raise
        return opened

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._shard.__exit__(kind, error, trace)


@contextmanager
def _all_parts(
    reader: StoreReader, place: SetPlace, numbers: Sequence[int], *, required: bool
) -> Iterator[OpenedSet]:
    with ExitStack() as stack:
        views = _opened(reader.sets, numbers, stack)
        found = [place.parts(view) for view in views if view is not None]
        opened = OpenedSet([part for parts in found for part in parts])
        if required:
            opened.require(place)
        yield opened


class AllSets:
    """All memory sets of a state directory, as of one commit of each shard."""

    def __init__(self, snapshots: Sequence[Snapshot]) -> None:
        """`snapshots` are those of all shards."""
        self._snapshots = snapshots

    def shared(self) -> Iterator[tuple[SetPlace, OpenedSet]]:
        """Yield the shared sets, by name."""
        names = {each.name for snapshot in self._snapshots for each in shared_sets(snapshot.sets())}
        for name in sorted(names):
            place = SetPlace(name, None)
            parts = [part for snapshot in self._snapshots for part in place.parts(snapshot)]
            yield place, OpenedSet(parts)

    def of_keys(self, key: bytes | None = None) -> Iterator[tuple[SetPlace, OpenedSet]]:
        """Yield the sets of an encoded key, or of all keys: by key, the shorter ones first.

        That is the order in which a shard has them, so it takes no memory to have it of all.
        """
        owner = None if key is None else key_prefix(key)
        streams = (_in_shard(snapshot, owner) for snapshot in self._snapshots)
        for name, snapshot in merge(*streams, key=itemgetter(0)):
            found = None if name.owner[0] == SHARED else snapshot.key_of(name.owner)
            if found is not None:  # else the store is damaged, as `doctor` says
                yield SetPlace(name.name, found), OpenedSet([snapshot.set(name)])


def _in_shard(snapshot: Snapshot, owner: bytes | None) -> Iterator[tuple[SetName, Snapshot]]:
    for name in snapshot.sets(owner):
        yield name, snapshot


@contextmanager
def all_sets(reader: StoreReader) -> Iterator[AllSets]:
    """Give all sets as they are now. Close it soon, as `opened_set`.

    Raises:
        StoreError: a shard is lost, damaged, or of another store.
    """
    numbers = range(reader.view.manifest.shards)
    with ExitStack() as stack:
        opened = _opened(reader.shard, numbers, stack)
        yield AllSets([snapshot for snapshot in opened if snapshot is not None])


def set_names(snapshot: Snapshot, key: bytes) -> list[str]:
    """The names of the sets of an encoded key, in the snapshot of its shard."""
    return [name.name for name in snapshot.sets(key_prefix(key))]


def _opened(
    open_shard: Callable[[int], AbstractContextManager[_View]],
    numbers: Sequence[int],
    stack: ExitStack,
) -> list[_View]:
    """Open shards, until the stack is closed, as soon one after the other as can be.

    To open a shard and check it takes longer than to open a snapshot, so that is done before.
    """
    if len(numbers) > 1:
        for number in numbers:
            with open_shard(number):
                pass
    return [stack.enter_context(open_shard(number)) for number in numbers]
