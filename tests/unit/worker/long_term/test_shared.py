"""The parts of shared sets: in all shards, and where keys have groups, of all groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tamias import MemorySetError
from tamias.store.encoding.keys import GROUP, encode_key
from tamias.store.sets.changes import SetChange, SetName
from tamias.store.sets.records import SetSettings, StoredItem, shared_owner
from tamias.store.sets.searching import Query
from tamias.store.shard.batch import Batch
from tamias.store.shard.shard import Shard
from tamias.store.state.layout import StateLayout
from tamias.worker.long_term.all_shards import AllShards
from tamias.worker.long_term.shared import SharedReading, SharedSets
from tamias.worker.long_term.view import SetView
from tamias.worker.runs.group_commit import ShardWriter
from tamias.worker.runs.lane import Lane

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TEXT = SetSettings(shared=True)


class Reads:
    """Reads that are not put on record."""

    def read(self, _name: str, _arguments: tuple[Any, ...], read: Callable[[], Any]) -> Any:
        return read()

    async def aread(self, _name: str, _arguments: tuple[Any, ...], read: Callable[[], Any]) -> Any:
        return read()


def key_of(group: int, key: str) -> bytes:
    return GROUP + group.to_bytes(2, "big") + encode_key(key)


class World:
    """Three shards; the first one is that of the runs."""

    def __init__(self, path: Path) -> None:
        self.layout = StateLayout(path)
        self.shards = [Shard.acquire(self.layout.shard(n), n, "none") for n in range(3)]
        self.readers = AllShards(self.layout, 3)
        self.writer = ShardWriter(self.shards[0])

    def add(self, number: int, key: bytes, *texts: str, settings: SetSettings = TEXT) -> None:
        batch, change = Batch(), SetChange()
        change.settings = settings
        for text in texts:
            change.put(StoredItem(text, text, {}, 1.0, 1.0, 1.0, owner=key))
        batch.sets = [(SetName(shared_owner(key), "facts"), change)]
        self.shards[number].commit(batch)

    def sets(self, key: bytes) -> SharedSets:
        self.lane = Lane(key, self.writer)
        return SharedSets(self.lane, self.readers, Reads())

    def reading(self, key: bytes, settings: SetSettings | None = None) -> SharedReading:
        sets = self.sets(key)
        view = SetView(self.lane, self.lane.set_layers(), SetName(shared_owner(key), "facts"))
        return SharedReading(sets, view, settings or sets.settings("facts") or TEXT)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.readers.close()
    for shard in made.shards:
        shard.close()


@pytest.mark.parametrize("key_of", [lambda _, key: encode_key(key), key_of])
def test_all_parts_are_read(world: World, key_of: Callable[[int, str], bytes]) -> None:
    world.add(0, key_of(1, "a"), "tea of a", "rum of a")
    world.add(0, key_of(7, "b"), "tea of b")
    world.add(2, key_of(300, "c"), "tea of c")
    reading = world.reading(key_of(1, "a"))
    assert reading.size() == 4
    assert sorted(item.value for item in reading.items(None, None, 100)) == [
        *("rum of a", "tea of a", "tea of b", "tea of c")
    ]
    found = reading.find(Query("tea", limit=10, now=2.0))
    assert sorted(each.item.value for each in found) == ["tea of a", "tea of b", "tea of c"]
    assert [item.value for item in reading.items(["tea of c", "no"], None, 100)] == ["tea of c"]
    assert world.sets(key_of(5, "z")).names() == ["facts"]
    reading.check_own(["rum of a", "new"])
    for other in ("tea of b", "tea of c"):
        with pytest.raises(MemorySetError, match="was added by another key"):
            reading.check_own([other])


def test_parts_of_different_models_are_not_searched_together(world: World) -> None:
    world.add(0, encode_key("a"), settings=SetSettings(shared=True, model="x", dimensions=3))
    world.add(1, encode_key("b"), settings=SetSettings(shared=True, model="y", dimensions=3))
    reading = world.reading(encode_key("a"), SetSettings(model="x", dimensions=3))
    with pytest.raises(MemorySetError, match="of the models 'x' and 'y' in different shards"):
        reading.find(Query("tea"))


def test_a_shard_that_is_taken_over_is_read_on(world: World) -> None:
    world.add(1, encode_key("b"), "before")
    world.shards[1].close()
    reading = world.reading(encode_key("a"))
    assert reading.size() == 1
    world.shards[1] = Shard.acquire(world.layout.shard(1), 1, "none")  # a reader has it open
    assert reading.size() == 1
    world.add(1, encode_key("b"), "after")
    assert reading.size() == 2
    world.shards[1].close()
    assert reading.size() == 2
    world.shards[1] = Shard.acquire(world.layout.shard(1), 1, "none")
    world.add(1, encode_key("b"), "at last")
    assert reading.size() == 3
