from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING

import lmdb
import pytest

from support.processes import forked, line, python, run
from tamias.agent.errors import (
    FencedError,
    LeaseHeldError,
    StoreCorruptError,
    StoreError,
    StoreFormatError,
)
from tamias.store.encoding.keys import encode_key, key_prefix
from tamias.store.records.dead_letters import DeadLetter
from tamias.store.records.journal import ACTION, CALL, journal_key
from tamias.store.shard.batch import Batch
from tamias.store.shard.shard import Shard
from tamias.store.state.reader import ShardReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

A = key_prefix(encode_key("a"))


@pytest.fixture
def shard(tmp_path: Path) -> Iterator[Shard]:
    shard = Shard.acquire(tmp_path / "shard", 3)
    yield shard
    shard.close()


def put(shard: Shard, *fields: tuple[str, bytes | None], prefix: bytes = A) -> None:
    batch = Batch()
    for path, value in fields:
        batch.put_field(prefix, path, value)
    shard.commit(batch)


def test_the_size_of_a_batch_is_that_of_the_records_it_adds() -> None:
    batch = Batch()
    assert batch.size() == 0
    batch.memory = {b"a": b"12", b"deleted": None}
    batch.names = {b"bc": b"345", b"deleted": None}
    batch.journal = [(b"def", b"6789"), (b"taken back", None)]
    assert batch.size() == 3 + 5 + 7
    batch.outbox = b"x" * 50
    assert batch.size() == 15 + 58
    letter = DeadLetter(offset=1, key=b"k", payload=b"p", codec="json", cause="crash")
    batch.dead = [letter]
    assert batch.size() == 15 + 58 + 8 + len(letter.encode())


def reopened(shard: Shard) -> Shard:
    shard.close()
    return Shard.acquire(shard.directory, shard.number, wait=0)


class TestBatch:
    def test_an_empty_batch_is_false_and_anything_in_it_makes_it_true(self) -> None:
        assert not Batch()
        for name, value in {
            "memory": {b"a": None},
            "names": {b"a": b"b"},
            "journal": [(b"a", b"b")],
            "finished": [0],
            "outbox": b"",
            "trim": 0,
            "dead": [DeadLetter(0, b"", b"", "json", "bad-input")],
            "retried": [0],
        }.items():
            batch = Batch()
            setattr(batch, name, value)
            assert batch, name

    def test_the_last_value_of_a_field_counts(self, shard: Shard) -> None:
        put(shard, ("x", b"1"), ("x", None), ("y", b"1"), ("y", b"2"), ("l" * 600, b"1"))
        put(shard, ("z", None), ("z", b"3"), ("l" * 600, b"1"), ("l" * 600, None))
        assert shard.fields(A) == ({"y": b"2", "z": b"3"}, True)


class TestMemory:
    def test_fields_of_neighbouring_keys_are_kept_apart(self, shard: Shard) -> None:
        keys = ["a", "ab", "a.b", "", "a" * 250, ("a",), b"a", 10]
        for number, key in enumerate(keys):
            put(shard, ("b", b"%d" % number), prefix=key_prefix(encode_key(key)))
        for number, key in enumerate(keys):
            prefix = key_prefix(encode_key(key))
            assert shard.fields(prefix) == ({"b": b"%d" % number}, True)

    def test_below_means_below_the_separator(self, shard: Shard) -> None:
        put(shard, *((path, b"") for path in ("a", "a.b", "a.b.c", "a-b", "a/b", "ab", "A.b")))
        assert [path for path, _ in shard.scan(A, "a")] == ["a", "a.b", "a.b.c"]
        assert [path for path, _ in shard.scan(A, "a.b")] == ["a.b", "a.b.c"]
        assert [path for path, _ in shard.scan(A)] == sorted(
            ["a", "a.b", "a.b.c", "a-b", "a/b", "ab", "A.b"]
        )
        assert shard.scan(A, "a.") == []

    def test_a_value_of_64_mib(self, shard: Shard) -> None:
        huge = os.urandom(1 << 20) * 64
        put(shard, ("huge", huge), ("small", b"x"))
        shard = reopened(shard)
        assert shard.field(A, "huge") == huge
        put(shard, ("huge", None))
        assert shard.fields(A) == ({"small": b"x"}, True)
        shard.close()

    def test_reads_see_what_was_committed_and_nothing_else(self, shard: Shard) -> None:
        put(shard, ("x", b"1"))
        batch = Batch()
        batch.put_field(A, "x", b"2")
        assert shard.field(A, "x") == b"1"
        shard.commit(batch)
        assert shard.field(A, "x") == b"2"
        assert shard.scan(A, "x") == [("x", b"2")]

    def test_a_shard_that_only_writes_does_not_grow(self, shard: Shard) -> None:
        put(shard, ("x", b"1"))
        shard.fields(A)
        put(shard, ("x", b"1"))
        size = (shard.directory / "data.mdb").stat().st_size
        for number in range(1000):
            put(shard, ("x", b"%d" % number))
        assert (shard.directory / "data.mdb").stat().st_size < size + 10 * 4096

    def test_long_paths_that_are_deleted_leave_no_name(self, shard: Shard) -> None:
        put(shard, ("x" * 600, b"1"), ("y" * 600, b"1"))
        put(shard, ("x" * 600, None))
        with ShardReader(shard.directory) as reader, reader.snapshot() as snapshot:
            assert snapshot is not None
            assert snapshot.counts()["names"] == 1

    def test_another_thread_may_take_over(self, shard: Shard) -> None:
        put(shard, ("x", b"1"))
        assert shard.field(A, "x") == b"1"
        thread = threading.Thread(target=put, args=(shard, ("x", b"2")))
        thread.start()
        thread.join()
        assert shard.field(A, "x") == b"2"


class TestJournal:
    def test_a_run_that_finishes_in_the_batch_that_records_it_leaves_nothing(
        self, shard: Shard
    ) -> None:
        batch = Batch()
        batch.journal += [(journal_key(7, 0, CALL, 0), b"x"), (journal_key(8, 0, ACTION, 0), b"y")]
        batch.finished.append(7)
        shard.commit(batch)
        assert list(shard.journal()) == [8]


class TestOutbox:
    def test_numbers_are_never_used_twice(self, shard: Shard) -> None:
        def send(trim: int | None = None) -> int | None:
            batch = Batch()
            batch.outbox, batch.trim = b"x", trim
            return shard.commit(batch)

        assert [send(), send(), send()] == [1, 2, 3]
        batch = Batch()
        batch.trim = 3
        assert shard.commit(batch) is None
        assert shard.outbox() == []
        shard = reopened(shard)
        assert shard.next_sequence == 4
        assert send(trim=99) == 4
        assert shard.outbox() == [(4, b"x")]
        shard.close()


class TestLife:
    def test_each_writer_has_a_higher_epoch(self, shard: Shard) -> None:
        assert shard.epoch == 1
        shard = reopened(shard)
        assert shard.epoch == 2
        assert shard.number == 3
        shard.close()

    def test_one_writer_within_a_process(self, shard: Shard) -> None:
        with pytest.raises(LeaseHeldError, match=f"process {os.getpid()}"):
            Shard.acquire(shard.directory, 3, wait=0)
        put(shard, ("x", b"1"))

    def test_after_close_all_is_refused_by_name(self, shard: Shard) -> None:
        shard.fields(A)
        shard.close()
        shard.close()
        for use in uses(shard):
            with pytest.raises(StoreError, match="not open in this process"):
                use()

    @pytest.mark.process
    def test_in_a_forked_child_all_is_refused_and_the_parent_does_not_notice(
        self, shard: Shard
    ) -> None:
        put(shard, ("x", b"1"))
        assert shard.fields(A) == ({"x": b"1"}, True)  # leaves a read transaction open

        def child(tell: Callable[[], None]) -> None:
            for use in uses(shard):
                with pytest.raises(StoreError, match="forked child"):
                    use()
            shard.close()
            tell()

        with forked(child) as forked_child:
            assert forked_child.await_signals(2) == 1
        assert shard.fields(A) == ({"x": b"1"}, True)
        with pytest.raises(LeaseHeldError):
            Shard.acquire(shard.directory, 3, wait=0)
        put(shard, ("x", b"2"))
        assert shard.field(A, "x") == b"2"

    @pytest.mark.process
    def test_a_child_may_acquire_what_its_parent_closed(self, shard: Shard) -> None:
        put(shard, ("x", b"1"))
        shard.close()

        def child(tell: Callable[[], None]) -> None:
            put(reopened(shard), ("x", b"2"))
            tell()

        with forked(child) as forked_child:
            assert forked_child.await_signals(1) == 1
        shard = reopened(shard)
        assert (shard.epoch, shard.field(A, "x")) == (3, b"2")
        shard.close()

    def test_the_shard_of_another_number_is_refused(self, shard: Shard) -> None:
        shard.close()
        with pytest.raises(StoreFormatError, match="holds shard 3, not 4"):
            Shard.acquire(shard.directory, 4)
        reopened(shard).close()

    def test_a_newer_format_is_refused(self, shard: Shard) -> None:
        shard.close()
        with lmdb.open(str(shard.directory), max_dbs=16) as handle:
            meta = handle.open_db(b"meta")
            with handle.begin(write=True) as transaction:
                transaction.put(b"format", (4).to_bytes(8, "big"), db=meta)
        with pytest.raises(StoreFormatError, match=r"format 4.*knows up to 3\..*version of tamias"):
            Shard.acquire(shard.directory, 3)

    @pytest.mark.process
    @pytest.mark.parametrize("durability", ["none", "process", "machine"])
    def test_every_durability_keeps_what_was_committed(
        self, tmp_path: Path, durability: str
    ) -> None:
        code = """
import os, signal, sys
from pathlib import Path
from tamias.store.shard.batch import Batch
from tamias.store.shard.shard import Shard
shard = Shard.acquire(Path(sys.argv[1]), 0, sys.argv[2])
batch = Batch()
batch.put_field(b"\\x01a", "x", b"1")
shard.commit(batch)
os.kill(os.getpid(), signal.SIGKILL)
"""
        assert run(code, tmp_path / "s", durability).returncode == -signal.SIGKILL
        shard = Shard.acquire(tmp_path / "s", 0)
        assert shard.field(b"\x01a", "x") == b"1"
        shard.close()


def uses(shard: Shard) -> list[Callable[[], object]]:
    return [
        lambda: shard.fields(A),
        lambda: shard.field(A, "x"),
        lambda: shard.scan(A),
        shard.journal,
        shard.outbox,
        shard.dead_letters,
        lambda: shard.commit(Batch()),
        shard.sync,
    ]


class TestFencing:
    SUCCESSOR = """
import sys
from pathlib import Path
from tamias.store.shard.batch import Batch
from tamias.store.shard.shard import Shard
shard = Shard.acquire(Path(sys.argv[1]), 3, wait=0)
batch = Batch()
batch.put_field(b"\\x02sa", "x", b"successor")
shard.commit(batch)
print(shard.epoch, flush=True)
sys.stdin.readline()
"""

    @pytest.mark.process
    def test_a_writer_whose_lease_was_lost_cannot_write(self, shard: Shard) -> None:
        put(shard, ("x", b"first"))
        (shard.directory / "lease").unlink()  # as a clean-up script would
        with python(self.SUCCESSOR, shard.directory) as successor:
            assert line(successor) == "2"
            for _ in range(2):
                with pytest.raises(FencedError, match="epoch 1 is past, nothing was written"):
                    put(shard, ("x", b"late"))
            with pytest.raises(FencedError):
                shard.commit(Batch())
        shard = reopened(shard)
        assert (shard.epoch, shard.field(A, "x")) == (3, b"successor")
        shard.close()

    @pytest.mark.process
    def test_closing_another_descriptor_of_the_lease_loses_it_but_not_the_data(
        self, shard: Shard
    ) -> None:
        put(shard, ("x", b"first"))
        (shard.directory / "lease").read_bytes()  # as a backup within this process would
        with python(self.SUCCESSOR, shard.directory) as successor:
            assert line(successor) == "2"
            with pytest.raises(FencedError):
                put(shard, ("x", b"late"))


class TestDamage:
    def fill(self, shard: Shard) -> Path:
        put(shard, *((f"field-{number}", b"x" * 200) for number in range(20_000)))
        shard.close()
        return shard.directory / "data.mdb"

    @pytest.mark.parametrize("left", [100, 4096, 8192, 100_000])
    def test_a_file_cut_short_is_an_error_and_not_a_signal(self, shard: Shard, left: int) -> None:
        os.truncate(self.fill(shard), left)
        with pytest.raises(StoreCorruptError, match=r"Restore .* from a copy"):
            reopened(shard)
        # A failed attempt leaves no lease behind.
        with pytest.raises(StoreCorruptError):
            Shard.acquire(shard.directory, 3, wait=0)

    @pytest.mark.process
    @pytest.mark.parametrize("left", [0.05, 0.3, 0.7, 0.95])
    def test_a_small_file_cut_short_is_no_signal_for_readers(
        self, shard: Shard, left: float
    ) -> None:
        for first in range(0, 2_000, 100):
            put(shard, *((f"f{number}", b"x" * 200) for number in range(first, first + 100)))
        shard.close()
        data = shard.directory / "data.mdb"
        size = data.stat().st_size
        assert size < 1 << 20
        os.truncate(data, int(size * left))
        code = """
import sys
from pathlib import Path
from tamias.agent.errors import StoreCorruptError
from tamias.store.state.reader import ShardReader
try:
    with ShardReader(Path(sys.argv[1])).snapshot() as snapshot:
        snapshot.counts()
except StoreCorruptError as error:
    print(error)
"""
        with python(code, shard.directory) as reader:
            assert "is cut short" in line(reader)
        with pytest.raises(StoreCorruptError, match="is cut short"):
            reopened(shard)

    def test_pages_missing_at_the_end_are_found_when_they_are_read(self, shard: Shard) -> None:
        data = self.fill(shard)
        os.truncate(data, data.stat().st_size - 500_000)
        with pytest.raises(StoreCorruptError):  # noqa: PT012 - somewhere in here
            shard = reopened(shard)
            shard.fields(A)
        shard.close()

    def test_a_file_that_is_something_else_is_an_error(self, shard: Shard) -> None:
        self.fill(shard).write_bytes(b"not a database" * 1000)
        with pytest.raises(StoreCorruptError, match="damaged"):
            reopened(shard)


class TestLimits:
    @pytest.mark.process
    def test_little_address_space_means_a_smaller_map(self, tmp_path: Path) -> None:
        code = """
import resource, sys
from pathlib import Path
from tamias.store.shard.batch import Batch
from tamias.store.shard.shard import Shard
resource.setrlimit(resource.RLIMIT_AS, (20 << 30, 20 << 30))
shard = Shard.acquire(Path(sys.argv[1]), 0)
batch = Batch()
batch.put_field(b"\\x01a", "x", b"1" * (50 << 20))
shard.commit(batch)
print(len(shard.field(b"\\x01a", "x")))
"""
        process = run(code, tmp_path)
        assert (process.stdout, process.stderr) == (f"{50 << 20}\n", "")

    @pytest.mark.process
    def test_no_address_space_is_a_clear_error(self, tmp_path: Path) -> None:
        code = """
import resource, sys
from pathlib import Path
from tamias.agent.errors import StoreError
from tamias.store.state.reader import ShardReader
from tamias.store.shard.shard import Shard
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
try:
    Shard.acquire(Path(sys.argv[1]), 0)
except StoreError as error:
    print(error)
"""
        assert "Lift the limit on this process's address space" in run(code, tmp_path).stdout

    def test_space_is_used_again(self, shard: Shard) -> None:
        sizes = []
        for number in range(3000):
            batch = Batch()
            batch.put_field(A, f"field-{number % 100}", b"v" * 100)
            batch.journal.append((journal_key(number, 0, CALL, 0), b"j" * 3000))
            batch.finished.append(number - 3) if number > 3 else None
            batch.outbox = b"o" * (20_000 + number % 7 * 1000)
            batch.trim = shard.next_sequence - 5
            shard.commit(batch)
            sizes.append((shard.directory / "data.mdb").stat().st_size)
        assert sizes[-1] <= 2 * sizes[100]
        assert sizes[-1] == sizes[1000]
