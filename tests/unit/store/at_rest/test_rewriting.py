"""Environments written anew: nothing of what was deleted is left, and readers notice."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import lmdb
import pytest

from support.processes import forked, run
from tamias.agent.errors import LeaseHeldError, StoreFullError
from tamias.store.at_rest import rewriting
from tamias.store.at_rest.rewriting import rewrite
from tamias.store.lease import Lease
from tamias.store.lmdb_env import open_reader, open_writer
from tamias.store.shard.batch import Batch
from tamias.store.shard.shard import Shard
from tamias.store.state.reader import ShardReader

if TYPE_CHECKING:
    from pathlib import Path

SECRET = b"a secret that is to be gone"
PREFIX = b"\x02sa"


def with_deleted(path: Path, records: int = 500) -> None:
    """Make a shard with records, some of which are deleted again."""
    shard = Shard.acquire(path, 0)
    batch = Batch()
    for number in range(records):
        batch.put_field(PREFIX, f"f{number:05}", b"kept %d" % number)
        batch.put_field(PREFIX, f"f{number:05}x", SECRET * (1 + number % 40 * 8))
    shard.commit(batch)
    batch = Batch()
    for number in range(records):
        batch.put_field(PREFIX, f"f{number:05}x", None)
    shard.commit(batch)
    shard.close()


def fields_of(path: Path) -> dict[str, bytes]:
    """What the shard has."""
    with ShardReader(path) as reader, reader.snapshot() as snapshot:
        assert snapshot is not None
        return snapshot.fields(PREFIX, 1 << 62)[0]


def test_nothing_is_left_of_what_was_deleted_and_all_else_is(tmp_path: Path) -> None:
    path = tmp_path / "shard"
    with_deleted(path)
    before = fields_of(path)
    assert SECRET in (path / "data.mdb").read_bytes()
    size = rewriting.disk_bytes(path)
    rewrite(path)
    assert SECRET not in (path / "data.mdb").read_bytes()
    assert fields_of(path) == before
    assert rewriting.disk_bytes(path) < size / 2
    assert {file.name for file in path.iterdir()} == {"data.mdb", "lock.mdb", "lease"}
    shard = Shard.acquire(path, 0)
    assert shard.epoch == 2
    shard.close()


def test_what_is_left_out_is_not_taken_along(tmp_path: Path) -> None:
    path = tmp_path / "shard"
    with_deleted(path, 3)
    rewrite(path, {(b"memory", PREFIX + b"f00001")})
    assert list(fields_of(path)) == ["f00000", "f00002"]


def test_a_reader_that_is_open_goes_on_with_the_new_file(tmp_path: Path) -> None:
    path = tmp_path / "shard"
    with_deleted(path, 3)
    with ShardReader(path) as reader:
        with reader.snapshot() as snapshot:
            rewrite(path)
            assert snapshot is not None
            assert len(snapshot.fields(PREFIX, 9)[0]) == 3
        shard = Shard.acquire(path, 0)
        batch = Batch()
        batch.put_field(PREFIX, "new", b"1")
        shard.commit(batch)
        with reader.snapshot() as snapshot:
            assert snapshot is not None
            assert "new" in snapshot.fields(PREFIX, 9)[0]
        shard.close()


def test_a_writer_keeps_it_from_being_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rewriting, "_PATIENCE", 0.0)
    path = tmp_path / "shard"
    with_deleted(path, 3)
    lease = Lease.acquire(path / "lease")
    with pytest.raises(LeaseHeldError):
        rewrite(path)
    lease.close()


def test_without_room_nothing_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "shard"
    with_deleted(path, 3)
    monkeypatch.setattr(rewriting, "free_bytes", lambda _: 1000)
    with pytest.raises(StoreFullError):
        rewrite(path)
    assert len(fields_of(path)) == 3


REWRITE = """
import sys
from pathlib import Path
from tamias.store.at_rest.rewriting import rewrite
rewrite(Path(sys.argv[1]))
"""


@pytest.mark.process
@pytest.mark.parametrize(
    "point", ["rewrite.before:1", "rewrite.inside:1", "rewrite.inside:2", "rewrite.after:1"]
)
def test_killed_at_any_point_the_store_is_whole(tmp_path: Path, point: str) -> None:
    path = tmp_path / "shard"
    with_deleted(path)
    before = fields_of(path)
    flag = tmp_path / "flag"
    flag.touch()
    assert run(REWRITE, path, TAMIAS_CRASH=f"{point}:{flag}").returncode == -9
    assert fields_of(path) == before
    assert not (path / "lock.mdb").is_symlink()
    assert run(REWRITE, path).returncode == 0
    assert fields_of(path) == before
    assert SECRET not in (path / "data.mdb").read_bytes()
    assert {file.name for file in path.iterdir()} == {"data.mdb", "lock.mdb", "lease"}


@pytest.mark.process
@pytest.mark.parametrize("point", ["rewrite.inside:1", "rewrite.inside:2"])
def test_a_writer_goes_on_where_the_rewriting_was_killed(tmp_path: Path, point: str) -> None:
    path = tmp_path / "shard"
    with_deleted(path, 20)
    flag = tmp_path / "flag"
    flag.touch()
    assert run(REWRITE, path, TAMIAS_CRASH=f"{point}:{flag}").returncode == -9
    assert (path / "lock.mdb").is_symlink()
    shard = Shard.acquire(path, 0)
    batch = Batch()
    batch.put_field(PREFIX, "new", b"1")
    shard.commit(batch)
    shard.close()
    assert len(fields_of(path)) == 21


def test_lmdb_opens_nothing_while_files_are_replaced(tmp_path: Path) -> None:
    path = tmp_path / "shard"
    with_deleted(path, 3)
    lock = path / "lock.mdb"
    lock.unlink()
    lock.symlink_to("being-written-anew/reader-table")
    with pytest.raises(lmdb.Error):
        lmdb.open(str(path), readonly=True)
    assert not os.path.lexists(path / "being-written-anew")
    open_reader(path).close()  # no process holds the lease: it is the rest of one that was killed
    assert not lock.is_symlink()
    open_writer(path, sync=False).close()


@pytest.mark.nightly
@pytest.mark.process
def test_readers_in_other_processes_see_whole_commits_meanwhile(tmp_path: Path) -> None:
    path, wrong = tmp_path / "shard", tmp_path / "wrong"
    commit_number(path, 0)

    def read(_: object) -> None:
        while True:
            with ShardReader(path) as reader:
                for _ in range(3):
                    with reader.snapshot() as snapshot:
                        found = snapshot.fields(PREFIX, 99)[0] if snapshot is not None else {}
                    if len(set(found.values())) != 1:
                        wrong.write_text(str(found))

    def read_and_tell(tell: object) -> None:
        try:
            read(tell)
        except Exception as error:  # noqa: BLE001 (whatever it is, it is wrong)
            wrong.write_text(repr(error))

    with forked(read_and_tell), forked(read_and_tell):
        for number in range(1, 400):
            commit_number(path, number)
            rewrite(path)
            assert not wrong.exists(), wrong.read_text()


def commit_number(path: Path, number: int) -> None:
    """Write a number into many fields at once."""
    shard = Shard.acquire(path, 0)
    batch = Batch()
    for place in range(40):
        batch.put_field(PREFIX, f"f{place}", b"%d" % number * 50)
    shard.commit(batch)
    shard.close()
