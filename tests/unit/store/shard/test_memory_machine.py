"""Memory fields against a dict, through commits, reopening and death in the middle of commits."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from support.processes import COUNTER, commit_until_killed
from support.profiles import examples
from tamias.store.encoding.keys import encode_key, key_prefix
from tamias.store.shard.batch import Batch
from tamias.store.shard.shard import Shard

if TYPE_CHECKING:
    from typing import Any

pytestmark = pytest.mark.process


KEYS: list[Any] = ["a", "a\x00", "", b"a", 1, ("a", 1), "k" * 199, "k" * 200, "k" * 3000]

# Names that sort closely around the separator, and that are cut at every possible place.
NAMES = ["a", "b", "a-", "a/", "ab", "", "\x00", "\x7f", "é", "日本", "😀", "\ud800", "."]
LONG = ["x" * 290, "x" * 466, "y" * 700, "é" * 400, "😀" * 130]
names = st.sampled_from(NAMES) | st.sampled_from(LONG) | st.text(max_size=3)
paths = st.lists(names, min_size=1, max_size=4).map(".".join)
values = st.sampled_from([b"", b"\x80\x05K\x01."]) | st.binary(max_size=30) | st.just(b"v" * 9000)
changes = st.lists(
    st.tuples(st.sampled_from(KEYS), paths, st.none() | values), min_size=1, max_size=12
)

Fields = dict[str, bytes]


class MemoryMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="memory-"))
        self.model: dict[Any, Fields] = {}
        self.known_paths = ["a"]

    @initialize()
    def open(self) -> None:
        self.shard = Shard.acquire(self.directory, 0, wait=0)

    def teardown(self) -> None:
        self.shard.close()
        shutil.rmtree(self.directory)

    def batch(self, changes: list[tuple[Any, str, bytes | None]]) -> Batch:
        batch = Batch()
        for key, path, value in changes:
            encoded = encode_key(key)
            prefix = key_prefix(encoded)
            batch.put_field(prefix, path, value)
            if len(encoded) > 200:
                batch.name_key(prefix, encoded)
        return batch

    def apply(self, changes: list[tuple[Any, str, bytes | None]]) -> None:
        for key, path, value in changes:
            fields = self.model.setdefault(key, {})
            self.known_paths.append(path)
            if value is None:
                fields.pop(path, None)
            else:
                fields[path] = value

    @rule(changes=changes)
    def commit(self, changes: list[tuple[Any, str, bytes | None]]) -> None:
        assert self.shard.commit(self.batch(changes)) is None
        self.apply(changes)

    # What a crash leaves depends on its instant. So that the machine stays repeatable, nothing is
    # drawn from what is there; numbers are drawn, and choose.

    @rule(chosen=st.lists(st.integers(0, 1 << 16), min_size=1, max_size=5))
    def delete_what_is_there(self, chosen: list[int]) -> None:
        here = [(key, path) for key, fields in self.model.items() for path in sorted(fields)]
        if here:
            deletions: list[tuple[Any, str, bytes | None]] = [
                (*here[number % len(here)], None) for number in chosen
            ]
            self.shard.commit(self.batch(deletions))
            self.apply(deletions)

    @rule(key=st.sampled_from(KEYS), path=paths, known=st.integers(0, 1 << 16))
    def read_one(self, key: Any, path: str, known: int) -> None:
        for each in (path, self.known_paths[known % len(self.known_paths)]):
            expected = self.model.get(key, {}).get(each)
            assert self.shard.field(key_prefix(encode_key(key)), each) == expected

    @rule(key=st.sampled_from(KEYS), known=st.integers(0, 1 << 16), cut=st.integers(0, 900))
    def read_below(self, key: Any, known: int, cut: int) -> None:
        path = self.known_paths[known % len(self.known_paths)]
        for under in (path, path[:cut], path.split(".")[0]):
            expected = {
                each: value
                for each, value in self.model.get(key, {}).items()
                if not under or each == under or each.startswith(under + ".")
            }
            found = self.shard.scan(key_prefix(encode_key(key)), under)
            assert found == sorted(
                expected.items(), key=lambda item: item[0].encode("utf-8", "surrogatepass")
            )

    @rule(key=st.sampled_from(KEYS), limit=st.integers(0, 8))
    def read_some(self, key: Any, limit: int) -> None:
        expected = self.model.get(key, {})
        found, complete = self.shard.fields(key_prefix(encode_key(key)), limit)
        assert complete == (len(expected) <= limit)
        assert len(found) == min(limit, len(expected))
        assert found.items() <= expected.items()

    @rule()
    def reopen(self) -> None:
        epoch = self.shard.epoch
        self.shard.close()
        self.open()
        assert self.shard.epoch == epoch + 1

    @rule(
        batches=st.lists(changes, min_size=2, max_size=6),
        commits=st.integers(0, 4),
        point=st.sampled_from([None, None, "commit.before", "commit.inside", "commit.after"]),
    )
    def crash(
        self,
        batches: list[list[tuple[Any, str, bytes | None]]],
        commits: int,
        point: str | None,
    ) -> None:
        epoch = self.shard.epoch
        commits = min(commits, len(batches) - 1)
        self.shard.close()
        commit_until_killed(
            self.directory, [self.batch(each) for each in batches], commits=commits, point=point
        )
        self.open()
        assert epoch < self.shard.epoch <= epoch + 2
        survived = int(self.shard.field(COUNTER, "n") or b"0")
        if point is None:
            assert commits <= survived <= len(batches)
        else:
            assert survived == commits + (point == "commit.after")
        for each in batches[:survived]:
            self.apply(each)
        batch = Batch()
        batch.put_field(COUNTER, "n", None)
        self.shard.commit(batch)

    @invariant()
    def all_fields_are_there(self) -> None:
        for key in KEYS:
            found = self.shard.fields(key_prefix(encode_key(key)))
            assert found == (self.model.get(key, {}), True)


MemoryMachine.TestCase.settings = settings(max_examples=examples(30), stateful_step_count=20)
TestMemory = pytest.mark.process(MemoryMachine.TestCase)
