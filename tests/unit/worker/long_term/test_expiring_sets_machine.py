"""A bounded set whose items expire against plain Python: runs, crashes in runs, a clock that moves.

The model is a dict of ids to the moment when an item expires, in the order of additions.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from support.profiles import examples
from tamias import Configuration
from tamias.store import clock
from tamias.store.encoding.keys import encode_key, key_prefix
from tamias.store.sets import writing
from tamias.store.sets.changes import SetName
from tamias.store.sets.checking import problems_in
from tamias.store.sets.folding import Sizes
from tamias.store.sets.records import SetSettings, StoredItem
from tamias.store.shard.shard import Shard
from tamias.store.shard.snapshot import Databases
from tamias.worker.long_term.bounded_set import BoundedSet
from tamias.worker.memory.set_layers import SetLayers
from tamias.worker.runs.effects import Effects
from tamias.worker.runs.group_commit import ShardWriter
from tamias.worker.runs.lane import Lane
from tamias.worker.runs.removals import Removals

START = 1_800_000_000_000
KEY = encode_key("k")
NAME = SetName(key_prefix(KEY), "notes")
CAPACITY = 5
SETTINGS = SetSettings(capacity=CAPACITY)
NEVER = 1 << 60

ids = st.sampled_from("abcdefgh")
lifetimes = st.sampled_from([0, 0, 100, 1000])
"""In milliseconds; 0 for ever."""


class Model:
    """The items of a run, by id, each with the moment when it expires."""

    def __init__(self, items: dict[str, int], moment: int) -> None:
        self.moment = moment
        self.items = {i: due for i, due in items.items() if due > moment}
        self.added: set[str] = set()

    def add(self, item_id: str, lifetime: int) -> None:
        self.items.pop(item_id, None)
        while len(self.items) >= CAPACITY:
            del self.items[next(iter(self.items))]
        self.items[item_id] = self.moment + lifetime if lifetime else NEVER
        self.added.add(item_id)

    def delete(self, item_id: str) -> None:
        self.items.pop(item_id, None)
        self.added.discard(item_id)

    def commit(self, elapsed: int) -> dict[str, int]:
        return {
            i: due + elapsed if i in self.added and due < NEVER else due
            for i, due in self.items.items()
        }


class ExpiringSets(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now: int = START
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(clock, "milliseconds", lambda: self.now)
        self.patch.setattr(writing.SetWriter, "sizes", Sizes(tail=2, chunk=8))
        self.directory = Path(tempfile.mkdtemp(dir="/dev/shm"))

    @initialize()
    def begin(self) -> None:
        self.committed: dict[str, int] = {}
        self.flushed: dict[str, int] = {}
        self.model: Model | None = None
        self.effects: list[bytes] = []
        self.is_awaited = False
        self.open_shard()

    def open_shard(self) -> None:
        self.shard = Shard.acquire(self.directory, 0, "none")
        self.writer = ShardWriter(self.shard)
        self.lane = Lane(KEY, self.writer)
        lanes = {KEY: self.lane}
        self.writer.removals = Removals(lanes.get, lambda: None, lambda _: self.is_awaited)

    def teardown(self) -> None:
        if hasattr(self, "shard"):
            self.in_the_end_only_what_lives_is_left()
            self.shard.close()
        self.patch.undo()
        shutil.rmtree(self.directory)

    def in_the_end_only_what_lives_is_left(self) -> None:
        self.fail_run()
        self.now += 10_000_000
        for _ in range(3):
            self.flush()
            self.now += 1_000_000
        left = [i for i, due in self.committed.items() if due == NEVER]
        stored = self.shard.read(lambda s: [item.id for _, item in s.set(NAME).items()])
        assert stored == left
        assert self.shard.read(lambda s: s.counts())["expiring"] == 0

    def begun(self) -> Model:
        """The current run; begins it if there is none."""
        if self.model is None:
            moment = max(self.now, self.shard.horizon)
            self.model = Model(self.committed, moment)
            self.lane.run = cast("Any", self)
            assert self.lane.run_moment().milliseconds() == moment
        return self.model

    def set(self) -> BoundedSet:
        """The set as the running action has it."""
        changes = self.lane.set_layers().action
        return BoundedSet(self.lane, changes, NAME, SETTINGS, Configuration())

    # -- what actions do ------------------------------------------------------------------------

    @rule(item_id=ids, lifetime=lifetimes)
    def add(self, item_id: str, lifetime: int) -> None:
        model = self.begun()
        at = model.moment / 1000
        expires = (model.moment + lifetime) / 1000 if lifetime else 0.0
        self.set().add([StoredItem(item_id, item_id, {}, at, at, at, expires)])
        model.add(item_id, lifetime)

    @rule(item_id=ids)
    def delete(self, item_id: str) -> None:
        self.begun().delete(item_id)
        self.set().delete([item_id])

    @rule()
    def clear(self) -> None:
        model = self.begun()
        self.set().clear()
        model.items.clear()
        model.added.clear()

    @rule()
    def read(self) -> None:
        model = self.begun()
        view = self.set().view
        assert [item.id for item in view.items(None, 100)] == list(model.items)
        assert view.recount().total().items == len(model.items)
        for item_id in "abcdefgh":
            assert (view.item(item_id) is not None) == (item_id in model.items)

    # -- the lives of actions, runs and shards ----------------------------------------------------

    @rule(by=st.sampled_from([1, 60, 100, 500, 1000]))
    def move_clock(self, by: int) -> None:
        self.now += by

    @rule()
    def end_action(self) -> None:
        changes = self.lane.set_layers().end_action()
        self.effects.append(Effects("a", {}, {}, [], [], sets=changes).encode())

    @rule()
    def end_run(self) -> None:
        model = self.begun()
        self.lane.commit()
        self.committed = model.commit(max(0, self.now - model.moment))
        self.forget_run()

    @rule()
    def fail_run(self) -> None:
        self.lane.roll_back()
        self.forget_run()

    def forget_run(self) -> None:
        self.model = None
        self.lane.run = None
        self.effects = []

    @rule()
    def flush(self) -> None:
        """Committed runs reach the store; what an unfinished one has done does not."""
        batch, _ = self.writer.seal()
        self.shard.commit(batch)
        for _, change in batch.sets:
            change.forget()
        self.flushed = dict(self.committed)

    @rule()
    def kill(self) -> None:
        """A death between two runs: what was not flushed is lost."""
        self.forget_run()
        self.shard.close()
        self.committed = dict(self.flushed)
        self.open_shard()

    @rule(commits=st.integers(0, 2), by=st.sampled_from([0, 100, 2000]))
    def kill_in_a_run(self, commits: int, by: int) -> None:
        """A death in a run whose finished actions are on record, and which is replayed later."""
        self.begun()
        record = self.lane.run_moment().encode()
        assert record is not None
        self.end_action()
        self.flush()
        self.shard.close()
        self.is_awaited = True
        self.now += by
        self.open_shard()
        for _ in range(commits):
            self.flush()
        self.lane.run = cast("Any", self)
        self.lane.run_moment().restore(record)
        for data in self.effects:
            self.lane.set_layers().replay(Effects.decode(data).sets)
        self.is_awaited = False

    @invariant()
    def readers_see_the_last_commit_as_of_now(self) -> None:
        if not hasattr(self, "shard"):
            return
        live = [i for i, due in self.flushed.items() if due > self.now]
        seconds = self.now / 1000

        def read(snapshot: Any) -> tuple[list[str], int]:
            stored = snapshot.set(NAME)
            items = [item.id for _, item in stored.items() if not item.is_expired(seconds)]
            return items, stored.live_totals(seconds).items

        assert self.shard.read(read) == (live, len(live))

    @invariant()
    def the_doctor_finds_nothing(self) -> None:
        if hasattr(self, "shard"):
            handle = self.shard._environment.require()
            databases = Databases.open(handle, None, create=False)
            with handle.begin() as transaction:
                assert list(problems_in(transaction, databases)) == []


ExpiringSets.TestCase.settings = settings(
    max_examples=examples(60), stateful_step_count=40, deadline=None
)
TestSetsWhoseItemsExpire = ExpiringSets.TestCase


def test_the_end_of_what_a_run_has_added_is_a_whole_millisecond_after_it_has_waited() -> None:
    layers, at = SetLayers(), START
    for number in range(500):
        change = layers.action.of_set(NAME)
        due = at + number
        change.items["a"] = StoredItem("a", "a", {}, at / 1000, at / 1000, at / 1000, due / 1000)
        layers.live_from(at / 1000, number * 7 / 1000)
        item = change.items["a"]
        assert item is not None
        assert item.expires == (due + number * 7) / 1000
