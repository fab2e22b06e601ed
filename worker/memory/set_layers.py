"""The changes of a key's memory sets, in layers over what the store has.

As in `worker.memory.fields`, nearest first:

1. `action`: what the action that is running now has changed;
2. `overlay`: what the finished actions of the same run have changed;
3. pending: what committed runs have changed and no commit of the shard has written yet;
4. the store.

A failed action loses its changes, a failed run its overlay too. A set can be large, so nothing of
the store is kept here: readers ask the store, and put the layers' changes on top. What all that
amounts to is kept (`tallies`), because each addition compares it with the bounds of the set.
"""

from __future__ import annotations

from threading import RLock
from typing import TYPE_CHECKING, Any, Final

from ...agent.errors import MemoryAccessError
from ...store.sets.changes import SetChange, SetName
from ...store.sets.records import SetSettings, StoredItem
from ..durable.call_log import inside_durable_call

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...store.shard.batch import Batch
    from .tally import Tally

Layer = dict[SetName, SetChange]


class Unchanged:
    """The class of `UNCHANGED`."""


UNCHANGED: Final = Unchanged()
"""What is found of an item of which the store has the last word."""


class ActionChanges:
    """The changes that one action makes in memory sets; refused after its end.

    Attributes:
        layers: what they are on top of.
        lock: held while something is changed, since an action may do that in several threads.
    """

    __slots__ = ("ended", "layers", "lock", "sets")

    def __init__(self, layers: SetLayers, sets: Layer | None = None) -> None:
        self.layers = layers
        self.sets: Layer = {} if sets is None else sets
        self.lock = RLock()
        self.ended = False

    def check(self) -> None:
        """Raise MemoryAccessError inside a durable function, and after the end of the action."""
        if self.ended:
            raise MemoryAccessError(
                "a memory set was used after the end of the action that it was given to, by"
                " another action, or by a task or thread that the action had started: ask each"
                " action's context for its sets, and await everything that uses them"
            )
        refuse_inside_durable_call()

    def of_set(self, name: SetName) -> SetChange:
        """The changes of a set, to be added to."""
        found = self.sets.get(name)
        if found is None:
            found = self.sets[name] = SetChange()
        return found


class SetLayers:
    """The changes of a key's memory sets (see the module's text).

    Attributes:
        action: those of the running action.
        overlay: those of finished actions of the run.
        tallies: what sets amount to, as far as that was counted.
    """

    __slots__ = ("_sealed", "_waiting", "action", "has_all_tallies", "overlay", "tallies")

    def __init__(self) -> None:
        self.action = ActionChanges(self)
        self.overlay: Layer = {}
        self._waiting: Layer = {}
        """Of runs that are committed with the open group."""
        self._sealed: Layer = {}
        """Of the group that is being committed; emptied when it is."""
        self.tallies: dict[SetName, Tally] = {}
        self.has_all_tallies = False
        """Whether all sets of the key are in `tallies`."""

    def item(self, name: SetName, item_id: str) -> StoredItem | Unchanged | None:
        """What the changes have made of an item; None if it was removed."""
        for layer in self._nearest_first():
            change = layer.get(name)
            if change is not None:
                if item_id in change.items:
                    return change.items[item_id]
                if change.cleared:
                    return None
        return UNCHANGED

    def settings(self, name: SetName) -> SetSettings | Unchanged | None:
        """The settings of a set, if they were changed; None if it was removed."""
        for layer in self._nearest_first():
            change = layer.get(name)
            if change is not None:
                if change.settings is not None:
                    return change.settings
                if change.dropped:
                    return None
        return UNCHANGED

    def of_set(self, name: SetName) -> SetChange:
        """All changes of a set together."""
        return _together(name, (self._sealed, self._waiting, self.overlay, self.action.sets))

    def of_run(self, name: SetName) -> SetChange:
        """The changes that finished actions of the run have made in a set."""
        return _together(name, (self.overlay,))

    def of_action(self, name: SetName) -> SetChange:
        """The changes that the running action has made in a set."""
        return _together(name, (self.action.sets,))

    def before_run(self, name: SetName) -> SetChange:
        """The changes of a set by runs before this one that may not be written yet."""
        return _together(name, (self._sealed, self._waiting))

    def names(self) -> set[SetName]:
        """The sets that have changes."""
        return {name for layer in self._nearest_first() for name, change in layer.items() if change}

    def _nearest_first(self) -> Iterator[Layer]:
        yield self.action.sets
        yield self.overlay
        yield self._waiting
        yield self._sealed

    # -- the life of a run --------------------------------------------------------------------

    def renew(self) -> None:
        """Take the sets away from tasks and threads that the action has left running."""
        ended = self.action
        with ended.lock:
            ended.ended = True
            self.action = ActionChanges(self, ended.sets)

    def end_action(self) -> Layer:
        """Fold the action's changes into the overlay and return them."""
        self.renew()
        changes = self.action.sets
        if changes:
            _fold(self.overlay, changes)
            self.action.sets = {}
            for tally in self.tallies.values():
                tally.end_action()
        return changes

    def replay(self, changes: Layer) -> None:
        """Apply the changes of a finished action that are in the journal."""
        _fold(self.overlay, changes)
        self.tallies.clear()
        self.has_all_tallies = False

    @property
    def has_changes(self) -> bool:
        """Whether the run has changed something."""
        return bool(self.action.sets or self.overlay)

    def live_from(self, moment: float, elapsed: float) -> None:
        """Have what the run has added live from now on: `moment` is the run's, `elapsed` ago.

        A run may have waited for days since its moment, by which it judges what has expired.
        """
        for layer in (self.overlay, self.action.sets):
            for change in layer.values():
                for item_id, item in change.items.items():
                    if item is not None and item.expires and item.created_until == moment:
                        expires = round(item.expires + elapsed, 3)  # a sum may be off by a bit
                        change.items[item_id] = item._replace(expires=expires)

    def commit(self) -> bool:
        """Make the run's changes part of the open group; whether there are any."""
        has_changes = self.has_changes
        for layer in (self.overlay, self.action.sets):
            _fold(self._waiting, layer)
        for tally in self.tallies.values():
            tally.commit()
        self._drop()
        return has_changes

    def roll_back(self) -> None:
        """Drop all changes of the run."""
        for tally in self.tallies.values():
            tally.roll_back()
        self._drop()

    def _drop(self) -> None:
        self.renew()
        self.action.sets = {}
        self.overlay = {}

    def write(self, batch: Batch) -> None:
        """Move what waits for the open group into its batch."""
        if not self._waiting:
            return
        self._sealed = self._waiting  # the group before is committed, or none will be
        self._waiting = {}
        batch.sets += self._sealed.items()

    @property
    def is_idle(self) -> bool:
        """Whether the store has all there is."""
        return not any(change for layer in self._nearest_first() for change in layer.values())


def _fold(into: Layer, changes: Layer) -> None:
    for name, change in changes.items():
        known = into.get(name)
        if known is None:
            known = into[name] = SetChange()
        known.add(change)


def _together(name: SetName, layers: tuple[Layer, ...]) -> SetChange:
    together = SetChange()
    for layer in layers:
        change = layer.get(name)
        if change is not None:
            together.add(change)
    return together


def refuse_inside_durable_call() -> None:
    """Raise MemoryAccessError inside a durable function."""
    if inside_durable_call():
        raise MemoryAccessError(
            "long-term memory cannot be used inside a durable function: its result alone is on "
            "record, so a replay would lose what it did to memory; read before the call, and write "
            "after it"
        )


# -- in the journal ---------------------------------------------------------------------------


def to_records(layer: Layer) -> list[Any]:
    """Changes as plain data, for the journal."""
    return [
        (
            *name,
            change.cleared,
            change.dropped,
            None if change.settings is None else change.settings.encode(),
            [
                (item_id, None, b"") if item is None else (item_id, item.encode(), item.vector)
                for item_id, item in change.items.items()
            ],
        )
        for name, change in layer.items()
    ]


def from_records(records: list[Any]) -> Layer:
    """Inverse of `to_records`."""
    layer: Layer = {}
    for owner, name, cleared, dropped, settings, items in records:
        change = layer[SetName(owner, name)] = SetChange()
        change.cleared, change.dropped = cleared, dropped
        if settings is not None:
            change.settings = SetSettings.decode(settings)
        for item_id, record, vector in items:
            change.items[item_id] = None if record is None else StoredItem.decode(record, vector)
    return layer
