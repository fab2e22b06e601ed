"""A full disk and a read-only one: clear errors, nothing lost, on it goes once there is room."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.processes import run
from support.tmpfs import SmallDisk, small_disk
from tamias.agent.errors import StoreFullError, StoreUnwritableError
from tamias.store.shard.batch import Batch
from tamias.store.shard.shard import Shard
from tamias.store.state.directory import StateDirectory
from tamias.store.state.reader import StoreReader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.process


PREFIX = b"\x01a"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", "3m") as disk:
        yield disk


def numbered(number: int, size: int) -> Batch:
    batch = Batch()
    for part in range(5):
        batch.put_field(PREFIX, f"{number}.{part}", b"%d" % number * size)
    batch.outbox = b"o" * size
    return batch


@pytest.mark.parametrize("size", [1, 300, 5000, 100_000])
@pytest.mark.parametrize("durability", ["process", "machine"])
def test_a_shard_goes_on_when_there_is_room_again(
    disk: SmallDisk, size: int, durability: str
) -> None:
    shard = Shard.acquire(disk.path / "shard", 0, durability)  # type: ignore[arg-type]
    number = 0
    for _ in range(3):
        disk.fill()
        with pytest.raises(StoreFullError, match=r"No space is left .* Make room, then resume"):  # noqa: PT012 - one of many
            for _ in range(100_000):
                shard.commit(numbered(number, size))
                number += 1
        for _ in range(3):
            with pytest.raises(StoreFullError):
                shard.commit(numbered(number, max(size, 100_000)))
        check(shard, number, size)
        disk.empty()
        disk.remount("size=64m")
        for _ in range(10):  # among them the very batch that had failed
            shard.commit(numbered(number, size))
            number += 1
        check(shard, number, size)
    shard.close()
    shard = Shard.acquire(disk.path / "shard", 0)
    check(shard, number, size)
    shard.close()


def check(shard: Shard, count: int, size: int) -> None:
    fields, complete = shard.fields(PREFIX)
    assert complete
    assert fields == {
        f"{number}.{part}": b"%d" % number * size for number in range(count) for part in range(5)
    }
    assert [sequence for sequence, _ in shard.outbox()] == list(range(1, count + 1))
    assert shard.next_sequence == count + 1


def test_no_room_for_a_new_shard(disk: SmallDisk) -> None:
    disk.fill()
    for _ in range(2):
        with pytest.raises(StoreFullError):
            Shard.acquire(disk.path / "shard", 0)
    disk.empty()
    Shard.acquire(disk.path / "shard", 0).close()


@pytest.mark.parametrize("pages", [0, 40, *range(60, 150, 9)])
def test_a_full_disk_is_never_a_signal(disk: SmallDisk, pages: int) -> None:
    code = """
import sys
from pathlib import Path
from tamias.agent.errors import StoreFullError
from tamias.store.state.reader import ShardReader
from tamias.store.shard.batch import Batch
from tamias.store.shard.shard import Shard
path = Path(sys.argv[1])
try:
    shard = Shard.acquire(path / "shard", 0)
    for number in range(1000):
        batch = Batch()
        batch.put_field(b"\\x01a", str(number), b"x" * 3000)
        shard.commit(batch)
        shard.fields(b"\\x01a")
except StoreFullError:
    print("full")
"""
    disk.fill()
    with (disk.path / "filler").open("ab") as file:
        file.truncate(file.tell() - 4096 * pages)
    process = run(code, disk.path)
    assert (process.returncode, process.stdout) == (0, "full\n"), process.stderr


def test_no_room_for_a_state_directory(disk: SmallDisk) -> None:
    disk.fill()
    for _ in range(2):
        with pytest.raises(StoreFullError):
            StateDirectory.open(disk.path / "state", "m:A", 4, "process", {})
    disk.empty()
    StateDirectory.open(disk.path / "state", "m:A", 4, "process", {}).close()


def test_small_records_survive_a_full_disk(disk: SmallDisk) -> None:
    with StateDirectory.open(disk.path / "state", "m:A", 4, "process", {"job": 1}) as directory:
        directory.progress.save({"done": 1})
        disk.fill()
        with pytest.raises(StoreFullError):
            directory.progress.save({"done": 2, "more": "x" * 100_000})
        with pytest.raises(StoreFullError):
            directory.save_job({"job": 2, "more": "x" * 100_000})
        with pytest.raises(StoreFullError):
            directory.write_status({"more": "x" * 100_000})
        assert directory.progress.load() == {"done": 1}
        assert directory.manifest.job == {"job": 1}
    with StateDirectory.view(disk.path / "state") as view:
        assert view.progress.load() == {"done": 1}
        assert view.manifest.job == {"job": 1}
        assert view.status() is None
    disk.empty()
    with StateDirectory.open(disk.path / "state", "m:A", 4, "process", {}) as directory:
        directory.progress.save({"done": 2, "more": "x" * 100_000})
        assert directory.manifest.job == {"job": 1}


def test_a_read_only_disk_can_be_read_but_not_written(disk: SmallDisk) -> None:
    with StateDirectory.open(disk.path / "state", "m:A", 1, "process", {}) as directory:
        directory.progress.save({"done": 1})
        shard = Shard.acquire(directory.layout.shard(0), 0)
        shard.commit(numbered(1, 5))
        shard.close()
    disk.remount("ro")
    for path in (disk.path / "state", disk.path / "new"):
        with pytest.raises(StoreUnwritableError, match=r"Read-only file system\. Give this user"):
            StateDirectory.open(path, "m:A", 1, "process", {})
    with pytest.raises(StoreUnwritableError):
        Shard.acquire(disk.path / "state" / "shards" / "00", 0)
    with StoreReader(disk.path / "state") as reader:
        assert reader.counts()["memory"] == 5
        assert reader.view.progress.load() == {"done": 1}
        assert reader.view.launcher_pid() is None
    disk.remount("rw")
    StateDirectory.open(disk.path / "state", "m:A", 1, "process", {}).close()
