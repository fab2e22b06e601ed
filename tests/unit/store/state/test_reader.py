from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest

from support.processes import forked, line, python, run
from tamias.agent.errors import InputError, StoreError, StoreFormatError, UnserializableError
from tamias.store.encoding.keys import encode_key, key_prefix, shard_of
from tamias.store.encoding.values import dumps
from tamias.store.records.dead_letters import DeadLetter
from tamias.store.records.journal import ACTION, CALL, journal_key
from tamias.store.records.outbox import encode_outputs
from tamias.store.shard.batch import Batch
from tamias.store.shard.shard import Shard
from tamias.store.state.directory import StateDirectory
from tamias.store.state.layout import StateLayout
from tamias.store.state.reader import ShardReader, StoreReader, nest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SHARDS = 4
KEYS: list[Any] = ["a", "", 7, ("a", 1), None, b"x", "long " * 100, "é"]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A closed state directory with something of everything."""
    path = tmp_path / "state"
    with StateDirectory.open(path, "m:A", SHARDS, "process", {}) as directory:
        batches = [Batch() for _ in range(SHARDS)]
        for number, key in enumerate(KEYS):
            encoded = encode_key(key)
            prefix = key_prefix(encoded)
            batch = batches[shard_of(encoded, SHARDS)]
            if len(encoded) > 200:
                batch.name_key(prefix, encoded)
            batch.put_field(prefix, "count", dumps(number))
            batch.put_field(prefix, "window", b"")
            batch.put_field(prefix, "window.last", dumps([number]))
            batch.put_field(prefix, "window-size", dumps("w"))
            batch.put_field(prefix, "x" * 600, dumps("long"))
        for number, batch in enumerate(batches):
            batch.journal.append((journal_key(10 - number, 0, CALL, 0), b"c"))
            batch.journal.append((journal_key(10 - number, 0, ACTION, 0), b"a"))
            batch.outbox = encode_outputs([number], [1], [b"out"])
            batch.dead.append(DeadLetter(20 - number, b"sa", b"[1]", "json", "exception"))
            shard = Shard.acquire(directory.layout.shard(number), number)
            shard.commit(batch)
            shard.close()
    return path


class TestStoreReader:
    def test_keys(self, state: Path) -> None:
        with StoreReader(state) as reader:
            keys = list(reader.keys())
            assert sorted(map(repr, keys)) == sorted(map(repr, KEYS))

    def test_memory_is_nested(self, state: Path) -> None:
        with StoreReader(state) as reader:
            for number, key in enumerate(KEYS):
                assert reader.memory(key) == {
                    "count": number,
                    "window": {"last": [number]},
                    "window-size": "w",
                    "x" * 600: "long",
                }
            assert reader.memory("unknown") is None
            assert reader.memory("unknown " * 100) is None
            with pytest.raises(InputError):
                reader.memory([1])

    def test_values_that_cannot_be_loaded_can_be_shown_otherwise(self, state: Path) -> None:
        prefix = key_prefix(encode_key("a"))
        number = shard_of(encode_key("a"), SHARDS)
        shard = Shard.acquire(StateLayout(state).shard(number), number)
        batch = Batch()
        batch.put_field(prefix, "gone", dumps(len).replace(b"len", b"lem"))
        shard.commit(batch)
        shard.close()
        with StoreReader(state) as reader:
            with pytest.raises(UnserializableError):
                reader.memory("a")
            shown = reader.memory("a", decode=lambda data: f"{len(data)} bytes")
            assert shown is not None
            assert shown["count"] == "5 bytes"

    def test_journal_outbox_and_dead_letters(self, state: Path) -> None:
        with StoreReader(state) as reader:
            journal = reader.journal()
            assert list(journal) == [7, 8, 9, 10]
            assert [(entry.kind, entry.data) for entry in journal[8]] == [
                (CALL, b"c"),
                (ACTION, b"a"),
            ]
            assert [
                (shard, sequence, [bytes(each) for _, outputs in record.each() for each in outputs])
                for shard, sequence, record in reader.outbox()
            ] == [(number, 1, [b"out"]) for number in range(SHARDS)]
            assert [letter.offset for letter in reader.dead_letters()] == [17, 18, 19, 20]
            assert reader.dead_letter(99) is None
            shard, letter = reader.dead_letter(18) or (None, None)
            assert shard == 2
            assert letter is not None
            assert letter.payload == b"[1]"

    def test_counts(self, state: Path) -> None:
        with StoreReader(state) as reader:
            assert reader.counts() == {
                "memory": 5 * len(KEYS),
                "journal": 2 * SHARDS,
                "outbox": SHARDS,
                "dead": SHARDS,
            }

    def test_shards_that_were_never_used_are_empty(self, tmp_path: Path) -> None:
        StateDirectory.open(tmp_path, "m:A", 3, "process", {}).close()
        with StoreReader(tmp_path) as reader:
            assert list(reader.keys()) == []
            assert reader.memory("a") is None
            assert reader.counts() == {"memory": 0, "journal": 0, "outbox": 0, "dead": 0}

    @pytest.mark.process
    def test_a_shard_whose_writer_died_before_its_first_commit_is_empty(
        self, tmp_path: Path
    ) -> None:
        flag = tmp_path / "flag"
        flag.touch()
        state = tmp_path / "state"
        StateDirectory.open(state, "m:A", 1, "process", {}).close()
        code = """
import sys
from pathlib import Path
from tamias.store.shard.shard import Shard
Shard.acquire(Path(sys.argv[1]), 0)
"""
        crash = f"acquire.inside:1:{flag}"
        assert run(code, state / "shards" / "00", TAMIAS_CRASH=crash).returncode == -9
        with StoreReader(state) as reader:
            assert list(reader.keys()) == []
            shard = Shard.acquire(tmp_path / "other", 0)  # not this one: it is being read
            shard.close()

    def test_only_state_directories_can_be_read(self, tmp_path: Path) -> None:
        with pytest.raises(StoreFormatError):
            StoreReader(tmp_path)


class TestSharing:
    @pytest.mark.process
    def test_reader_and_writer_in_one_process(self, tmp_path: Path) -> None:
        shard = Shard.acquire(tmp_path, 0)
        reader = ShardReader(tmp_path)
        batch = Batch()
        batch.put_field(b"\x01a", "x", b"1")
        with reader.snapshot() as before:
            assert before is not None
            shard.commit(batch)
            assert before.fields(b"\x01a", 9) == ({}, True)
        with reader.snapshot() as after:
            assert after is not None
            assert after.fields(b"\x01a", 9) == ({"x": b"1"}, True)
        reader.close()
        reader.close()
        assert shard.fields(b"\x01a") == ({"x": b"1"}, True)
        # Closing the reader dropped none of the writer's locks: its slot counts as alive.
        code = """
import sys
from pathlib import Path
from tamias.store.lmdb_env import open_reader
handle = open_reader(Path(sys.argv[1])).require()
print(handle.reader_check(), sys.argv[2] in handle.readers())
"""
        assert run(code, tmp_path, os.getpid()).stdout == "0 True\n"
        other = ShardReader(tmp_path)
        shard.close()
        with other.snapshot() as still:
            assert still is not None
            assert still.fields(b"\x01a", 9) == ({"x": b"1"}, True)
        with pytest.raises(StoreError, match="open already"):
            Shard.acquire(tmp_path, 0)
        other.close()
        Shard.acquire(tmp_path, 0).close()

    def test_a_closed_reader_says_so(self, tmp_path: Path) -> None:
        Shard.acquire(tmp_path, 0).close()
        reader = ShardReader(tmp_path)
        reader.close()
        with pytest.raises(StoreError, match="not open"), reader.snapshot():
            pass


WRITE = """
import sys
from pathlib import Path
from tamias.store.shard.batch import Batch
from tamias.store.shard.shard import Shard
shard = Shard.acquire(Path(sys.argv[1]), 0)
commits = 0
while True:
    commits += 1
    batch = Batch()
    for key in (b"\\x01a", b"\\x01b"):
        for field in range(40):
            batch.put_field(key, str(field), b"%d" % commits * (1 + commits % 50))
        batch.put_field(key, str(1000 + commits), b"") # and one that comes
        batch.put_field(key, str(1000 + commits - 1), None) # for one that goes
    batch.outbox = b"%d" % commits
    batch.trim = shard.next_sequence - 1
    shard.commit(batch)
    if commits % 100 == 0:
        print(commits, flush=True)
"""


class TestReadingWhileWriting:
    @pytest.mark.process
    def test_readers_see_whole_commits_in_order(self, tmp_path: Path) -> None:
        with python(WRITE, tmp_path) as writer:
            line(writer)
            with ShardReader(tmp_path) as reader:
                seen = [self.consistent(reader) for _ in range(2000)]
            assert seen == sorted(seen)
            assert len(set(seen)) > 10
            assert int(line(writer)) > 0

    def consistent(self, reader: ShardReader) -> int:
        with reader.snapshot() as snapshot:
            assert snapshot is not None
            ((_, commits),) = snapshot.outbox()
            number = int(commits)
            expected = {str(field): commits * (1 + number % 50) for field in range(40)}
            expected[str(1000 + number)] = b""
            for prefix in (b"\x01a", b"\x01b"):
                assert snapshot.fields(prefix, 100) == (expected, True)
            assert list(snapshot.prefixes()) == [b"\x01a", b"\x01b"]
            assert snapshot.counts()["memory"] == 82
        return number

    @pytest.mark.process
    def test_a_reader_that_never_lets_go_does_not_stop_the_writer(self, tmp_path: Path) -> None:
        with python(WRITE, tmp_path) as writer:
            line(writer)
            with ShardReader(tmp_path) as reader, reader.snapshot() as snapshot:
                assert snapshot is not None
                before = snapshot.fields(b"\x01a", 100)
                for _ in range(10):
                    line(writer)
                assert snapshot.fields(b"\x01a", 100) == before

    @pytest.mark.process
    def test_a_stopped_reader_does_not_stop_the_next_writer(self, tmp_path: Path) -> None:
        def read(tell: Callable[[], None]) -> None:
            with ShardReader(tmp_path).snapshot():
                tell()
                signal.pause()

        Shard.acquire(tmp_path, 0).close()
        with forked(read) as reader:
            reader.await_signals(1)
            os.kill(reader.pid, signal.SIGSTOP)
            shard = Shard.acquire(tmp_path, 0)
            for number in range(2000):
                batch = Batch()
                batch.put_field(b"\x01a", "x", b"%d" % number)
                shard.commit(batch)
            shard.close()


@pytest.mark.process
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_opening_a_large_store_reads_next_to_nothing_of_it(tmp_path: Path) -> None:
    """Of a million fields, 100 MB, a process that opens it and reads one key maps a few pages."""

    def fill(tell: Callable[[], None]) -> None:
        shard = Shard.acquire(tmp_path, 0)
        for start in range(0, 1_000_000, 50_000):
            batch = Batch()
            for number in range(start, start + 50_000):
                batch.put_field(key_prefix(encode_key(f"{number:07d}")), "field", b"v" * 60)
            shard.commit(batch)
        tell()

    with forked(fill) as child:
        assert child.await_signals(1) == 1
    assert (tmp_path / "data.mdb").stat().st_size > 80 << 20
    code = """
import re, sys
from pathlib import Path
from tamias.store.encoding.keys import encode_key, key_prefix
from tamias.store.shard.shard import Shard

def mapped():
    smaps = Path("/proc/self/smaps").read_text()
    return sum(map(int, re.findall(r"data\\.mdb\\n(?:.*\\n)*?Rss: +(\\d+) kB", smaps)))

shard = Shard.acquire(Path(sys.argv[1]), 0)
assert shard.fields(key_prefix(encode_key("0500000"))) == ({"field": b"v" * 60}, True)
assert shard.fields(key_prefix(encode_key("x"))) == ({}, True)
print(mapped())
"""
    process = run(code, tmp_path)
    assert 0 < int(process.stdout) < 4096, process.stderr


class TestNest:
    @pytest.mark.parametrize(
        ("fields", "nested"),
        [
            ({}, {}),
            ({"a": b"1"}, {"a": b"1"}),
            ({"a": b""}, {"a": {}}),
            ({"a.b.c": b"1"}, {"a": {"b": {"c": b"1"}}}),
            (
                {"a": b"", "a.b": b"", "a.b.c": b"1", "a.d": b"2"},
                {"a": {"b": {"c": b"1"}, "d": b"2"}},
            ),
            ({"a..b": b"1"}, {"a": {"": {"b": b"1"}}}),
        ],
    )
    def test_paths_become_dicts(self, fields: dict[str, bytes], nested: dict[str, Any]) -> None:
        assert nest(fields.items(), lambda data: data) == nested


@pytest.fixture(autouse=True)
def nothing_stays_open() -> Iterator[None]:
    from tamias.store import lmdb_env

    before = set(lmdb_env._open)  # what an earlier test has left, and is collected at any time
    yield
    assert set(lmdb_env._open) - before == set()
