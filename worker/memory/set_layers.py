"""The changes of a key's memory sets, in layers over what the store has.

As in `worker.memory.fields`, nearest first:

1. `delta`: what the action that is running now has changed;
2. `overlay`: what the finished actions of the same run have changed;
3. pending: what committed runs have changed and no commit of the shard has written yet;
4. the store.

A failed action loses its delta, a failed run its overlay too. A set can be large, so nothing of the
store is kept here: readers ask the store, and put the layers' changes on top.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...agent.errors import MemoryAccessError
from ...store.sets.changes import SetChange, SetName
from ...store.sets.records import SetSettings, StoredItem
from ..durable.call_log import inside_durable_call

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...store.shard.batch import Batch

Layer = dict[SetName, SetChange]


class SetLayers:
    """The changes of a key's memory sets (see the module's text)."""

    __slots__ = ("_sealed", "_waiting", "delta", "overlay")

    def __init__(self) -> None:
        self.delta: Layer = {}
        self.overlay: Layer = {}
        self._waiting: Layer = {}
        """Of runs that are committed with the open group."""
        self._sealed: Layer = {}
        """Of the group that is being committed; emptied when it is."""

    def change(self, name: SetName) -> SetChange:
        """The running action's changes of a set, to be added to.

        Raises:
            MemoryAccessError: called inside a durable function.
        """
        refuse_inside_durable_call()
        found = self.delta.get(name)
        if found is None:
            found = self.delta[name] = SetChange()
        return found

    def of_set(self, name: SetName) -> SetChange:
        """All changes of a set together."""
        together = SetChange()
        for layer in self._layers():
            change = layer.get(name)
            if change is not None:
                together.add(change)
        return together

    def before_run(self, name: SetName) -> SetChange:
        """The changes of a set by runs before this one."""
        together = SetChange()
        for layer in (self._sealed, self._waiting):
            change = layer.get(name)
            if change is not None:
                together.add(change)
        return together

    def names(self) -> set[SetName]:
        """The sets that have changes."""
        return {name for layer in self._layers() for name, change in layer.items() if change}

    def _layers(self) -> Iterator[Layer]:
        yield self._sealed
        yield self._waiting
        yield self.overlay
        yield self.delta

    # -- the life of a run --------------------------------------------------------------------

    def end_action(self) -> Layer:
        """Fold the delta into the overlay and return it."""
        delta = self.delta
        if delta:
            _fold(self.overlay, delta)
            self.delta = {}
        return delta

    def replay(self, changes: Layer) -> None:
        """Apply the changes of a finished action that are in the journal."""
        _fold(self.overlay, changes)

    @property
    def has_changes(self) -> bool:
        """Whether the run has changed something."""
        return bool(self.delta or self.overlay)

    def commit(self) -> bool:
        """Make the run's changes part of the open group; whether there are any."""
        if not self.has_changes:
            return False
        for layer in (self.overlay, self.delta):
            _fold(self._waiting, layer)
        self.roll_back()
        return True

    def roll_back(self) -> None:
        """Drop all changes of the run."""
        self.delta = {}
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
        return not any(change for layer in self._layers() for change in layer.values())


def _fold(into: Layer, changes: Layer) -> None:
    for name, change in changes.items():
        into[name] = _sum(into.get(name), change)


def _sum(first: SetChange | None, second: SetChange | None) -> SetChange:
    together = SetChange()
    for change in (first, second):
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
