"""Memory sets in checkpoints that are built one upon the other, against plain dictionaries.

The machine is the task as well: it keeps the files of complete checkpoints, and builds the next one
upon the last, unless that was aborted or the launcher was another one.
"""

from __future__ import annotations

import struct
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from support.profiles import examples
from tamias.bridge.task import checkpoints, frames, restore
from tamias.bridge.task.checkpoints import CheckpointReader
from tamias.bridge.task.restore import Restore
from tamias.store.encoding.keys import encode_key, group_of, key_prefix
from tamias.store.sets import writing
from tamias.store.sets.changes import SetChange, SetName
from tamias.store.sets.folding import Sizes
from tamias.store.sets.records import SetSettings, StoredItem, shared_owner
from tamias.store.sets.transfer import sending
from tamias.store.sets.writing import SetWriter
from tamias.store.shard.batch import Batch
from tamias.store.shard.expiring import Removal
from tamias.store.shard.shard import Shard
from tamias.store.state.directory import StateDirectory
from tamias.store.state.reader import StoreReader

if TYPE_CHECKING:
    from tamias.store.shard.snapshot import Snapshot

pytestmark = pytest.mark.timeout(1200)

GROUPS = 2
KEYS = st.builds(
    lambda group, key: b"g" + group.to_bytes(2, "big") + encode_key(key),
    st.integers(0, GROUPS - 1),
    st.sampled_from(["a", "long " * 50]),
)
IDS = st.sampled_from(["1", "2", "3", "4", "5", "6"])
VECTORS = st.sampled_from([b"", b"\x00<\x00\x00"])
CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("add"), IDS, st.text(max_size=3), VECTORS, st.booleans()),
        st.tuples(st.just("delete"), IDS),
        st.tuples(st.just("clear")),
        st.tuples(st.just("drop")),
        st.tuples(st.just("settings"), st.integers(1, 9)),
    ),
    min_size=1,
    max_size=5,
)
WORK = st.lists(
    st.tuples(KEYS, st.sampled_from(["s", "t"]), st.booleans(), CHANGES), min_size=1, max_size=3
)

Change = tuple[Any, ...]
Work = list[tuple[bytes, str, bool, list[Change]]]
Sets = dict[SetName, tuple[SetSettings, dict[str, StoredItem]]]
Numbers = dict[SetName, dict[int, str]]
"""Ids of items by their numbers."""


class SetsInCheckpoints(RuleBasedStateMachine):
    """A pool's store, the checkpoints that a task takes, and stores that are restored from them."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        self.store = ExitStack()
        self.stores = 0
        self.runs = 0
        self.expected: Sets = {}
        """With items that have expired."""
        self.now = 0
        self.changed: set[bytes] = set()
        """Keys that had inputs since the last barrier."""
        self.base: list[list[bytes]] | None = None
        """The files of the last checkpoint, if the next one can be built upon them."""

    @initialize(
        shards=st.integers(1, 3),
        portion=st.sampled_from([1, 100, 1 << 18]),
        piece=st.integers(1, 3),
    )
    def begin(self, shards: int, portion: int, piece: int) -> None:
        checkpoints.PORTION_BYTES = portion  # type: ignore[misc]
        sending.PIECE = piece  # type: ignore[misc]
        restore.COMMIT_BYTES = portion  # type: ignore[misc]
        SetWriter.sizes = Sizes(tail=2, chunk=4)
        writing.REMOVED_AT_ONCE = 2  # type: ignore[misc]  # what is left of a cleared set stays
        self.state = self.store.enter_context(self.create(shards))
        self.acquire()
        self.launch()

    def create(self, shards: int) -> StateDirectory:
        """An empty store."""
        self.stores += 1
        return StateDirectory.open(self.folder / str(self.stores), "agent", shards, "none", {})

    def acquire(self) -> None:
        """Become the writer of the store."""
        self.shards = []
        for number in range(self.state.manifest.shards):
            shard = Shard.acquire(self.state.layout.shard(number), number, "none")
            self.store.callback(shard.close)
            self.shards.append(shard)

    def launch(self) -> None:
        """A launcher begins to work on the store."""
        number = self.state.manifest.shards
        reader = self.store.enter_context(StoreReader(self.state.path))
        self.reading = CheckpointReader(reader, number, range(GROUPS))
        self.store.callback(self.reading.close)

    # -- what happens -------------------------------------------------------------------------

    @rule(work=WORK, owned=st.booleans())
    def work(self, work: Work, *, owned: bool) -> None:
        """Runs of inputs, or owned ones such as timers, change sets."""
        for key, name, shared, changes in work:
            self.runs += 1
            if owned:
                self.reading.changed.announced([(self.runs, key)])
            else:
                self.changed.add(key)
            self.commit(
                key, SetName(shared_owner(key) if shared else key_prefix(key), name), changes
            )
            if owned:
                self.reading.changed.over([self.runs])

    def commit(self, key: bytes, name: SetName, changes: list[Change]) -> None:
        known = self.expected.pop(name, None)
        found, items = known or (None, {})
        change = SetChange()
        for what, *given in changes:
            if what == "drop":
                change.clear(drop=True)
                found, items = None, {}
                continue
            if found is None or what == "settings":
                found = SetSettings(capacity=int(given[0]) if what == "settings" else 100)
                change.settings = found
            if what == "add":
                item_id, value, vector, expires = given
                moment = float(self.runs)
                due = float(self.now + 1) if expires else 0.0
                item = StoredItem(item_id, value, {}, moment, moment, moment, due, vector=vector)
                change.put(item)
                items = {**items, item_id: item}
            elif what == "delete":
                change.delete(given[0])
                items = {n: item for n, item in items.items() if n != given[0]}
            elif what == "clear":
                change.clear()
                items = {}
        if found is not None:
            self.expected[name] = found, items
        batch = Batch()
        batch.sets.append((name, change))
        if key_prefix(key)[0] == 0xFF:
            batch.name_key(key_prefix(key), key)
        self.shards[group_of(key) % len(self.shards)].commit(batch)

    @rule()
    def expire(self) -> None:
        """Commits remove what is due; the task does not know of which keys."""
        self.now += 1
        for shard in self.shards:
            due = shard.read(lambda snapshot: snapshot.expiry.due(1000 * self.now))
            batch = Batch()
            batch.removal = Removal(1000 * self.now, due)
            shard.commit(batch)

    @rule(
        end=st.sampled_from([*["complete"] * 5, "aborted", "savepoint", "relaunched"]),
        most=st.sampled_from([1, 9, 9]),
        meanwhile=st.none() | WORK,
        shards=st.integers(1, 3),
        goes_on=st.sampled_from([False, False, False, True]),
    )
    def checkpoint(
        self, end: str, most: int, meanwhile: Work | None, shards: int, *, goes_on: bool
    ) -> None:
        """A checkpoint is taken, and what is restored from it is as it was.

        Runs may go on between the barrier and the reading; the job may go on where it is restored.
        """
        self.reading.changed._most = most
        builds = end != "savepoint"
        self.reading.open(1, builds=builds)
        changed, base = sorted(self.changed), self.base if builds else None
        sets = dict(self.expected)
        content = self.content(self.state)
        assert content[0] == self.alive(sets)
        if builds:
            self.base = None
            self.changed.clear()
        if meanwhile is not None:
            self.work(meanwhile, owned=False)
        if base is not None:
            self.reading.restrict(1, changed)
        level: list[bytes] = []
        groups: list[int] = []
        kind = b""
        while kind != frames.END:
            for kind, body in self.reading.next_parts(1):
                if kind == frames.ALL:
                    base = None
                elif kind == frames.MEMORY:
                    level.append(body)
                    groups.append(frames.unpack_memory(body).group)
        assert groups == sorted(groups)  # the task keeps one position for each
        levels = [*(base or ()), level]
        if end == "aborted":
            return
        if builds:
            self.base = levels
        with self.restored(levels, shards) as state:
            assert self.content(state) == content
        if end == "relaunched":
            self.launch()
            self.base = None
        if goes_on:
            self.store.close()
            self.state = self.store.enter_context(self.restored(levels, shards))
            self.acquire()
            self.launch()
            self.expected = sets
            self.base = None
            self.changed.clear()

    def restored(self, levels: list[list[bytes]], shards: int) -> StateDirectory:
        """A store as a task restores it from a checkpoint."""
        state = self.create(shards)
        with Restore(state, range(GROUPS)) as restored:
            for group in range(GROUPS):
                for age, level in enumerate(reversed(levels)):
                    for part in level:
                        if frames.unpack_memory(part).group == group:
                            body = struct.pack("<I", age) + part
                            restored.apply(frames.Frame(frames.RESTORE_MEMORY, body))
            restored.finish()
        return state

    def alive(self, sets: Sets) -> Sets:
        """Sets without the items that have expired."""
        return {
            name: (settled, {n: item for n, item in items.items() if not item.is_expired(self.now)})
            for name, (settled, items) in sets.items()
        }

    def content(self, state: StateDirectory) -> tuple[Sets, Numbers]:
        """The sets in a store, and the numbers of their items; without what has expired."""
        found: Sets = {}
        numbers: Numbers = {}
        with StoreReader(state.path) as reader:
            for number in range(state.manifest.shards):
                with reader.shard(number) as snapshot:
                    if snapshot is not None:
                        add_content(snapshot, found, numbers)
        found = self.alive(found)
        return found, {
            name: {number: n for number, n in ids.items() if n in found[name][1]}
            for name, ids in numbers.items()
        }

    def teardown(self) -> None:
        checkpoints.PORTION_BYTES = 256 << 10  # type: ignore[misc]
        sending.PIECE = 1 << 14  # type: ignore[misc]
        restore.COMMIT_BYTES = 8 << 20  # type: ignore[misc]
        SetWriter.sizes = Sizes()
        writing.REMOVED_AT_ONCE = 512  # type: ignore[misc]
        self.store.close()
        self.stack.close()


def add_content(snapshot: Snapshot, found: Sets, numbers: Numbers) -> None:
    """Add the sets of a shard, and check what is derived from their items."""
    for name in snapshot.sets():
        stored = snapshot.set(name)
        items = dict(stored.items(with_vectors=True))
        settled = stored.settings()
        assert settled is not None
        found[name] = settled, {item.id: item for item in items.values()}
        numbers[name] = {number: item.id for number, item in items.items()}
        assert max(items, default=0) <= snapshot.last_set_number()
        totals = stored.totals()
        vectors = sum(bool(item.vector) for item in items.values())
        assert (totals.items, totals.vectors) == (len(items), vectors)
        assert all(stored.number_of(item.id) == number for number, item in items.items())


TestSetsInCheckpoints = SetsInCheckpoints.TestCase
TestSetsInCheckpoints.settings = settings(max_examples=examples(25), stateful_step_count=15)
