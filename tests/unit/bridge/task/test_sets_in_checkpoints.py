"""Memory sets in checkpoints that are built one upon the other, against plain dictionaries.

The machine is the task as well: it keeps the files of complete checkpoints, and builds the next one
upon the last, unless that was aborted or the launcher was another one.
"""

from __future__ import annotations

import struct
import tempfile
from contextlib import ExitStack
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from support.profiles import examples
from tamias.bridge.task import checkpoints, frames, restore
from tamias.bridge.task.checkpoints import CheckpointReader
from tamias.bridge.task.restore import Restore
from tamias.store.encoding.keys import encode_key, group_of, key_prefix
from tamias.store.sets.changes import SetChange, SetName
from tamias.store.sets.folding import Sizes
from tamias.store.sets.records import SetSettings, StoredItem, shared_owner
from tamias.store.sets.transfer import sending
from tamias.store.sets.writing import SetWriter
from tamias.store.shard.batch import Batch
from tamias.store.shard.shard import Shard
from tamias.store.state.directory import StateDirectory
from tamias.store.state.reader import StoreReader

GROUPS = 3
KEYS = st.builds(
    lambda group, key: b"g" + group.to_bytes(2, "big") + encode_key(key),
    st.integers(0, GROUPS - 1),
    st.sampled_from(["a", "ab", "long " * 50]),
)
IDS = st.sampled_from(["1", "2", "3", "4", "5"])
VECTORS = st.sampled_from([b"", b"\x00<\x00\x00"])
CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("add"), IDS, st.text(max_size=3), VECTORS),
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

Sets = dict[SetName, tuple[SetSettings, dict[str, StoredItem]]]


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
        self.changed: set[bytes] = set()
        """Keys that had inputs since the last barrier."""
        self.base: list[list[bytes]] | None = None
        """The files of the last checkpoint, if the next one can be built upon them."""
        self.last: tuple[list[list[bytes]], Sets, dict[SetName, dict[int, str]]] = ([], {}, {})

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
        self.create(shards)
        self.launch()

    def create(self, shards: int) -> Path:
        """Begin with an empty store."""
        self.store.close()
        self.store = ExitStack()
        self.stores += 1
        path = self.folder / str(self.stores)
        state = StateDirectory.open(path, "agent", shards, "none", {})
        self.state = self.store.enter_context(state)
        self.shards: list[Shard] = []
        return path

    def launch(self) -> None:
        """A launcher begins to work on the store."""
        number = self.state.manifest.shards
        if not self.shards:
            for n in range(number):
                shard = Shard.acquire(self.state.layout.shard(n), n, "none")
                self.store.callback(shard.close)
                self.shards.append(shard)
        reader = self.store.enter_context(StoreReader(self.state.path))
        self.reading = CheckpointReader(reader, number, range(GROUPS))
        self.store.callback(self.reading.close)

    # -- what happens -------------------------------------------------------------------------

    @rule(work=WORK, owned=st.booleans())
    def work(
        self, work: list[tuple[bytes, str, bool, list[tuple[str, ...]]]], *, owned: bool
    ) -> None:
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

    def commit(self, key: bytes, name: SetName, changes: list[tuple[str, ...]]) -> None:
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
                item_id, value, vector = given
                moment = float(self.runs)
                item = StoredItem(item_id, value, {}, moment, moment, moment, vector=vector)
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

    @rule(
        end=st.sampled_from(["complete", "complete", "aborted", "savepoint"]),
        most=st.integers(2, 6),
        meanwhile=WORK | st.none(),
    )
    def checkpoint(self, end: str, most: int, meanwhile: list | None) -> None:  # type: ignore[type-arg]
        """A checkpoint is taken; runs may go on between the barrier and the reading."""
        self.reading.changed._most = most
        builds = end != "savepoint"
        self.reading.open(1, builds=builds)
        changed, base = sorted(self.changed), self.base if builds else None
        sets = dict(self.expected)
        numbers = self.numbers_in(self.state.path)
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
        if end != "aborted":
            self.last = levels, sets, numbers
            if builds:
                self.base = levels

    @rule()
    def relaunch(self) -> None:
        """The launcher dies, and another one goes on where it was."""
        self.launch()
        self.base = None

    @rule(shards=st.integers(1, 4))
    def restore(self, shards: int) -> None:
        """The job begins again from the last checkpoint."""
        levels, expected, numbers = self.last
        self.expected = dict(expected)
        path = self.create(shards)
        with Restore(self.state, range(GROUPS)) as restored:
            for group in range(GROUPS):
                for age, level in enumerate(reversed(levels)):
                    for part in level:
                        if frames.unpack_memory(part).group == group:
                            body = struct.pack("<I", age) + part
                            restored.apply(frames.Frame(frames.RESTORE_MEMORY, body))
            restored.finish()
        self.launch()
        assert self.numbers_in(path) == numbers
        self.base = None
        self.changed.clear()

    # -- what is there ------------------------------------------------------------------------

    def numbers_in(self, path: Path) -> dict[SetName, dict[int, str]]:
        """The ids of the items of all sets by number; all else is as expected."""
        found: Sets = {}
        numbers = {}
        with StoreReader(path) as reader:
            for number in range(self.state.manifest.shards):
                with reader.shard(number) as snapshot:
                    for name in snapshot.sets() if snapshot is not None else ():
                        stored = snapshot.set(name)
                        items = dict(stored.items(with_vectors=True))
                        numbers[name] = {number: item.id for number, item in items.items()}
                        assert max(items, default=0) <= snapshot.last_set_number()
                        settled = stored.settings()
                        assert settled is not None
                        found[name] = settled, {item.id: item for item in items.values()}
                        totals = stored.totals()
                        vectors = sum(bool(item.vector) for item in items.values())
                        assert (totals.items, totals.vectors) == (len(items), vectors)
                        for n, item in items.items():
                            assert stored.number_of(item.id) == n
        assert found == self.expected
        return numbers

    def teardown(self) -> None:
        checkpoints.PORTION_BYTES = 256 << 10  # type: ignore[misc]
        sending.PIECE = 1 << 16  # type: ignore[misc]
        restore.COMMIT_BYTES = 8 << 20  # type: ignore[misc]
        SetWriter.sizes = Sizes()
        self.store.close()
        self.stack.close()


TestSetsInCheckpoints = SetsInCheckpoints.TestCase
TestSetsInCheckpoints.settings = settings(max_examples=examples(60), stateful_step_count=15)
