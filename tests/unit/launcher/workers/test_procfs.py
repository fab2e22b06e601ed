"""What the kernel says of processes, real ones."""

from __future__ import annotations

import mmap
import os
import signal
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from support.processes import forked
from tamias.launcher.workers import procfs
from tamias.store.shard.batch import Batch
from tamias.store.shard.shard import Shard

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.process


MIB = 1 << 20


def wait(tell: Callable[[], None]) -> None:
    tell()
    signal.pause()


def test_states_of_a_process() -> None:
    with forked(wait) as child:
        child.await_signals(1)
        while procfs.process_state(child.pid).state != "S":  # type: ignore[union-attr]
            time.sleep(0.001)
        os.kill(child.pid, signal.SIGSTOP)
        os.waitpid(child.pid, os.WUNTRACED)
        stopped = procfs.process_state(child.pid)
        assert stopped is not None
        assert stopped.state == "T"
        assert stopped.ticks >= 0
    assert procfs.process_state(child.pid) is None
    assert procfs.memory(child.pid) == procfs.memory_at_most(child.pid) == 0
    own = procfs.process_state(os.getpid())
    assert own is not None
    assert own.state == "R"


def test_memory_is_what_psutil_calls_uss_and_below_the_bound() -> None:
    def take(tell: Callable[[], None]) -> None:
        taken = bytearray(b"x") * (64 * MIB)
        wait(tell)
        del taken

    with forked(take) as child:
        child.await_signals(1)
        theirs = psutil.Process(child.pid).memory_full_info().uss
        ours = procfs.memory(child.pid)
        assert ours == pytest.approx(theirs, abs=MIB)
        assert 64 * MIB <= ours <= procfs.memory_at_most(child.pid)


def test_what_is_shared_with_a_parent_is_nobody_s_own() -> None:
    taken = bytearray(b"x") * (
        256 * MIB
    )  # far more than the child copies of this process's objects
    with forked(wait) as child:
        child.await_signals(1)
        assert procfs.memory(child.pid) < 128 * MIB
        assert procfs.memory_at_most(child.pid) > 256 * MIB
    del taken


def test_pages_of_the_store_do_not_count(tmp_path: Path) -> None:
    shard = Shard.acquire(tmp_path, 0)
    batch = Batch()
    for number in range(64):
        batch.put_field(b"\x01a", f"f{number}", b"x" * MIB)
    shard.commit(batch)
    shard.close()

    def read(tell: Callable[[], None]) -> None:
        mine = Shard.acquire(tmp_path, 0)
        mine.fields(b"\x01a")
        wait(tell)

    with forked(read) as child:
        child.await_signals(1)
        uss = psutil.Process(child.pid).memory_full_info().uss
        assert uss - procfs.memory(child.pid) > 48 * MIB


def test_other_mapped_files_do(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * (32 * MIB))

    def read(tell: Callable[[], None]) -> None:
        with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
            assert sum(mapped[place] for place in range(0, len(mapped), 4096)) > 0
            wait(tell)

    with forked(read) as child:
        child.await_signals(1)
        assert procfs.memory(child.pid) > 24 * MIB


def test_the_kernel_s_count_of_kills_for_memory_is_a_number() -> None:
    assert procfs.oom_kills() == procfs.oom_kills() >= 0


def test_descendants_and_caught_signals() -> None:
    def fork_and_wait(tell: Callable[[], None]) -> None:
        grandchild = os.fork()
        if grandchild == 0:
            signal.signal(signal.SIGUSR2, lambda *_: None)
            wait(tell)
        wait(lambda: None)

    with forked(fork_and_wait) as child:
        child.await_signals(1)
        (grandchild,) = procfs.descendants(child.pid)
        assert procfs.catches(grandchild, signal.SIGUSR2)
        assert not procfs.catches(child.pid, signal.SIGUSR2)
        os.kill(grandchild, signal.SIGKILL)
    assert procfs.descendants(child.pid) == []
