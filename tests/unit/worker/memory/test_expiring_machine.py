"""Memory that expires against plain Python: a clock that moves, crashes, reopening, other options.

The model has one dict of paths to values and times. A run works on a copy as of its moment; readers
see what the last commit has left, as of the clock.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

import tamias.worker.runs.lane as lane_module
from support.profiles import examples
from tamias import MemoryAccessError
from tamias.store import clock
from tamias.store.encoding.keys import HASHED, encode_key
from tamias.store.encoding.values import loads
from tamias.store.shard.field_ttl import FieldTtl
from tamias.store.shard.live_fields import LiveFields
from tamias.store.shard.shard import Shard
from tamias.store.state.reader import nest
from tamias.worker.runs.effects import Effects
from tamias.worker.runs.group_commit import ShardWriter
from tamias.worker.runs.lane import Lane
from tamias.worker.runs.removals import Removals

if TYPE_CHECKING:
    from tamias.worker.memory.memory import WorkerMemory

OBJECT = "an object"
START = 1_800_000_000_000

names = st.sampled_from(["a", "b", "ab"])
paths = st.lists(names, min_size=1, max_size=3).map(".".join)
values = st.integers() | st.lists(st.integers(), max_size=2)
ttls = st.builds(FieldTtl, st.sampled_from([100, 1000]), st.booleans(), st.booleans())


class Entry(NamedTuple):
    """A field of the model."""

    value: Any
    time: int


Fields = dict[str, Entry]


def above(path: str) -> list[str]:
    parts = path.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts))]


class ModelRun:
    """A run of the model: the fields as of its moment, and what it has done."""

    def __init__(self, committed: Fields, moment: int, seen_at: int, ttl: FieldTtl) -> None:
        self.moment = moment
        self.ttl = ttl
        lives = ttl.milliseconds or 1 << 60
        self.fields = {p: e for p, e in committed.items() if e.time + lives > seen_at}
        self.written: set[str] = set()
        self.read: set[str] = set()

    def is_leaf(self, path: str) -> bool:
        return path in self.fields and self.fields[path].value != OBJECT

    def is_object(self, path: str) -> bool:
        explicit = path in self.fields and self.fields[path].value == OBJECT
        return explicit or any(name.startswith(f"{path}.") for name in self.fields)

    def under_leaf(self, path: str) -> bool:
        return any(map(self.is_leaf, above(path)))

    def children(self, base: str) -> dict[str, Any]:
        start = f"{base}." if base else ""
        found: dict[str, Any] = {}
        for path, entry in self.fields.items():
            if path.startswith(start) and path != base:
                name, dot, _ = path[len(start) :].partition(".")
                found[name] = "NestedObject" if dot or entry.value == OBJECT else entry.value
        return found

    def write(self, path: str, value: Any) -> None:
        self.fields[path] = Entry(value, 0)
        self.written.add(path)

    def delete_under(self, path: str) -> None:
        for name in list(self.fields):
            if name == path or name.startswith(f"{path}."):
                del self.fields[name]
                self.written.add(name)

    def commit(self, now: int) -> Fields:
        fields = dict(self.fields)
        if not self.ttl.milliseconds:  # what is written has no time
            now = 0
        grain = max(1, self.ttl.milliseconds // 100)
        for path in self.written & fields.keys():
            fields[path] = Entry(fields[path].value, now)
        for path in self.written & fields.keys():
            for upper in above(path):
                entry = fields.get(upper)
                if entry and entry.value == OBJECT and now - entry.time >= grain:
                    fields[upper] = Entry(OBJECT, now)
        for path in (self.read - self.written) & fields.keys():
            entry = fields[path]
            is_alive = entry.time + self.ttl.milliseconds > self.moment
            if self.ttl.reading_counts and is_alive and self.moment - entry.time >= grain:
                fields[path] = Entry(entry.value, max(entry.time, self.moment))
        return fields


class ExpiringMachine(RuleBasedStateMachine):
    prefetch = 3

    def __init__(self) -> None:
        super().__init__()
        self.now: int = START
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(lane_module, "PREFETCH_FIELDS", self.prefetch)
        self.patch.setattr(clock, "milliseconds", lambda: self.now)
        self.directory = Path(tempfile.mkdtemp())

    @initialize(key=st.text(max_size=3) | st.just("k" * 300), ttl=ttls)
    def begin(self, key: str, ttl: FieldTtl) -> None:
        self.key = encode_key(key)
        self.ttl = ttl
        self.horizon = 0
        self.committed: Fields = {}
        self.flushed: Fields = {}
        self.run: ModelRun | None = None
        self.effects: list[bytes] = []
        self.is_awaited = False
        self.open_shard()

    def open_shard(self) -> None:
        self.shard = Shard.acquire(self.directory, 0)
        self.shard.expire_fields(self.ttl)
        self.writer = ShardWriter(self.shard)
        self.open_lane()

    def open_lane(self) -> None:
        self.lane = Lane(self.key, self.writer)
        if self.lane.prefix[0] == HASHED:
            self.writer.batch.name_key(self.lane.prefix, self.key)
        lanes = {self.key: self.lane}
        self.writer.removals = Removals(lanes.get, lambda: None, lambda _: self.is_awaited)
        self.latest = 0

    def teardown(self) -> None:
        if hasattr(self, "shard"):
            self.in_the_end_nothing_is_left()
            self.shard.close()
        self.patch.undo()
        shutil.rmtree(self.directory)

    def in_the_end_nothing_is_left(self) -> None:
        self.fail_run()
        self.now += 10_000_000
        for _ in range(4):
            self.flush()
            self.now += 1_000_000
        if self.ttl.milliseconds:
            counts = self.shard.read(lambda snapshot: snapshot.counts())
            assert counts["memory"] == counts["expiring"] == 0
            assert counts["names"] == (self.lane.prefix[0] == HASHED)

    @property
    def memory(self) -> WorkerMemory:
        return self.lane.memory

    def begun(self) -> ModelRun:
        """The current run; begins it if there is none."""
        if self.run is None:
            now = max(self.now, self.horizon, self.latest)
            seen_at = self.horizon if self.ttl.shows_expired else now
            self.run = ModelRun(self.committed, now, seen_at, self.ttl)
            self.lane.run = cast("Any", self)
            assert self.lane.run_moment().milliseconds() == now
        return self.run

    # -- what actions do ------------------------------------------------------------------------

    @rule(path=paths, value=values)
    def set(self, path: str, value: Any) -> None:
        run = self.begun()
        if run.is_object(path) or run.under_leaf(path):
            with pytest.raises(MemoryAccessError):
                self.memory.set(path, value)
        else:
            self.memory.set(path, value)
            run.write(path, value)

    @rule(path=paths, overwrite=st.booleans())
    def new_object(self, path: str, *, overwrite: bool) -> None:
        run = self.begun()
        if run.under_leaf(path) or (run.is_leaf(path) and not overwrite):
            with pytest.raises(MemoryAccessError):
                self.memory.new_object(path, overwrite=overwrite)
            return
        self.memory.new_object(path, overwrite=overwrite)
        if overwrite:
            run.delete_under(path)
        run.write(path, OBJECT)

    @rule(path=paths)
    def get(self, path: str) -> None:
        run = self.begun()
        found = self.memory.get(path)
        run.read.add(path)
        if run.is_leaf(path):
            assert found == run.fields[path].value
        elif run.is_object(path):
            assert set(found.get_field_names()) == run.children(path).keys()
        else:
            assert found is None

    @rule(path=paths)
    def is_exist(self, path: str) -> None:
        run = self.begun()
        assert self.memory.is_exist(path) is (run.is_leaf(path) or run.is_object(path))
        run.read.add(path)

    @rule()
    def get_field_names(self) -> None:
        run = self.begun()
        assert self.memory.get_field_names() == sorted(run.children(""))

    @rule(base=st.just("") | paths)
    def get_fields(self, base: str) -> None:
        run = self.begun()
        if base and not run.is_object(base):
            return
        children = run.children(base)
        memory = self.memory.get(base) if base else self.memory
        assert memory.get_fields() == children
        start = f"{base}." if base else ""
        run.read.add(base)
        run.read |= {start + name for name, value in children.items() if value != "NestedObject"}

    @rule()
    def take_memory_away(self) -> None:
        left_over = self.memory
        self.lane.renew_memory()
        with pytest.raises(MemoryAccessError, match="after the end"):
            left_over.get("a")

    # -- the lives of actions, runs, lanes and shards ---------------------------------------------

    @rule(by=st.sampled_from([1, 10, 60, 100, 500, 999, 1000, 5000]))
    def move_clock(self, by: int) -> None:
        self.now += by

    @rule(by=st.sampled_from([3, 600]))
    def set_clock_back(self, by: int) -> None:
        self.now -= by

    @rule()
    def end_action(self) -> None:
        fields = self.lane.fields
        delta = fields.end_action()
        effects = Effects("a", delta, {}, [], [], reads=fields.end_reads())
        self.effects.append(effects.encode())

    @rule()
    def end_run(self) -> None:
        run = self.begun()
        self.lane.commit()
        self.committed = run.commit(max(self.now, run.moment))
        self.forget_run()

    @rule()
    def fail_run(self) -> None:
        self.lane.roll_back()
        self.forget_run()

    def forget_run(self) -> None:
        if self.run is not None:
            self.latest = max(self.latest, self.run.moment)
        self.run = None
        self.lane.run = None
        self.effects = []

    @rule()
    def flush(self) -> None:
        """Committed runs reach the store; what an unfinished one has done does not."""
        self.shard.commit(self.writer.seal()[0])
        self._forget_what_was_seen_expired()
        self.flushed = dict(self.committed)
        assert self.shard.horizon >= self.horizon
        self.horizon = self.shard.horizon

    def _forget_what_was_seen_expired(self) -> None:
        """If a run has found a field expired that was not stored yet, it may not be stored."""
        seen_at = max(self.latest, self.run.moment if self.run is not None else 0)
        stored = dict(self.shard.scan(self.lane.prefix))
        self.committed = {
            path: entry
            for path, entry in self.committed.items()
            if path in stored or not self.ttl.milliseconds or self.ttl.due(entry.time) > seen_at
        }

    @rule()
    def kill(self) -> None:
        """A death between two runs: what was not flushed is lost."""
        self.forget_run()
        self.shard.close()
        self.committed = dict(self.flushed)
        self.open_shard()

    @rule(commits=st.integers(0, 2), by=st.sampled_from([0, 100, 2000]))
    def kill_in_a_run(self, commits: int, by: int) -> None:
        """A death in a run whose finished actions are on record: they are replayed, days later.

        Meanwhile other keys have their commits.
        """
        self.begun()
        moment = self.lane.run_moment()
        assert moment.milliseconds() == self.begun().moment
        self.end_action()  # the rest of the run is on record, too
        record = moment.encode()
        assert record is not None
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
            effects = Effects.decode(data)
            self.lane.fields.replay(effects.short_term)
            self.lane.fields.replay_reads(effects.reads)
        self.is_awaited = False

    @precondition(lambda self: self.run is None)
    @rule()
    def open_the_lane_anew(self) -> None:
        self.flush()
        self.open_lane()

    @precondition(lambda self: self.run is None)
    @rule(ttl=ttls | st.just(FieldTtl(0)))
    def change_option(self, ttl: FieldTtl) -> None:
        """The next life of the shard has another option.

        What has expired is either removed or back, if it is not expired any more.
        """
        self.flush()
        self.shard.close()
        before, self.ttl = self.ttl, ttl
        self.open_shard()
        stored = dict(self.shard.scan(self.lane.prefix))
        self.committed = {path: e for path, e in self.committed.items() if path in stored}
        if before.milliseconds == 0 and ttl.milliseconds:
            # Lives begin now, or with a use on record, if the clock has been set back since then.
            self.committed = {
                p: Entry(e.value, max(e.time, self.now)) for p, e in self.committed.items()
            }
        self.flushed = dict(self.committed)

    @invariant()
    def readers_see_the_last_commit_as_of_now(self) -> None:
        if not hasattr(self, "shard"):
            return
        lives = self.ttl.milliseconds or 1 << 60
        seen_at = self.horizon if self.ttl.shows_expired else max(self.now, self.horizon)
        live = {p: e.value for p, e in self.flushed.items() if e.time + lives > seen_at}

        def read(snapshot: Any) -> dict[str, Any]:
            fields = LiveFields(snapshot)
            found = fields.scan(self.lane.prefix)
            assert list(fields.prefixes()) == ([self.lane.prefix] if found else [])
            assert fields.count() == len(found)
            nest(found, loads)  # an object is never a value as well
            return {path: OBJECT if record == b"" else loads(record) for path, record in found}

        assert self.shard.read(read) == live


ExpiringMachine.TestCase.settings = settings(
    max_examples=examples(100),
    stateful_step_count=40,
)


class WholeKeysMachine(ExpiringMachine):
    """The same with keys that are always cached whole."""

    prefetch = 64


WholeKeysMachine.TestCase.settings = ExpiringMachine.TestCase.settings
TestExpiringMemoryOfBigKeys = ExpiringMachine.TestCase
TestExpiringMemoryOfSmallKeys = WholeKeysMachine.TestCase


def test_what_a_run_found_expired_does_not_come_back_with_a_clock_that_was_set_back() -> None:
    machine = WholeKeysMachine()
    machine.begin(key="", ttl=FieldTtl(100, False, False))
    machine.set(path="a.a", value=0)
    machine.end_run()
    machine.move_clock(by=100)
    machine.end_run()  # it has not used memory
    machine.set_clock_back(by=3)
    machine.get(path="a.a")
    machine.readers_see_the_last_commit_as_of_now()
    machine.teardown()
