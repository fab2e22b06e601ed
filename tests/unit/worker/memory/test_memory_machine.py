"""Memory as an action sees it, against a plain dict: through runs, evictions and reopening."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from tamias import MemoryAccessError, MemoryObject, MemoryRef, MemoryType
from tamias.store.encoding.keys import encode_key
from tamias.store.shard.shard import Shard
from tamias.worker.runs.group_commit import ShardWriter
from tamias.worker.runs.lane import Lane

if TYPE_CHECKING:
    from tamias.worker.memory.memory import WorkerMemory

OBJECT = object()

names = st.sampled_from(["a", "b", "ab"])
paths = st.lists(names, min_size=1, max_size=3).map(".".join)
plain = st.none() | st.integers() | st.text(max_size=3) | st.binary(max_size=3) | st.booleans()
values = plain | st.lists(plain, max_size=2) | st.dictionaries(names, plain, max_size=2)


class Model:
    """Paths to values, and to OBJECT for explicit objects."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self.fields = dict(fields)

    def is_leaf(self, path: str) -> bool:
        return self.fields.get(path, OBJECT) is not OBJECT

    def is_object(self, path: str) -> bool:
        return self.fields.get(path) is OBJECT or any(
            name.startswith(f"{path}.") for name in self.fields
        )

    def under_leaf(self, path: str) -> bool:
        parts = path.split(".")
        return any(self.is_leaf(".".join(parts[:end])) for end in range(1, len(parts)))

    def set(self, path: str, value: Any) -> bool:
        if self.is_object(path) or self.under_leaf(path):
            return False
        self.fields[path] = value
        return True

    def new_object(self, path: str, *, overwrite: bool) -> bool:
        if self.under_leaf(path) or (self.is_leaf(path) and not overwrite):
            return False
        if overwrite:
            for name in list(self.fields):
                if name == path or name.startswith(f"{path}."):
                    del self.fields[name]
        self.fields[path] = OBJECT
        return True

    def children(self, base: str) -> dict[str, Any]:
        """Direct children: the value of a leaf, OBJECT for an object."""
        start = f"{base}." if base else ""
        found: dict[str, Any] = {}
        for path, value in self.fields.items():
            if path.startswith(start) and path != base:
                name, dot, _ = path[len(start) :].partition(".")
                found[name] = OBJECT if dot else value
        return found


class MemoryMachine(RuleBasedStateMachine):
    prefetch = 3

    def __init__(self) -> None:
        super().__init__()
        self.prefetch_before = lane_module.PREFETCH_FIELDS
        lane_module.PREFETCH_FIELDS = self.prefetch  # type: ignore[misc]
        self.directory = Path(tempfile.mkdtemp())

    @initialize(key=st.text(max_size=3) | st.just("k" * 300))
    def begin(self, key: str) -> None:
        self.key = encode_key(key)
        self.committed: dict[str, Any] = {}
        self.model = Model({})
        self.open_shard()

    def open_shard(self) -> None:
        self.shard = Shard.acquire(self.directory, 0)
        self.writer = ShardWriter(self.shard)
        self.lane = Lane(self.key, self.writer)

    def teardown(self) -> None:
        lane_module.PREFETCH_FIELDS = self.prefetch_before  # type: ignore[misc]
        if hasattr(self, "shard"):
            self.shard.close()
        shutil.rmtree(self.directory)

    @property
    def memory(self) -> WorkerMemory:
        return self.lane.memory

    def at(self, path: str, depth: int) -> tuple[MemoryObject, str]:
        """The memory object of some object above `path`, and the path from there."""
        parts = path.split(".")
        depth = min(depth, len(parts) - 1)
        base = ".".join(parts[:depth])
        if not base or not self.model.is_object(base):
            return self.memory, path
        return self.memory.get(base), ".".join(parts[depth:])

    # -- what actions do ------------------------------------------------------------------------

    @rule(path=paths, value=values, depth=st.integers(0, 2))
    def set(self, path: str, value: Any, depth: int) -> None:
        memory, rest = self.at(path, depth)
        if self.model.set(path, value):
            reference = memory.set(rest, value)
            assert reference == MemoryRef.create(MemoryType.SHORT_TERM, path)
            assert self.memory.get(reference) == value
            if isinstance(value, list):
                value.append("changed behind memory's back")
                self.model.fields[path] = value[:-1]
        else:
            with pytest.raises(MemoryAccessError):
                memory.set(rest, value)

    @rule(path=paths, overwrite=st.booleans(), depth=st.integers(0, 2))
    def new_object(self, path: str, depth: int, *, overwrite: bool) -> None:
        memory, rest = self.at(path, depth)
        if self.model.new_object(path, overwrite=overwrite):
            made = memory.new_object(rest, overwrite=overwrite)
            assert set(made.get_field_names()) == self.model.children(path).keys()
        else:
            with pytest.raises(MemoryAccessError):
                memory.new_object(rest, overwrite=overwrite)

    @rule(path=paths, depth=st.integers(0, 2))
    def get(self, path: str, depth: int) -> None:
        memory, rest = self.at(path, depth)
        found = memory.get(rest)
        if self.model.is_leaf(path):
            expected = self.model.fields[path]
            assert found == expected
            assert type(found) is type(expected)
            if isinstance(found, (list, dict)):
                found.clear()
                assert memory.get(rest) == expected
        elif self.model.is_object(path):
            assert set(found.get_field_names()) == self.model.children(path).keys()
        else:
            assert found is None
        assert memory.is_exist(rest) is (self.model.is_leaf(path) or self.model.is_object(path))

    @rule(base=st.just("") | paths)
    def look_around(self, base: str) -> None:
        if base and not self.model.is_object(base):
            return
        memory = self.memory.get(base) if base else self.memory
        expected = self.model.children(base)
        assert memory.get_field_names() == sorted(expected)
        assert memory.get_fields() == {
            name: "NestedObject" if value is OBJECT else value for name, value in expected.items()
        }

    @rule(path=paths)
    def refuse_memory_objects_as_values(self, path: str) -> None:
        with pytest.raises(MemoryAccessError, match="new_object"):
            self.memory.set(path, self.memory)

    # -- the lives of actions, runs, lanes and shards ---------------------------------------------

    @rule()
    def end_action(self) -> None:
        self.lane.fields.end_action()

    @rule()
    def take_memory_away(self) -> None:
        left_over = self.memory
        self.lane.renew_memory()
        with pytest.raises(MemoryAccessError, match="after the end"):
            left_over.set("a", 1)
        with pytest.raises(MemoryAccessError, match="after the end"):
            left_over.get("a")

    @rule()
    def end_run(self) -> None:
        self.lane.commit()
        self.committed = dict(self.model.fields)

    @rule()
    def fail_run(self) -> None:
        self.lane.fields.roll_back()
        self.model = Model(self.committed)

    @rule()
    def write(self) -> None:
        """Runs since the last time reach the store; what an unfinished one has done does not."""
        self.shard.commit(self.writer.seal()[0])

    @precondition(lambda self: self.model.fields == self.committed)
    @rule(shard=st.booleans())
    def reopen(self, *, shard: bool) -> None:
        self.lane.fields.roll_back()
        self.shard.commit(self.writer.seal()[0])
        if shard:
            self.shard.close()
            self.open_shard()
        else:
            self.lane = Lane(self.key, self.writer)

    @invariant()
    def a_leaf_is_no_object(self) -> None:
        for path in self.model.fields:
            assert self.model.is_leaf(path) is not self.model.is_object(path)


MemoryMachine.TestCase.settings = settings(
    max_examples=examples(60),
    stateful_step_count=40,
)


class WholeKeysMachine(MemoryMachine):
    """The same with keys that are always cached whole."""

    prefetch = 64


WholeKeysMachine.TestCase.settings = MemoryMachine.TestCase.settings
TestMemoryOfBigKeys = MemoryMachine.TestCase
TestMemoryOfSmallKeys = WholeKeysMachine.TestCase
