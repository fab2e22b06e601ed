"""A memory set in the changes of an action: what is added keeps it within its bounds.

An addition that would exceed them is refused before anything is changed, if too many items are to
be kept. Otherwise it is made, and then near-duplicates are merged, and items go, the oldest first,
unless the set has a model that makes summaries of them (`agent.upkeep.compaction`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from ...agent.config.memory_options import LongTermMemoryOptions
from ...agent.errors import MemorySetError
from ..memory.tally import NOTHING, Amount
from .bounds import Bounds, choose_victims, too_large
from .duplicates import WINDOW, compare, counted, is_pass_due
from .embedding import BYTES_PER_NUMBER, other_dimensions
from .view import SetView

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from ...agent.config.configuration import Configuration
    from ...store.sets.changes import SetChange, SetName
    from ...store.sets.records import SetSettings, StoredItem
    from ..memory.set_layers import ActionChanges
    from ..runs.lane import Lane
    from .bounds import Victims


class Removed(NamedTuple):
    """How many items have gone for an addition."""

    merged: int
    evicted: int


class BoundedSet:
    """A set in the changes of an action.

    Attributes:
        settings: those that the next change lays down.
        view: the set as the action sees it.
    """

    def __init__(
        self,
        lane: Lane,
        changes: ActionChanges,
        name: SetName,
        settings: SetSettings,
        config: Configuration,
    ) -> None:
        self._lane = lane
        self._changes = changes
        self._name = name
        self._config = config
        self.settings = settings
        self.view = SetView(lane, changes.layers, name)

    def check(self) -> None:
        """Raise MemoryAccessError inside a durable function, and after the end of the action."""
        self._changes.check()

    @property
    def lock(self) -> AbstractContextManager[bool]:
        """Held while the set is changed."""
        return self._changes.lock

    # -- bounds -------------------------------------------------------------------------------

    @property
    def capacity(self) -> int:
        """The number of items that it may have; if it is shared, in each shard."""
        options = LongTermMemoryOptions
        option = options.SHARED_MAX_ITEMS if self.settings.shared else options.MAX_ITEMS
        most: int = self._config.get(option)
        return self.settings.capacity or most

    @property
    def _bounds(self) -> Bounds:
        settings = self.settings
        most = Amount(self.capacity, settings.max_tokens, settings.max_bytes)
        if settings.shared:
            return Bounds(most)
        return Bounds(most, self._config.get(LongTermMemoryOptions.KEY_MAX_BYTES))

    @property
    def is_full(self) -> bool:
        """Whether it has as much as its bounds allow, or more."""
        total = self.view.recount().total()
        return self._bounds.is_full(total, self.view.elsewhere())

    @property
    def was_full(self) -> bool:
        """Whether it had that before this run has changed anything."""
        total = self.view.recount().committed
        return self._bounds.is_full(total, self.view.elsewhere())

    # -- adding -------------------------------------------------------------------------------

    def add(self, items: Sequence[StoredItem], *, model: str = "", evicts: bool = True) -> Removed:
        """Add items, or replace those with their ids, which keep their created time.

        Returns what has gone for that.

        Args:
            items: with their vectors.
            model: that the vectors are of.
            evicts: whether others go if there are too many.

        Raises:
            MemorySetError: they do not fit. Nothing is changed then.
        """
        with self._changes.lock:
            self.check()
            known = [self.view.item(item.id, with_vector=True) for item in items]
            for item, before in zip(items, known, strict=True):
                self.check_owner(item.id, before)
            settings = self._settings_with(items, model)
            victims = self._room_for(items, known) if evicts else None
            self.settings = settings
            if settings != self._lane.read_set_settings(self._name):
                self._change().settings = settings
            for item, before in zip(items, known, strict=True):
                self._put(item, before)
            merged = evicted = 0
            if settings.duplicates_above > 0 and not settings.shared:
                merged = self._merge_duplicates()
            if victims is not None:
                evicted = self._evict(None if merged else victims)
            return Removed(merged, evicted)

    def check_owner(self, item_id: str, known: StoredItem | None) -> None:
        """Raise MemorySetError for an item of a shared set that another key has added."""
        if self.settings.shared and known is not None and known.owner != self._lane.key_bytes:
            raise not_own(self._name.name, item_id)

    def _settings_with(self, items: Sequence[StoredItem], model: str) -> SetSettings:
        """The settings with what the items lay down.

        Raises:
            MemorySetError: the vectors, or the items, are of another kind than those of the set.
        """
        settings = self.settings
        known = self._lane.read_set_settings(self._name)  # another object may have written them
        if known is not None:
            if known.item_type != settings.item_type:
                raise other_items(self._name.name, known.item_type, settings.item_type)
            settings = replace(
                settings,
                model=known.model,
                dimensions=known.dimensions,
                uncompared=known.uncompared,
            )
        for item in items:
            length = len(item.vector) // BYTES_PER_NUMBER
            if length and not settings.dimensions:
                settings = replace(settings, dimensions=length, model=model)
            elif length not in (0, settings.dimensions):
                raise other_dimensions(self._name.name, length, settings.dimensions)
        if settings.duplicates_above and not settings.shared:
            settings = replace(settings, uncompared=counted(settings.uncompared, len(items)))
        return settings

    def _room_for(
        self, items: Sequence[StoredItem], known: Sequence[StoredItem | None]
    ) -> Victims | None:
        """What has to go before items are added; None for nothing.

        Raises:
            MemorySetError: too many items are to be kept.
        """
        added = NOTHING
        for item, before in zip(items, known, strict=True):
            added = added.plus(Amount.of(item))
            if before is not None:
                added = added.minus(Amount.of(before))
        bounds, elsewhere = self._bounds, self.view.elsewhere()
        for item in items:
            if any(bounds.excess(Amount.of(item), 0)):
                raise too_large(self._name.name, item.id)
        if not any(bounds.excess(self.view.tally().total().plus(added), elsewhere)):
            return None
        tally = self.view.recount()
        excess = bounds.excess(tally.total().plus(added), elsewhere)
        return choose_victims(self.view, tally, excess, items) if any(excess) else None

    def _evict(self, victims: Victims | None) -> int:
        """Remove victims; None: as many as there are too many items now. Returns how many."""
        if victims is None:
            tally = self.view.tally()
            excess = self._bounds.excess(tally.total(), self.view.elsewhere())
            if not any(excess):
                return 0
            victims = choose_victims(self.view, tally, excess)
        for item in victims.items:
            self.remove(item.id)
        self.view.tally().passed = victims.passed
        return len(victims.items)

    def _merge_duplicates(self) -> int:
        """Compare some items, if there are as many as there may be (see `duplicates`).

        Returns how many have become part of others.
        """
        settings = self.settings
        total = self.view.tally().total()
        if not self._bounds.is_full(total, self.view.elsewhere()):
            return 0
        if not is_pass_due(settings.uncompared, total.items):
            return 0
        newest = self.view.newest(WINDOW, with_vectors=bool(settings.dimensions))
        found = compare(newest, settings.uncompared, settings.duplicates_above)
        for merged in found:
            for item_id in merged.removed:
                self.remove(item_id)
            self._put(merged.item, self.view.item(merged.item.id, with_vector=True))
        # What has become of several is the newest now, and is compared again.
        self.settings = replace(settings, uncompared=len(found))
        self._change().settings = self.settings
        return sum(len(merged.removed) for merged in found)

    # -- changes ------------------------------------------------------------------------------

    def _put(self, item: StoredItem, before: StoredItem | None) -> None:
        """Add an item; `before` is the one that it replaces, with its vector."""
        tally = self.view.tally()
        if before is not None:
            tally.action = tally.action.minus(Amount.of(before))
            item = item._replace(created=min(before.created, item.created))
        tally.action = tally.action.plus(Amount.of(item))
        tally.may_shrink = tally.may_shrink or item.expires > 0
        self._change().put(item)

    def remove(self, item_id: str) -> None:
        """Remove an item, if it is there."""
        known = self.view.item(item_id, with_vector=True)
        if known is not None:
            tally = self.view.tally()
            tally.action = tally.action.minus(Amount.of(known))
            self._change().delete(item_id)

    def delete(self, ids: Sequence[str]) -> None:
        """Remove items, as far as they are there.

        Raises:
            MemorySetError: another key has added one of them.
        """
        with self._changes.lock:
            self.check()
            for item_id in ids:
                self.check_owner(item_id, self.view.item(item_id))
            for item_id in ids:
                self.remove(item_id)

    def clear(self) -> None:
        """Remove all items; of a shared set, those of this key."""
        with self._changes.lock:
            self.check()
            if self.settings.shared:
                own = self._lane.key_bytes
                for _, item in self.view.all_items():
                    if item.owner == own:
                        self.remove(item.id)
                return
            tally = self.view.tally()
            tally.action = tally.action.minus(tally.total())
            self._change().clear()

    def drop(self) -> None:
        """Remove the set; of a shared one, the items of this key."""
        self.clear()
        if not self.settings.shared:
            self._change().clear(drop=True)

    def replace(self, sources: Sequence[str], item: StoredItem, model: str) -> None:
        """Put an item in the place of others that are there, and make it as old as they are."""
        with self._changes.lock:
            self.check()
            found = [self.view.item(item_id) for item_id in sources]
            known = [source for source in found if source is not None]
            if not known:
                return
            expires = [source.expires for source in known]
            summary = item._replace(
                compacted=True,
                created=min(source.created for source in known),
                created_until=max(source.created_until for source in known),
                accessed=max(source.accessed for source in known),
                expires=max(expires) if all(expires) else 0.0,
            )
            for source in known:
                self.remove(source.id)
            self.add([summary], model=model, evicts=False)

    def touch(self, items: Sequence[StoredItem], now: float) -> None:
        """Have it known that items were read, where the ones that were not go first."""
        if self.settings.eviction != "least-recently-used":
            return
        with self._changes.lock:
            self.check()
            for item in items:
                known = self.view.item(item.id, with_vector=True)
                if known is not None:
                    self._put(known._replace(accessed=now), known)

    def _change(self) -> SetChange:
        return self._changes.of_set(self._name)


def other_items(name: str, known: str, wanted: str) -> MemorySetError:
    """The error for a set with items of another type."""
    return MemorySetError(
        f"The memory set {name!r} has items of the type {known!r}, and was asked for with"
        f" {wanted!r}.",
        hint="Use another name for the other set.",
    )


def not_own(name: str, item_id: str) -> MemorySetError:
    """The error for an item of a shared set that another key has added."""
    return MemorySetError(
        f"The item {item_id[:50]!r} of the shared memory set {name!r} was added by another key,"
        " whose runs alone may change it.",
        hint="Give the item another id, or change it in a run of that key.",
    )


def no_such_item(name: str, item_id: str) -> MemorySetError:
    """The error for an item that is to be changed and that there is not."""
    return MemorySetError(f"The memory set {name!r} has no item {item_id[:50]!r}.")
