"""The weight of lanes: what is known of the room they take, and which of them are dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tamias.store.encoding.keys import encode_key
from tamias.store.shard.shard import Shard
from tamias.worker.runs.group_commit import ShardWriter
from tamias.worker.runs.lane import PREFETCH_FIELDS, Lane
from tamias.worker.runs.lanes import Lanes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEYS = [encode_key(f"key-{number}") for number in range(20)]


class Room:
    """Lanes of one shard, each commit a group of its own."""

    def __init__(self, shard: Shard, limit: int) -> None:
        self.writer = ShardWriter(shard)
        self.group = 1
        self.lanes = Lanes({0: self.writer}, 1, limit)

    def run(self, key: bytes, path: str, value: Any) -> None:
        lane = self.lanes[key]
        lane.memory.set(path, value)
        lane.group = self.group
        lane.commit()

    def commit(self) -> None:
        self.writer.shard.commit(self.writer.seal()[0])
        self.group += 1
        self.lanes.drop_idle(self.group)

    def opened(self) -> dict[bytes, Lane]:
        return {lane.key_bytes: lane for lane in self.lanes.all()}


@pytest.fixture
def shard(tmp_path: Path) -> Iterator[Shard]:
    shard = Shard.acquire(tmp_path / "0", 0)
    yield shard
    shard.close()


def test_texts_that_replace_others_cost_no_lane_its_place(shard: Shard) -> None:
    room = Room(shard, 60_000)
    for key in KEYS:
        room.run(key, "text", "x" * 1000)
    room.commit()
    before = room.opened()
    assert len(before) == len(KEYS)
    for times in range(100):
        for key in KEYS:
            room.run(key, "text", f"{times}" * 500)
        room.commit()
        assert room.opened() == before  # 40,000 bytes are in use, whatever was written


def test_numbers_that_replace_others_take_no_room(shard: Shard) -> None:
    room = Room(shard, 60_000)
    room.run(KEYS[0], "count", 1)
    room.commit()
    lane = room.lanes[KEYS[0]]
    before = lane.weight
    for count in range(1000):
        room.run(KEYS[0], "count", count)
        room.commit()
    assert (lane.weight, lane.added) == (before, 0)


def test_what_is_written_counts_at_once(shard: Shard) -> None:
    room = Room(shard, 60_000)
    for key in KEYS:
        room.run(key, "count", 1)
    room.commit()
    assert len(room.opened()) == len(KEYS)
    for key in KEYS:
        room.run(key, "text", "x" * 5000)
    room.commit()
    assert sum(lane.weight for lane in room.lanes.all()) <= 60_000
    assert len(room.opened()) < 12


def test_what_is_read_later_counts_too(shard: Shard) -> None:
    room = Room(shard, 1 << 30)
    for number in range(PREFETCH_FIELDS + 10):
        room.run(KEYS[0], f"f{number:03}", "x" * 1000)
    room.commit()
    lanes = Lanes({0: room.writer}, 1, 1 << 30)
    lane = lanes[KEYS[0]]
    before = lane.weight
    assert lane.memory.get(f"f{PREFETCH_FIELDS + 5:03}") == "x" * 1000
    lanes.drop_idle(room.group)
    assert lane.weight > before + 1000
    told = lane.weight
    lane.weigh()
    assert lane.weight <= told


def test_a_shard_that_is_released_takes_its_weight_along(tmp_path: Path) -> None:
    shards = [Shard.acquire(tmp_path / f"{number}", number) for number in range(2)]
    writers = {shard.number: ShardWriter(shard) for shard in shards}
    lanes = Lanes(writers, 2, 20_000)
    try:
        for _ in range(50):  # if its weight stayed behind, there would soon be no room
            for key in KEYS[:10]:
                lane = lanes[key]
                lane.memory.set("text", "x" * 500)
                lane.commit()
            for writer in writers.values():
                writer.shard.commit(writer.seal()[0])
            lanes.drop_writer(writers[0])
        opened = sum(1 for _ in lanes.all())
        assert opened
        lanes.drop_idle(1)
        assert sum(1 for _ in lanes.all()) == opened
    finally:
        for shard in shards:
            shard.close()
