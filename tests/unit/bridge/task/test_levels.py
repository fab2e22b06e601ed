"""Checkpoints one upon the other hold what one of everything would: keys, as they were."""

from __future__ import annotations

import struct
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from support.profiles import examples
from tamias.bridge.task import checkpoints, frames
from tamias.bridge.task.checkpoints import ChangedKeys, CheckpointReader
from tamias.bridge.task.restore import Restore
from tamias.store.encoding.keys import encode_key, group_of, key_prefix
from tamias.store.shard.batch import Batch
from tamias.store.shard.shard import Shard
from tamias.store.state.directory import StateDirectory
from tamias.store.state.reader import StoreReader

if TYPE_CHECKING:
    from collections.abc import Iterable

GROUPS = 2
KEYS = st.builds(
    lambda group, key: b"g" + group.to_bytes(2, "big") + encode_key(key),
    st.integers(0, GROUPS - 1),
    st.sampled_from(["a", "ab", "long " * 50]),
)
PATHS = st.sampled_from(["n", "n.deep", "x" * 300])
FIELDS = st.dictionaries(PATHS, st.none() | st.binary(min_size=1, max_size=60), min_size=1)

Fields = dict[bytes, dict[str, bytes]]


def create(folder: Path, shards: int) -> StateDirectory:
    return StateDirectory.open(folder, "agent", shards, "none", {})


class Levels(RuleBasedStateMachine):
    """A pool's store, its checkpoints, and stores that are restored from them."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        self.expected: Fields = {}
        self.changed: set[bytes] = set()
        self.levels: list[list[bytes]] = []
        self.at_checkpoint: Fields = {}
        self.restored = 0

    @initialize(shards=st.integers(1, 3), portion=st.sampled_from([1, 100, 1 << 18]))
    def begin(self, shards: int, portion: int) -> None:
        checkpoints.PORTION_BYTES = portion  # type: ignore[misc]  # small ones split keys in two
        self.state = self.stack.enter_context(create(self.folder / "state", shards))
        self.shards = [
            Shard.acquire(self.state.layout.shard(number), number, "none")
            for number in range(shards)
        ]
        for shard in self.shards:
            self.stack.callback(shard.close)
        reader = self.stack.enter_context(StoreReader(self.state.path))
        self.reading = CheckpointReader(reader, shards, range(GROUPS))
        self.stack.callback(self.reading.close)

    @rule(runs=st.lists(st.tuples(KEYS, FIELDS), min_size=1, max_size=4))
    def work(self, runs: list[tuple[bytes, dict[str, bytes | None]]]) -> None:
        """Runs set and delete fields."""
        for key, fields in runs:
            batch = Batch()
            prefix = key_prefix(key)
            batch.put_fields(prefix, fields)
            if prefix[0] == 0xFF:
                batch.name_key(prefix, key)
            self.shards[group_of(key) % len(self.shards)].commit(batch)
            own = self.expected.setdefault(key, {})
            for path, value in fields.items():
                own.pop(path, None)
                if value is not None:
                    own[path] = value
            self.changed.add(key)

    @rule(whole=st.booleans(), owned=st.sets(KEYS), most=st.integers(1, 6))
    def checkpoint(self, *, whole: bool, owned: set[bytes], most: int) -> None:
        """All of it, or what has changed since the last one.

        The task does not know of the `owned` keys, whose owned runs have changed them.
        """
        self.reading.changed = ChangedKeys(most)
        self.reading.changed.announced(enumerate(owned))
        self.reading.open(1)
        if whole or not self.levels:
            self.levels = []
        else:
            self.reading.restrict(1, sorted(self.changed - owned))
        level = []
        kind = b""
        while kind != frames.END:
            for kind, body in self.reading.next_parts(1):
                if kind == frames.ALL:
                    assert len(owned) > most
                    self.levels = []
                elif kind == frames.MEMORY:
                    level.append(body)
        self.levels.append(level)
        self.changed.clear()
        self.at_checkpoint = {key: dict(own) for key, own in self.expected.items() if own}

    @rule(shards=st.integers(1, 4))
    def restore(self, shards: int) -> None:
        """Somewhere else, with another number of shards."""
        self.restored += 1
        with create(self.folder / f"restored-{self.restored}", shards) as state:
            with Restore(state, range(GROUPS)) as restore:
                for group in range(GROUPS):
                    for age, level in enumerate(reversed(self.levels)):
                        for part in level:
                            if frames.unpack_memory(part).group == group:
                                body = struct.pack("<I", age) + part
                                restore.apply(frames.Frame(frames.RESTORE_MEMORY, body))
                restore.finish()
            assert self.found(state.path, range(shards)) == self.at_checkpoint

    @staticmethod
    def found(path: Path, shards: Iterable[int]) -> Fields:
        """All memory in a store."""
        fields: Fields = {}
        reader = StoreReader(path)
        for number in shards:
            with reader.shard(number) as snapshot:
                for prefix in snapshot.prefixes() if snapshot is not None else ():
                    key = snapshot.key_of(prefix)  # type: ignore[union-attr]
                    assert key is not None
                    fields[key] = snapshot.fields(prefix, 1 << 30)[0]  # type: ignore[union-attr]
        reader.close()
        return fields

    def teardown(self) -> None:
        checkpoints.PORTION_BYTES = 256 << 10  # type: ignore[misc]
        self.stack.close()


TestLevels = Levels.TestCase
TestLevels.settings = settings(max_examples=examples(50), stateful_step_count=12)
