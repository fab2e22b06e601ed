"""Memory sets of thousands of items: how large checkpoints are, and searches after restores."""

from __future__ import annotations

import random
import struct
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("numpy", reason="vectors need NumPy")

from tamias.bridge.task import frames
from tamias.bridge.task.checkpoints import CheckpointReader
from tamias.bridge.task.restore import Restore
from tamias.store.encoding.keys import encode_key, group_of, key_prefix
from tamias.store.sets.changes import SetChange, SetName
from tamias.store.sets.index.vectors import pack_vector
from tamias.store.sets.parts import StoredPart
from tamias.store.sets.records import SetSettings, StoredItem, shared_owner
from tamias.store.sets.searching import Query, search
from tamias.store.shard.batch import Batch
from tamias.store.shard.shard import Shard
from tamias.store.state.directory import StateDirectory
from tamias.store.state.reader import StoreReader

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

GROUPS = 4
DIMENSIONS = 32
KEYS = [b"g" + group.to_bytes(2, "big") + encode_key("a") for group in range(GROUPS)]
WORDS = "tea coffee cup pot milk sugar lemon honey water kettle spoon saucer leaf bean".split()


def item(number: int) -> StoredItem:
    """An item whose text and vector its number decides."""
    chance = random.Random(number)
    text = " ".join(chance.choices(WORDS, k=8)) + f" {number}"
    vector = pack_vector([chance.gauss(0, 1) for _ in range(DIMENSIONS)])
    return StoredItem(str(number), text, {"even": number % 2 == 0}, 1.0, 1.0, 1.0, vector=vector)


class Pool:
    """The store of a pool, and the task that checkpoints it."""

    def __init__(self, path: Path, shards: int) -> None:
        self.state = StateDirectory.open(path, "agent", shards, "none", {})
        self.shards = [Shard.acquire(self.state.layout.shard(n), n, "none") for n in range(shards)]
        self.reader = StoreReader(path)
        self.reading = CheckpointReader(self.reader, shards, range(GROUPS))

    def add(self, key: bytes, name: SetName, items: Iterable[StoredItem]) -> None:
        """A run adds items."""
        change = SetChange()
        change.settings = SetSettings(dimensions=DIMENSIONS)
        for each in items:
            change.put(each)
        self.write(key, name, change)

    def write(self, key: bytes, name: SetName, change: SetChange) -> None:
        batch = Batch()
        batch.sets.append((name, change))
        self.shards[group_of(key) % len(self.shards)].commit(batch)

    def checkpoint(self, changed: list[bytes] | None = None) -> list[bytes]:
        """The parts of a checkpoint: of all keys, or of what has changed since the last one."""
        self.reading.open(1)
        if changed is not None:
            self.reading.restrict(1, changed)
        found: list[bytes] = []
        kind = b""
        while kind != frames.END:
            for kind, body in self.reading.next_parts(1):
                assert kind != frames.ALL
                if kind == frames.MEMORY:
                    found.append(body)
        return found

    def found(self, key: bytes, name: SetName) -> list[list[tuple[str, float]]]:
        """What searches find: by words, by meaning, and with a filter."""
        queries = [
            Query("kettle 17", limit=20),
            Query("lemon tea", item(4711).vector, limit=20),
            Query("", item(4711).vector, limit=20, filters={"even": True}),
        ]
        with self.reader.shard(group_of(key) % len(self.shards)) as snapshot:
            assert snapshot is not None
            stored = snapshot.set(name)
            return [
                [
                    (found.item.id, round(found.score, 9))
                    for found in search([StoredPart(stored)], query)
                ]
                for query in queries
            ]

    def close(self) -> None:
        self.reading.close()
        self.reader.close()
        for shard in self.shards:
            shard.close()
        self.state.close()


def restored(path: Path, shards: int, levels: list[list[bytes]]) -> Pool:
    """A pool that begins from checkpoints, the oldest first."""
    state = StateDirectory.open(path, "agent", shards, "none", {})
    with state, Restore(state, range(GROUPS)) as restore:
        for group in range(GROUPS):
            for age, level in enumerate(reversed(levels)):
                for part in level:
                    if frames.unpack_memory(part).group == group:
                        body = struct.pack("<I", age) + part
                        restore.apply(frames.Frame(frames.RESTORE_MEMORY, body))
        restore.finish()
    return Pool(path, shards)


def size_of(level: list[bytes]) -> int:
    return sum(map(len, level))


def test_ten_items_more_of_ten_thousand_are_a_small_checkpoint(tmp_path: Path) -> None:
    key = KEYS[0]
    name = SetName(key_prefix(key), "notes")
    pool = Pool(tmp_path / "s", 1)
    for start in range(0, 10_000, 500):
        pool.add(key, name, map(item, range(start, start + 500)))
    sizes = [size_of(pool.checkpoint())]
    pool.add(key, name, map(item, range(10_000, 10_010)))
    sizes.append(size_of(pool.checkpoint([key])))
    sizes.append(size_of(pool.checkpoint([key])))  # an input that has changed nothing
    change = SetChange()
    for number in range(0, 10_000, 3):
        change.delete(str(number))
    pool.write(key, name, change)
    sizes.append(size_of(pool.checkpoint([key])))
    pool.close()
    everything, ten_more, nothing, deletions = sizes
    assert everything > 10_000 * 2 * DIMENSIONS
    assert ten_more < 5_000
    assert nothing < 300
    assert deletions < 5_000


def test_searches_find_the_same_at_another_parallelism(tmp_path: Path) -> None:
    pool = Pool(tmp_path / "1", 1)
    sets = [(key, SetName(key_prefix(key), "notes")) for key in KEYS[:2]]
    sets += [(KEYS[2], SetName(shared_owner(KEYS[2]), "all"))]
    for place, (key, name) in enumerate(sets):
        pool.add(key, name, map(item, range(10_000 * place, 10_000 * place + 2_000)))
    levels = [pool.checkpoint()]
    for place, (key, name) in enumerate(sets):
        change = SetChange()
        for number in range(10_000 * place, 10_000 * place + 1_500, 4):
            change.delete(str(number))
        for number in range(4_700, 4_900):
            change.put(item(number))
        pool.write(key, name, change)
    levels.append(pool.checkpoint(KEYS[:3]))
    pool.add(*sets[1], map(item, range(50, 80)))
    levels.append(pool.checkpoint([KEYS[1]]))
    before = [pool.found(*each) for each in sets]
    assert all(all(results) for results in before)
    pool.close()
    for shards in (2, 3):
        pool = restored(tmp_path / str(shards), shards, levels)
        assert [pool.found(*each) for each in sets] == before
        levels = [pool.checkpoint()]
        pool.close()


@pytest.mark.parametrize("dropped", [False, True])
def test_what_is_left_of_an_emptied_set_does_not_come_back(
    tmp_path: Path, *, dropped: bool
) -> None:
    key = KEYS[0]
    name = SetName(key_prefix(key), "notes")
    pool = Pool(tmp_path / "1", 1)
    pool.add(key, name, map(item, range(1_500)))
    levels = [pool.checkpoint()]
    change = SetChange()
    change.clear(drop=dropped)
    pool.write(key, name, change)  # later commits remove most of the records
    pool.add(key, name, map(item, range(7, 9)))
    levels.append(pool.checkpoint([key]))
    whole = pool.checkpoint()
    pool.close()
    for shards, files in ((2, levels), (3, [whole])):
        pool = restored(tmp_path / str(shards), shards, files)
        with pool.reader.shard(group_of(key) % shards) as snapshot:
            assert snapshot is not None
            stored = snapshot.set(name)
            assert [each.id for each in dict(stored.items()).values()] == ["7", "8"]
            assert stored.totals().items == 2
        pool.close()
    assert size_of(whole) < 1_000
