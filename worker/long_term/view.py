"""A memory set of a key as its run sees it: the set in the store, and changes on top of it."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeVar

from ...store.sets.parts import ItemsPart, StoredPart, fits
from ...store.sets.records import SHARED
from ...store.sets.searching import search
from ...store.sets.selecting import items_that_fit
from ..memory.set_layers import Unchanged
from ..memory.tally import NOTHING, Amount, Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from ...store.sets.changes import SetChange, SetName
    from ...store.sets.parts import Part
    from ...store.sets.reading import StoredSet
    from ...store.sets.records import StoredItem
    from ...store.sets.searching import Found, Query
    from ...store.shard.snapshot import Snapshot
    from ..memory.set_layers import SetLayers
    from ..runs.lane import Lane
    from .all_shards import AllShards

_T = TypeVar("_T")

_FIRST_BATCH: Final = 2
_LARGEST_BATCH: Final = 1024

Place = tuple[int, "StoredItem"]
"""An item, and its number in the store; 0 for one that is not there yet."""


class SetView:
    """A set, as one action of a key sees it: without what has expired at the moment of the run."""

    def __init__(self, lane: Lane, layers: SetLayers, name: SetName) -> None:
        self._lane = lane
        self._layers = layers
        self.name = name

    def now(self) -> float:
        """The moment of the run, by which it judges what has expired."""
        return self._lane.run_moment().milliseconds() / 1000

    def changes(self) -> SetChange:
        """The changes on top of the store, as they are now."""
        return self._layers.of_set(self.name)

    def item(self, item_id: str, *, with_vector: bool = False) -> StoredItem | None:
        """The item with an id; None if there is none, or if it has expired."""
        changed = self._layers.item(self.name, item_id)
        if not isinstance(changed, Unchanged):
            return _alive(changed, self.now())

        def read(stored: StoredSet) -> StoredItem | None:
            number = stored.number_of(item_id)
            return None if number is None else stored.item(number, with_vector=with_vector)

        return _alive(self._read(read), self.now())

    def items(self, filters: Mapping[str, Any] | None, most: int) -> list[StoredItem]:
        """The first items."""
        changes, now = self._layers.of_set(self.name), self.now()

        def read(stored: StoredSet) -> list[StoredItem]:
            return list(islice(_fitting(stored, changes, now, filters), max(0, most)))

        return self._read(read)

    def search(self, query: Query) -> list[Found]:
        """What fits a query best."""
        changes = self._layers.of_set(self.name)
        return self._read(lambda stored: search(parts_of(stored, changes), query))

    def search_in(self, shards: AllShards, query: Query) -> Callable[[], list[Found]]:
        """A function for a thread that returns what fits a query best now."""
        name, number, changes = self.name, self._lane.writer.number, self.changes()

        def find() -> list[Found]:
            with shards.snapshot(number) as snapshot:
                if snapshot is None:
                    return []
                return search(parts_of(snapshot.set(name), changes), query)

        return find

    def oldest(self, after: int) -> Iterator[Place]:
        """Items from the oldest on, with vectors, beginning behind a number of the store."""
        changes, now = self._layers.of_set(self.name), self.now()
        most = _FIRST_BATCH
        while not changes.cleared:

            def read(stored: StoredSet, after: int = after, most: int = most) -> list[Place]:
                return list(islice(_stored(stored, changes, now, after), most))

            batch = self._read(read)
            yield from batch
            if len(batch) < most:
                break
            after, most = batch[-1][0], min(4 * most, _LARGEST_BATCH)
        yield from _added(changes, now)

    def newest(self, most: int, *, with_vectors: bool) -> list[StoredItem]:
        """The newest items, the oldest of them first."""
        changes, now = self.changes(), self.now()

        def read(stored: StoredSet) -> list[StoredItem]:
            found = deque(visible(stored, changes, now), most)
            if not with_vectors:
                return [item for _, item in found]
            return [
                item._replace(vector=stored.vector(number)) if number else item
                for number, item in found
            ]

        return self._read(read)

    def all_items(self) -> list[Place]:
        """All items, with vectors, from the oldest on."""
        changes, now = self._layers.of_set(self.name), self.now()
        return self._read(lambda stored: list(visible(stored, changes, now, with_vectors=True)))

    # -- what it amounts to -------------------------------------------------------------------

    def tally(self) -> Tally:
        """What the set amounts to, as followed since it was counted."""
        tally = self._layers.tallies.get(self.name)
        if tally is None:
            tally = self._layers.tallies[self.name] = self._count()
        return tally

    def recount(self) -> Tally:
        """The same, counted in this action, without what has expired since."""
        tally = self.tally()
        if not tally.is_recent and tally.may_shrink:
            counted = self._count()
            tally.committed, tally.run, tally.action = (
                counted.committed,
                counted.run,
                counted.action,
            )
            tally.is_recent = True
        return tally

    def elsewhere(self) -> int:
        """The bytes of the other sets of the key; 0 for a shared set."""
        layers, owner = self._layers, self.name.owner
        if owner[0] == SHARED:
            return 0
        if not layers.has_all_tallies:
            stored = self._lane.writer.shard.read(lambda snapshot: list(snapshot.sets(owner)))
            for name in {*stored, *layers.names()}:
                if name.owner == owner:
                    SetView(self._lane, layers, name).tally()
            layers.has_all_tallies = True
        return sum(
            tally.total().size
            for name, tally in layers.tallies.items()
            if name.owner == owner and name != self.name
        )

    def _count(self) -> Tally:
        layers, now = self._layers, self.now()

        def read(stored: StoredSet) -> Tally:
            before = _amount(stored, layers.before_run(self.name), now)
            change = layers.before_run(self.name)
            change.add(layers.of_run(self.name))
            run = _amount(stored, change, now)
            change.add(layers.of_action(self.name))
            all_of_it = _amount(stored, change, now)
            found = Tally(before, run.minus(before), all_of_it.minus(run))
            shard, changed = self._lane.writer.shard, change.items.values()
            found.may_shrink = (
                self.name.owner[0] == SHARED
                or shard.first_due is not None
                or any(item is not None and item.expires for item in changed)
            )
            return found

        return self._read(read)

    def _read(self, read: Callable[[StoredSet], _T]) -> _T:
        def in_snapshot(snapshot: Snapshot) -> _T:
            return read(snapshot.set(self.name))

        return self._lane.writer.shard.read(in_snapshot)


def parts_of(stored: StoredSet, changes: SetChange) -> list[Part]:
    """The parts of a set for a search: what is stored, and what is not yet."""
    parts: list[Part] = [] if changes.cleared else [StoredPart(stored, changes.items)]
    added = [item for item in changes.items.values() if item is not None]
    if added:
        parts.append(ItemsPart(added))
    return parts


def _alive(item: StoredItem | None, now: float) -> StoredItem | None:
    return None if item is None or item.is_expired(now) else item


def visible(
    stored: StoredSet, changes: SetChange, now: float, *, with_vectors: bool = False
) -> Iterator[Place]:
    """The items of a stored set with changes, with their numbers."""
    if not changes.cleared:
        yield from _stored(stored, changes, now, with_vectors=with_vectors)
    yield from _added(changes, now)


def _stored(
    stored: StoredSet,
    changes: SetChange,
    now: float,
    after: int = 0,
    *,
    with_vectors: bool = True,
) -> Iterator[Place]:
    for number, item in stored.items(after, with_vectors=with_vectors):
        if _is_visible(item, changes, now):
            yield number, item


def _fitting(
    stored: StoredSet, changes: SetChange, now: float, filters: Mapping[str, Any] | None
) -> Iterator[StoredItem]:
    if not changes.cleared:
        for _, item in items_that_fit(stored, filters):
            if _is_visible(item, changes, now):
                yield item
    for _, item in _added(changes, now):
        if fits(item, filters):
            yield item


def _is_visible(item: StoredItem, changes: SetChange, now: float) -> bool:
    return item.id not in changes.items and not item.is_expired(now)


def _added(changes: SetChange, now: float) -> list[Place]:
    items = changes.items.values()
    return [(0, item) for item in items if item is not None and not item.is_expired(now)]


def _amount(stored: StoredSet, changes: SetChange, now: float) -> Amount:
    """What a set amounts to with changes, without what has expired."""
    total = NOTHING if changes.cleared else Amount.of_totals(stored.live_totals(now))
    for item_id, item in changes.items.items():
        number = None if changes.cleared else stored.number_of(item_id)
        known = None if number is None else stored.item(number, with_vector=True)
        if known is not None and not known.is_expired(now):
            total = total.minus(Amount.of(known))
        if item is not None and not item.is_expired(now):
            total = total.plus(Amount.of(item))
    return total
