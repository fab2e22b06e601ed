"""A full set against a plain list: near-duplicates, kept items, eviction, failed runs, crashes."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from support.profiles import examples
from tamias import Configuration, MemoryAccessError, MemorySetError
from tamias.store.encoding.keys import encode_key, key_prefix
from tamias.store.sets import writing
from tamias.store.sets.changes import SetName
from tamias.store.sets.folding import Sizes
from tamias.store.sets.records import SetSettings, StoredItem
from tamias.store.shard.shard import Shard
from tamias.worker.long_term.bounded_set import BoundedSet
from tamias.worker.memory.tally import NOTHING, Amount
from tamias.worker.runs.effects import Effects
from tamias.worker.runs.group_commit import ShardWriter
from tamias.worker.runs.lane import Lane

KEY = encode_key("k")
NAME = SetName(key_prefix(KEY), "notes")
CAPACITY = 6
LRU = "least-recently-used"

texts = st.sampled_from(["tea", "Tea ", "TEA", "milk", " milk", "rum", "a", "b", "c", "d", "e"])
ids = st.sampled_from("123456789")

additions = st.lists(
    st.tuples(ids, texts, st.booleans()), min_size=1, max_size=4, unique_by=lambda new: new[0]
)


class Item(NamedTuple):
    id: str
    text: str
    keep: bool


class Model:
    """Items in the order in which they go, and how many of the last were not compared."""

    def __init__(self, items: list[Item], uncompared: int, *, merges: bool) -> None:
        self.items = items
        self.uncompared = uncompared
        self.merges = merges

    def copy(self) -> Model:
        return Model(list(self.items), self.uncompared, merges=self.merges)

    def add(self, new: list[Item]) -> bool:
        """Whether there was room."""
        names = {item.id for item in new}
        after = [item for item in self.items if item.id not in names] + new
        excess = len(after) - CAPACITY
        if excess > sum(not item.keep for item in after[:-1]):
            return False
        self.items = after
        if self.merges:
            if self.uncompared >= 0:
                self.uncompared += len(new)
            if len(after) >= CAPACITY and self.uncompared:
                self.merge()
        while len(self.items) > CAPACITY:
            self.items.remove(next(item for item in self.items if not item.keep))
        return True

    def merge(self) -> None:
        items = self.items
        begin = 0 if self.uncompared < 0 else max(0, len(items) - self.uncompared)
        stays: dict[str, int] = {}
        """By text, the place of the item that others become part of."""
        merged, gone = set(), set()
        for place, item in enumerate(items):
            text = item.text.strip().lower()
            other = stays.setdefault(text, place)
            if other == place or place < begin:
                continue
            if not items[other].keep:
                stays[text], going = place, other
            elif not item.keep:
                going = place
            else:
                continue
            gone.add(going)
            merged.add(stays[text])
        merged -= gone
        self.items = [
            *(item for place, item in enumerate(items) if place not in gone | merged),
            *(items[place] for place in sorted(merged)),
        ]
        self.uncompared = len(merged)


class FullSets(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(writing.SetWriter, "sizes", Sizes(tail=2, chunk=8))
        self.directory = Path(tempfile.mkdtemp(dir="/dev/shm"))

    @initialize(merges=st.booleans(), eviction=st.sampled_from(["oldest", LRU]))
    def begin(self, merges: bool, eviction: str) -> None:  # noqa: FBT001 (hypothesis names it)
        self.settings = SetSettings(
            capacity=CAPACITY, eviction=eviction, duplicates_above=0.9 if merges else 0.0
        )
        self.is_lru = eviction == LRU
        self.counter = 0
        self.model = Model([], -1, merges=merges)
        self.committed, self.flushed = self.model.copy(), self.model.copy()
        self.open_shard()

    def open_shard(self) -> None:
        self.shard = Shard.acquire(self.directory, 0, "none")
        self.writer = ShardWriter(self.shard)
        self.lane = Lane(KEY, self.writer)
        self.effects: list[bytes] = []

    def teardown(self) -> None:
        if hasattr(self, "shard"):
            self.shard.close()
        self.patch.undo()
        shutil.rmtree(self.directory)

    def set(self) -> BoundedSet:
        """The set as the running action has it."""
        changes = self.lane.set_layers().action
        return BoundedSet(self.lane, changes, NAME, self.settings, Configuration())

    # -- what actions do ------------------------------------------------------------------------

    @rule(
        new=st.lists(
            st.tuples(ids, texts, st.booleans()), min_size=1, max_size=4, unique_by=lambda n: n[0]
        )
    )
    def add(self, new: list[tuple[str, str, bool]]) -> None:
        items = [Item(item_id, text, keep and item_id in "12345") for item_id, text, keep in new]
        stored = [StoredItem(i.id, i.text, {}, 1.0, 1.0, 1.0, keep=i.keep, tokens=2) for i in items]
        if self.model.add(items):
            self.set().add(stored)
        else:
            with pytest.raises(MemorySetError, match="is full"):
                self.set().add(stored)

    @rule(count=st.integers(1, 4), flushes=st.booleans())
    def whole_run(self, count: int, flushes: bool) -> None:  # noqa: FBT001 (as above)
        """A run that adds what is new, and is perhaps written at once."""
        self.end_run()
        for _ in range(count):
            self.counter += 1
            text = f"text {self.counter}"
            item = Item(f"new {self.counter}", text, self.counter % 7 == 0)
            stored = StoredItem(item.id, text, {}, 1.0, 1.0, 1.0, keep=item.keep, tokens=2)
            if self.model.add([item]):
                self.set().add([stored])
        self.end_run()
        if flushes:
            self.flush()

    @rule(names=st.lists(ids, max_size=3))
    def delete(self, names: list[str]) -> None:
        self.set().delete(names)
        self.model.items = [item for item in self.model.items if item.id not in names]

    @rule()
    def clear(self) -> None:
        self.set().clear()
        self.model.items = []

    @rule(names=st.lists(ids, max_size=3, unique=True))
    def use(self, names: list[str]) -> None:
        found = [self.set().view.item(name) for name in names]
        self.set().touch([item for item in found if item is not None], 2.0)
        if self.is_lru:
            for name in names:
                for item in [item for item in self.model.items if item.id == name]:
                    self.model.items.remove(item)
                    self.model.items.append(item)

    # -- the lives of actions, runs and shards ----------------------------------------------------

    @rule()
    def end_action(self) -> None:
        ended = self.set()
        changes = self.lane.set_layers().end_action()
        self.effects.append(Effects("a", {}, {}, [], [], sets=changes).encode())
        with pytest.raises(MemoryAccessError, match="after the end of the action"):
            ended.delete(["1"])

    @rule()
    def end_run(self) -> None:
        self.lane.commit()
        self.effects = []
        self.committed = self.model.copy()

    @rule()
    def fail_run(self) -> None:
        self.lane.roll_back()
        self.effects = []
        self.model = self.committed.copy()

    @rule()
    def flush(self) -> None:
        batch, _ = self.writer.seal()
        self.shard.commit(batch)
        for _, change in batch.sets:
            change.forget()
        self.flushed = self.committed.copy()

    @rule()
    def kill(self) -> None:
        """A death between two runs."""
        self.shard.close()
        self.model, self.committed = self.flushed.copy(), self.flushed.copy()
        self.open_shard()

    @rule()
    def kill_in_a_run(self) -> None:
        """A death in a run whose finished actions are on record."""
        self.end_action()
        self.flush()
        effects = self.effects
        self.shard.close()
        self.open_shard()
        self.effects = effects
        for data in effects:
            self.lane.set_layers().replay(Effects.decode(data).sets)

    # -- what is seen -----------------------------------------------------------------------------

    @invariant()
    def the_set_is_that_of_the_model(self) -> None:
        if not hasattr(self, "shard"):
            return
        view = self.set().view
        items = [item for _, item in view.all_items()]
        assert [Item(item.id, item.value, item.keep) for item in items] == self.model.items
        total = NOTHING
        for item in items:
            total = total.plus(Amount.of(item))
        assert view.tally().total() == view.recount().total() == total

    @invariant()
    def the_store_is_that_of_the_last_flush(self) -> None:
        if not hasattr(self, "shard"):
            return

        def read(snapshot: Any) -> list[Item]:
            found = snapshot.set(NAME).items()
            return [Item(item.id, item.value, item.keep) for _, item in found]

        assert self.shard.read(read) == self.flushed.items


FullSets.TestCase.settings = settings(
    max_examples=examples(80), stateful_step_count=40, deadline=None
)
TestFullSets = FullSets.TestCase
