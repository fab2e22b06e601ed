"""Lanes that are dropped and opened again, in any order: memory is that of plain dictionaries."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from support.profiles import examples
from tamias.store import clock
from tamias.store.encoding.keys import encode_key
from tamias.store.shard.field_ttl import FieldTtl
from tamias.store.shard.shard import Shard
from tamias.worker.runs.group_commit import ShardWriter
from tamias.worker.runs.lanes import Lanes

SHARDS = 2
HOUR = 3_600_000
keys = st.sampled_from([encode_key(key) for key in (*"abcdefgh", "k" * 300, 1, None)])
paths = st.sampled_from(["n", "m", "p" * 600])
values = st.one_of(
    st.integers(-300, 300),
    st.sampled_from([0, 255, 256, -1, 1 << 31, -(1 << 31) - 1, 1 << 70, True, None, 0.5, b"b"]),
    st.text(max_size=80),
    st.sampled_from(["x" * 5000, [1], {"a": [2]}, "\ud800", ""]),
)


class LanesMachine(RuleBasedStateMachine):
    """Runs of several keys on lanes that take too many bytes, with commits, crashes and moves."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_700_000_000_000
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(clock, "milliseconds", lambda: self.now)
        self.directory = Path(tempfile.mkdtemp())
        self.group = self.committed = 1

    @initialize(limit=st.sampled_from([0, 900, 4_000, 1 << 30]), expires=st.booleans())
    def begin(self, *, limit: int, expires: bool) -> None:
        self.limit = limit
        self.ttl = FieldTtl(HOUR if expires else 0, reading_counts=False)
        self.memory: dict[tuple[bytes, str], tuple[Any, int]] = {}
        self.stored: dict[tuple[bytes, str], tuple[Any, int]] = {}
        self.writers: dict[int, ShardWriter] = {}
        self.lanes = Lanes(self.writers, SHARDS, self.limit)
        for number in range(SHARDS):
            self.take(number)

    def take(self, number: int) -> None:
        shard = Shard.acquire(self.directory / str(number), number)
        shard.expire_fields(self.ttl)
        self.writers[number] = ShardWriter(shard)

    def expected(self, key: bytes, path: str) -> Any:
        value, due = self.memory.get((key, path), (None, 0))
        return value if due > self.now else None

    @rule(key=keys, path=paths, value=values, fails=st.booleans())
    def run(self, key: bytes, path: str, value: Any, *, fails: bool) -> None:
        lane = self.lanes[key]
        found = lane.memory.get(path)
        assert found == self.expected(key, path)
        assert found.__class__ is self.expected(key, path).__class__
        if isinstance(found, list):
            found.append("changed outside memory")
        lane.memory.set(path, value)
        assert lane.memory.get(path) == value
        if fails:
            lane.roll_back()
            return
        lane.group = self.group
        lane.commit()
        self.memory[key, path] = value, self.now + HOUR if self.ttl.milliseconds else 1 << 62

    @rule(key=keys)
    def see_all_fields(self, key: bytes) -> None:
        names = {path for known, path in self.memory if known == key}
        expected = sorted(path for path in names if self.expected(key, path) is not None)
        memory = self.lanes[key].memory
        found = [name for name in memory.get_field_names() if memory.get(name) is not None]
        assert found == expected
        assert [path for path in ("n", "m") if memory.get(path) is not None] == sorted(
            {"n", "m"} & set(expected), reverse=True
        )
        self.lanes[key].roll_back()

    @rule(key=keys, path=paths)
    def empty(self, key: bytes, path: str) -> None:
        lane = self.lanes[key]
        lane.memory.new_object(path, overwrite=True)
        assert lane.memory.get_field_names().count(path) == 1
        lane.roll_back()

    @rule(key=keys)
    def a_busy_lane_stays(self, key: bytes) -> None:
        lane = self.lanes[key]
        lane.wait(0, b"", None)
        self.lanes.drop_idle(self.committed)
        assert self.lanes.find(key) is lane
        lane.queue = None

    @rule()
    def commit(self) -> None:
        for writer in self.writers.values():
            writer.shard.commit(writer.seal()[0])
        self.stored = dict(self.memory)
        self.group += 1
        self.committed += 1
        self.drop()

    @rule()
    def drop(self) -> None:
        self.lanes.drop_idle(self.committed)
        for lane in self.lanes.all():
            assert self.lanes.find(lane.key_bytes) is lane

    @rule(number=st.integers(0, SHARDS - 1))
    def move(self, number: int) -> None:
        self.commit()
        writer = self.writers.pop(number)
        self.lanes.drop_writer(writer)
        assert all(lane.writer is not writer for lane in self.lanes.all())
        writer.shard.close()
        self.take(number)

    @rule()
    def crash(self) -> None:
        for writer in self.writers.values():
            writer.shard.close()
        self.memory = dict(self.stored)
        self.lanes = Lanes(self.writers, SHARDS, self.limit)
        for number in list(self.writers):
            self.take(number)

    @rule(milliseconds=st.sampled_from([1, HOUR // 2, HOUR]))
    def wait(self, milliseconds: int) -> None:
        self.now += milliseconds

    @invariant()
    def there_is_one_lane_per_key(self) -> None:
        if hasattr(self, "lanes"):
            found = [lane.key_bytes for lane in self.lanes.all()]
            assert len(found) == len(set(found))

    @rule()
    def little_is_kept_of_what_is_idle(self) -> None:
        self.commit()
        self.drop()
        told = {lane.key_bytes: lane.weight for lane in self.lanes.all()}
        assert sum(told.values()) <= self.limit
        for lane in self.lanes.all():
            lane.weigh()
            assert lane.weight <= told[lane.key_bytes]

    def teardown(self) -> None:
        if hasattr(self, "writers"):
            for writer in self.writers.values():
                writer.shard.close()
        shutil.rmtree(self.directory, ignore_errors=True)
        self.patch.undo()


TestLanes = LanesMachine.TestCase
TestLanes.settings = settings(max_examples=examples(40), stateful_step_count=40, deadline=None)
