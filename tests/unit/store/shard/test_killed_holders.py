"""A hundred processes that die with everything open leave nothing behind."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from support.processes import forked
from tamias.store.shard.batch import Batch
from tamias.store.shard.shard import Shard
from tamias.store.state.reader import ShardReader

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.process


PREFIX = b"\x01a"
FIELDS = {f"field-{number}": b"v" * 100 for number in range(500)}


def fill(shard: Shard, value: bytes) -> None:
    batch = Batch()
    for path in FIELDS:
        batch.put_field(PREFIX, path, value)
    shard.commit(batch)


def processes_in_reader_table(shard: Shard) -> set[int]:
    lines = shard._environment.require().readers().splitlines()[1:]
    return {int(line.split()[0]) for line in lines}


def die_holding_all(directory: Path, tell: Callable[[], None], *, writing: bool) -> None:
    """Acquire, commit, and wait for death with a read transaction, or a write one too, open."""
    shard = Shard.acquire(directory, 0, wait=0)
    fill(shard, b"%03d" % shard.epoch * 30)
    shard.fields(PREFIX)
    if writing:
        transaction = shard._environment.require().begin(write=True)
        for path in FIELDS:
            data = b"never committed" * 10
            transaction.put(PREFIX + path.encode(), data, db=shard._databases.memory)
    tell()
    signal.pause()


def watch(directory: Path, tell: Callable[[], None]) -> None:
    """Keep the shard open without looking."""
    reader = ShardReader(directory)
    with reader.snapshot():
        tell()
    signal.pause()


@pytest.mark.parametrize("writing", [True, False])
def test_writers(tmp_path: Path, writing: bool) -> None:  # noqa: FBT001 - a parameter
    Shard.acquire(tmp_path, 0).close()
    # As long as a process has the environment open, LMDB does not start with a fresh reader table.
    with forked(lambda tell: watch(tmp_path, tell)) as spectator:
        spectator.await_signals(1)
        kill_a_hundred(tmp_path, spectator.pid, writing=writing)


def kill_a_hundred(directory: Path, spectator: int, *, writing: bool) -> None:
    size = 0
    for number in range(100):
        with forked(lambda tell: die_holding_all(directory, tell, writing=writing)) as holder:
            assert holder.await_signals(1) == 1
        if number == 5:
            size = (directory / "data.mdb").stat().st_size
    shard = Shard.acquire(directory, 0, wait=0)
    assert shard.epoch == 102
    assert processes_in_reader_table(shard) <= {os.getpid(), spectator}
    assert shard._environment.require().info()["num_readers"] < 10
    assert (directory / "data.mdb").stat().st_size <= size
    assert shard.fields(PREFIX) == (dict.fromkeys(FIELDS, b"101" * 30), True)
    fill(shard, b"alive")
    assert shard.fields(PREFIX) == (dict.fromkeys(FIELDS, b"alive"), True)
    shard.close()


def test_readers_beside_a_living_writer(tmp_path: Path) -> None:
    def die_reading(tell: Callable[[], None]) -> None:
        with ShardReader(tmp_path).snapshot() as snapshot:
            assert snapshot is not None
            assert len(snapshot.fields(PREFIX, 1000)[0]) == len(FIELDS)
            tell()
            signal.pause()

    # The readers are forked by a parent that has nothing open, hence the writer is a child too.
    def write(tell: Callable[[], None]) -> None:
        shard = Shard.acquire(tmp_path, 0)
        while True:
            fill(shard, b"%d" % shard._commits * 20)
            tell()

    data = tmp_path / "data.mdb"
    with forked(write) as writer:
        writer.await_signals(1)
        for _ in range(100):
            with forked(die_reading) as reader:
                assert reader.await_signals(1) == 1
            writer.forget_signals()
        # Each killed reader pinned one snapshot, until the writer found its slot.
        writer.await_signals(3000)
        before = data.stat().st_size
        assert writer.await_signals(3000) == 3000
        assert data.stat().st_size == before
    shard = Shard.acquire(tmp_path, 0)
    assert processes_in_reader_table(shard) <= {os.getpid()}
    values = set(shard.fields(PREFIX)[0].values())
    assert len(values) == 1
    shard.close()
