"""Group commit: what is published, when, in which order, and what a failure leaves."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from support.loops import on_loop
from tamias import StoreFullError
from tamias.store.records.outbox import decode_outputs
from tamias.store.shard.shard import Shard
from tamias.worker import wire
from tamias.worker.runs.group_commit import GroupCommit, ShardWriter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tamias.store.shard.batch import Batch


class Gate:
    """A shard whose commits can be held up, or made to fail."""

    def __init__(self, shard: Shard) -> None:
        self.shard = shard
        self.number = shard.number
        self.open = threading.Event()
        self.open.set()
        self.failure: Exception | None = None
        self.threads: list[threading.Thread] = []

    def commit(self, batch: Batch) -> int | None:
        self.threads.append(threading.current_thread())
        self.open.wait(30)
        if self.failure is not None:
            raise self.failure
        return self.shard.commit(batch)


class Group:
    def __init__(self, directory: Path, *, threaded: bool, writers: int = 2) -> None:
        self.log: list[Any] = []
        self.failed: list[BaseException] = []
        self.gates = [
            Gate(Shard.acquire(directory / str(number), number)) for number in range(writers)
        ]
        self.writers = [ShardWriter(gate) for gate in self.gates]  # type: ignore[arg-type]
        self.commit = GroupCommit(
            self.send, asyncio.get_running_loop(), threaded=threaded, failed=self.failed.append
        )

    def send(self, message: bytes) -> None:
        for shard, sequence, record in wire.unpack_done(message):
            self.log.append((shard, sequence, decode_outputs(record).offsets))

    def end_run(self, writer: int, offset: int) -> None:
        self.writers[writer].offsets.append(offset)
        self.writers[writer].counts.append(0)
        self.commit.join(self.writers[writer])

    def wait(self, name: str, then: Callable[[], None] | None = None) -> None:
        def callback(argument: Any) -> None:
            self.log.append(argument)
            if then is not None:
                then()

        self.commit.when_committed(callback, name)

    async def idle(self) -> None:
        while not self.commit.idle and not self.failed:  # noqa: ASYNC110 (there is no event to wait for)
            await asyncio.sleep(0)

    def close(self) -> None:
        self.commit.close()
        for gate in self.gates:
            gate.shard.close()


@pytest.mark.parametrize("threaded", [False, True])
@on_loop
async def test_outputs_first_then_those_who_waited(tmp_path: Path, *, threaded: bool) -> None:
    group = Group(tmp_path, threaded=threaded)
    group.wait("waited")
    group.end_run(1, 7)
    group.end_run(0, 8)
    group.end_run(1, 9)
    group.commit.flush()
    await group.idle()
    assert group.log == [(1, 1, [7, 9]), (0, 1, [8]), "waited"]
    assert [sequence for sequence, _ in group.gates[1].shard.outbox()] == [1]
    here = threading.current_thread()
    assert all((thread is here) is not threaded for thread in group.gates[0].threads)
    group.close()


@on_loop
async def test_nothing_is_counted_before_the_outputs_are_sent(tmp_path: Path) -> None:
    group = Group(tmp_path, threaded=False)
    group.commit.on_commit = lambda *counts: group.log.append(counts[:2])
    group.end_run(0, 7)
    group.commit.flush()
    assert group.log == [(0, 1, [7]), (1, 1)]
    group.close()


@pytest.mark.parametrize("threaded", [False, True])
@on_loop
async def test_who_has_waited_may_cause_the_next_group(tmp_path: Path, *, threaded: bool) -> None:
    group = Group(tmp_path, threaded=threaded)

    def go_on() -> None:
        group.end_run(0, 2)
        group.wait("second")
        group.commit.schedule()

    group.end_run(0, 1)
    group.wait("first", go_on)
    group.commit.schedule()
    group.commit.schedule()
    assert group.log == []
    await group.idle()
    assert group.log == [(0, 1, [1]), "first", (0, 2, [2]), "second"]
    assert group.commit.committed == group.commit.group
    group.close()


@on_loop
async def test_groups_gather_while_one_is_under_way(tmp_path: Path) -> None:
    group = Group(tmp_path, threaded=True)
    group.gates[0].open.clear()
    group.end_run(0, 1)
    group.commit.flush()
    for offset in (2, 3):
        group.end_run(0, offset)
        group.commit.flush()
    await asyncio.sleep(0.01)
    assert group.log == []
    group.gates[0].open.set()
    await group.idle()
    assert group.log == [(0, 1, [1]), (0, 2, [2, 3])]
    group.close()


@pytest.mark.parametrize("threaded", [False, True])
@on_loop
async def test_in_place_is_on_disk_at_once_and_published_later(
    tmp_path: Path, *, threaded: bool
) -> None:
    group = Group(tmp_path, threaded=threaded)
    group.end_run(0, 1)
    group.wait("waited")
    group.commit.flush_in_place(group.writers[0])
    assert len(group.gates[0].shard.outbox()) == 1
    assert group.log == []
    group.end_run(0, 2)
    group.commit.flush_in_place(group.writers[0])
    await group.idle()
    assert group.log == [(0, 1, [1]), "waited", (0, 2, [2])]
    group.close()


@pytest.mark.parametrize("threaded", [False, True])
@on_loop
async def test_in_place_commits_one_shard_and_leaves_the_group_open(
    tmp_path: Path, *, threaded: bool
) -> None:
    group = Group(tmp_path, threaded=threaded)
    number = group.commit.group
    group.end_run(0, 1)
    group.end_run(1, 2)
    group.commit.flush_in_place(group.writers[1])
    assert [len(gate.shard.outbox()) for gate in group.gates] == [0, 1]
    assert group.commit.group == number
    await asyncio.sleep(0)
    assert group.log == [(1, 1, [2])]
    assert group.commit.committed == number
    group.commit.flush_in_place(group.writers[1])  # has nothing more
    group.wait("waited")
    group.end_run(1, 3)
    group.commit.flush_in_place(group.writers[1])  # of all, because something waits
    assert [len(gate.shard.outbox()) for gate in group.gates] == [1, 2]
    await group.idle()
    assert group.log == [(1, 1, [2]), (0, 1, [1]), (1, 2, [3]), "waited"]
    assert group.commit.committed == group.commit.group == number + 1
    assert group.commit.events == 3
    group.close()


@on_loop
async def test_in_place_while_a_group_is_under_way_comes_after_it(tmp_path: Path) -> None:
    group = Group(tmp_path, threaded=True)
    group.gates[0].open.clear()
    group.end_run(0, 1)
    group.wait("first")
    group.commit.flush()
    group.end_run(0, 2)
    group.wait("second")
    threading.Timer(0.02, group.gates[0].open.set).start()
    group.commit.flush_in_place(group.writers[0])
    assert [sequence for sequence, _ in group.gates[0].shard.outbox()] == [1, 2]
    group.end_run(0, 3)
    group.commit.schedule()
    await group.idle()
    assert group.log == [(0, 1, [1]), "first", (0, 2, [2]), "second", (0, 3, [3])]
    group.close()


@pytest.mark.parametrize("threaded", [False, True])
@on_loop
async def test_after_a_failure_nothing_is_committed_any_more(
    tmp_path: Path, *, threaded: bool
) -> None:
    group = Group(tmp_path, threaded=threaded)
    gate = group.gates[0]
    gate.failure = StoreFullError("no room")
    group.end_run(0, 1)
    group.wait("first")
    group.commit.flush()
    await group.idle()
    gate.failure = None
    group.end_run(0, 2)
    group.commit.flush()
    group.commit.schedule()
    with pytest.raises(StoreFullError):
        group.commit.flush_in_place(group.writers[0])
    await asyncio.sleep(0.01)
    assert group.log == []
    assert [str(error) for error in group.failed] == ["no room"]
    assert gate.shard.outbox() == []
    assert group.commit.is_broken
    group.close()


@on_loop
async def test_a_failure_under_way_stops_what_would_follow_in_place(tmp_path: Path) -> None:
    group = Group(tmp_path, threaded=True)
    gate = group.gates[0]
    gate.open.clear()
    gate.failure = StoreFullError("no room")
    group.end_run(0, 1)
    group.commit.flush()
    group.end_run(1, 2)
    gate.open.set()
    with pytest.raises(StoreFullError):
        group.commit.flush_in_place(group.writers[1])
    await asyncio.sleep(0.01)
    assert [shard.shard.outbox() for shard in group.gates] == [[], []]
    assert len(group.failed) == 1
    group.close()
