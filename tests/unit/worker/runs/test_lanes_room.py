"""The weight of lanes: what is known of the room they take, and which of them are dropped."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from tamias.agent.errors import MemoryAccessError
from tamias.store.encoding.keys import encode_key
from tamias.store.shard.shard import Shard
from tamias.worker.recording.material import material_of
from tamias.worker.runs.group_commit import ShardWriter
from tamias.worker.runs.lane import PREFETCH_FIELDS, Lane
from tamias.worker.runs.lanes import Lanes
from tamias.worker.runs.run import Run
from tamias.worker.waiting.questions import Questions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
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


def reopened(room: Room, key: bytes) -> Lane:
    """The lane of a key, opened after others whose keys have one field."""
    room.commit()
    lanes = Lanes({0: room.writer}, 1, 1 << 30)
    for other in KEYS[10:]:
        lanes[other]
    return lanes[key]


@pytest.fixture
def room(shard: Shard) -> Room:
    room = Room(shard, 1 << 30)
    for number, key in enumerate(KEYS):
        room.run(key, "count", number)
    return room


def test_lanes_of_keys_with_one_field_are_opened_by_looking_for_it(room: Room) -> None:
    lane = reopened(room, KEYS[3])
    assert lane.is_partial
    assert lane.memory.get("count") == 3
    lane.memory.set("count", 4)
    lane.commit()
    assert lane.is_partial
    assert (lane.weight, lane.counted) == (lane.weight + lane.weigh(), 1)
    before = lane.weight
    room.commit()
    assert lane.weight == before
    assert reopened(room, KEYS[3]).memory.get("count") == 4


def test_what_else_a_key_has_is_read_when_it_is_asked_for(room: Room) -> None:
    for key in KEYS[:10]:
        room.run(key, "text", "x" * 500)
    lane = reopened(room, KEYS[3])
    assert lane.is_partial
    before = lane.weight
    lane.memory.set("count", 4)
    lane.commit()
    assert lane.memory.get("text") == "x" * 500
    assert (lane.memory.get("count"), lane.fields.complete, lane.is_partial) == (4, True, False)
    Lanes({0: room.writer}, 1, 1 << 30).drop_idle(room.group)
    assert lane.weight >= before + 500
    assert not reopened(room, KEYS[3]).is_partial  # others were wanted, so they are read at once


@pytest.mark.parametrize("use", ["names", "set", "delete", "object"])
def test_a_lane_with_a_part_of_its_fields_is_like_another(room: Room, use: str) -> None:
    room.run(KEYS[3], "a.b", 1)
    lane = reopened(room, KEYS[3])
    assert lane.is_partial
    memory = lane.memory
    if use == "names":
        assert memory.get_field_names() == ["a", "count"]
    elif use == "set":
        with pytest.raises(MemoryAccessError, match="is an object"):
            memory.set("a", 1)
    elif use == "delete":
        memory.new_object("a", overwrite=True)
        assert memory.get_fields() == {"a": "NestedObject", "count": 3}
        lane.commit()
        assert reopened(room, KEYS[3]).memory.get("a.b") is None
    else:
        assert memory.is_exist("a")
        assert not memory.is_exist("count.b")
        assert memory.get("a").get("b") == 1


def test_what_is_recorded_of_a_run_has_all_fields(room: Room) -> None:
    room.run(KEYS[3], "text", "x" * 500)
    lane = reopened(room, KEYS[3])
    assert lane.is_partial
    lane.run = run = Run(lane, 1, b"")
    found = material_of(run, Questions({}, None, None), 10_000)  # type: ignore[arg-type]
    assert found.is_complete
    assert sorted(found.memory or ()) == ["count", "text"]


def test_a_key_without_the_usual_field_is_read_as_a_whole(room: Room) -> None:
    lane = reopened(room, encode_key("new"))
    assert (lane.is_partial, lane.fields.complete) == (False, True)
    assert lane.memory.get("count") is None


def test_lanes_that_are_dropped_are_in_no_cycle(room: Room) -> None:
    room.commit()
    lanes = Lanes({0: room.writer}, 1, 0)
    opened = [lanes[key] for key in KEYS]
    assert opened[-1].is_partial
    lanes.drop_idle(room.group)
    assert not list(lanes.all())
    assert all(lane.fields.store is None for lane in opened)
    lane = lanes[KEYS[0]]
    assert lane.fields.store is lane
    lanes.drop_writer(room.writer)
    assert lane.fields.store is None


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


class ManyLanes:
    """Lanes of many keys, with room for about 4,000 of them."""

    def __init__(self, shard: Shard) -> None:
        self.lanes = Lanes({0: ShardWriter(shard)}, 1, LIMIT)

    def use(self, numbers: Iterable[int]) -> int:
        """Use the lanes of these keys; return how many had to be opened."""
        before = self.lanes.room.opened
        for place, number in enumerate(numbers, 1):
            self.lanes[encode_key(f"key-{number:06}")]
            if place % 256 == 0:
                self.lanes.drop_idle(1)
        return self.lanes.room.opened - before

    def size(self) -> int:
        self.lanes.drop_idle(1)
        return sum(lane.weight for lane in self.lanes.all())


LIMIT = 3 << 20
MANY = 20_000
FITTING = 4_000
"""So many fit in `LIMIT`, and not in the small room."""


def test_where_no_key_comes_back_most_of_the_room_stays_empty(shard: Shard) -> None:
    many = ManyLanes(shard)
    many.use(range(FITTING))
    assert many.size() > LIMIT * 0.8
    many.use(range(FITTING, MANY))
    assert many.size() <= LIMIT * 0.7


def test_keys_that_come_back_get_the_whole_room_again(shard: Shard) -> None:
    many = ManyLanes(shard)
    many.use(range(MANY))
    opened = [many.use(range(FITTING)) for _ in range(20)]
    assert opened[0] == FITTING
    assert opened[-1] == 0
    assert sum(opened) < 10 * FITTING  # not for longer than what came before has taken
    assert many.size() > LIMIT * 0.8


def test_where_some_keys_come_back_lanes_have_the_whole_room(shard: Shard) -> None:
    many = ManyLanes(shard)
    draw = random.Random(1)
    for _ in range(10):
        many.use(draw.randrange(2 * FITTING) for _ in range(2 * FITTING))
        assert many.size() > LIMIT * 0.8


def test_large_lanes_are_kept_whether_they_come_back_or_not(shard: Shard) -> None:
    room = Room(shard, LIMIT)
    for number in range(1500):
        room.run(encode_key(number), "text", "x" * 5000)
        if number % 50 == 0:
            room.commit()
    lanes = Lanes({0: room.writer}, 1, LIMIT)
    room.commit()
    for _ in range(3):
        for number in range(1500):
            lanes[encode_key(number)]
            lanes.drop_idle(room.group)
    assert sum(lane.weight for lane in lanes.all()) > LIMIT * 0.8
