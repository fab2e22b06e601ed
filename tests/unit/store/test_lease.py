from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import threading
from typing import TYPE_CHECKING

import pytest

from support.processes import line, python, run
from tamias.agent.errors import LeaseHeldError, StoreError
from tamias.store.lease import Lease

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.process


HOLD = """
import sys
from pathlib import Path
from tamias.store.lease import Lease
lease = Lease.acquire(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.readline()
lease.close()
print("closed", flush=True)
sys.stdin.readline()
"""

ASK = """
import sys
from pathlib import Path
from tamias.store.lease import Lease
print(Lease.is_held(Path(sys.argv[1])))
"""

HOLD_AND_FORK = r"""
import os, sys, time
from pathlib import Path
from tamias.store.lease import Lease
lease = Lease.acquire(Path(sys.argv[1]))
pid = os.fork()
if pid == 0:
    assert not lease.held
    lease.close()
    os.write(1, b"child\n")
    time.sleep(600)
os.write(1, b"%d\n" % pid)
time.sleep(600)
"""


def test_one_holder_within_a_process(tmp_path: Path) -> None:
    path = tmp_path / "lease"
    lease = Lease.acquire(path)
    assert lease.held
    assert Lease.is_held(path)
    with pytest.raises(LeaseHeldError, match=f"held by process {os.getpid()}"):
        Lease.acquire(path)
    assert lease.held
    # The attempt, and asking, have not dropped the lock for others either.
    assert run(ASK, path).stdout == "True\n"
    lease.close()
    assert run(ASK, path).stdout == "False\n"
    lease.close()
    assert not lease.held
    assert not Lease.is_held(path)
    Lease.acquire(path).close()


def test_one_holder_among_links_to_the_file(tmp_path: Path) -> None:
    lease = Lease.acquire(tmp_path / "lease")
    (tmp_path / "link").hardlink_to(tmp_path / "lease")
    with pytest.raises(LeaseHeldError):
        Lease.acquire(tmp_path / "link")
    lease.close()


def test_one_holder_among_threads(tmp_path: Path) -> None:
    won = []

    def compete() -> None:
        with contextlib.suppress(LeaseHeldError):
            won.append(Lease.acquire(tmp_path / "lease"))

    threads = [threading.Thread(target=compete) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    won[0].close()


def test_one_holder_among_processes(tmp_path: Path) -> None:
    path = tmp_path / "lease"
    with python(HOLD, path) as holder:
        assert line(holder) == "held"
        for _ in range(3):
            with pytest.raises(LeaseHeldError, match=f"held by process {holder.pid}"):
                Lease.acquire(path)
        assert Lease.is_held(path)
        assert Lease.last_holder(path) == holder.pid
        print(file=holder.stdin, flush=True)
        assert line(holder) == "closed"
        Lease.acquire(path).close()


def test_waiting_ends_when_the_holder_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "lease"
    lease = Lease.acquire(path)
    threading.Timer(0.1, lease.close).start()
    Lease.acquire(path, wait=60).close()


def test_death_releases(tmp_path: Path) -> None:
    path = tmp_path / "lease"
    with python(HOLD, path) as holder:
        assert line(holder) == "held"
        holder.send_signal(signal.SIGKILL)
        Lease.acquire(path, wait=60).close()


def test_a_stopped_holder_still_holds(tmp_path: Path) -> None:
    path = tmp_path / "lease"
    with python(HOLD, path) as holder:
        assert line(holder) == "held"
        holder.send_signal(signal.SIGSTOP)
        with pytest.raises(LeaseHeldError):
            Lease.acquire(path, wait=0.05)


def test_a_forked_child_that_outlives_the_holder_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lease"
    with python(HOLD_AND_FORK, path) as holder:
        lines = {line(holder), line(holder)}
        child = int((lines - {"child"}).pop())
        try:
            # What the child closed was not its parent's lock.
            with pytest.raises(LeaseHeldError):
                Lease.acquire(path)
            holder.kill()
            Lease.acquire(path, wait=60).close()
            os.kill(child, 0)
        finally:
            os.kill(child, signal.SIGKILL)


def test_a_removed_lock_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "lease"
    lease = Lease.acquire(path)
    path.unlink()
    assert not Lease.is_held(path)
    successor = Lease.acquire(path)
    assert lease.held
    assert successor.held
    lease.close()
    assert successor.held
    successor.close()


def test_a_file_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="lease"):
        Lease.acquire(tmp_path / "missing" / "lease")
    assert not Lease.is_held(tmp_path / "missing" / "lease")
    assert Lease.last_holder(tmp_path / "missing" / "lease") is None


class Clock:
    """Stands for the module `time`: nothing but `sleep` makes time pass."""

    def __init__(self) -> None:
        self.now = 100.0
        self.at: list[float] = []
        """The moments after each sleep."""

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.at.append(self.now)


def test_waiting_ends_with_an_error_at_the_first_attempt_after_the_given_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr("tamias.store.lease.time", clock)
    lease = Lease.acquire(tmp_path / "lease")
    with pytest.raises(LeaseHeldError):
        Lease.acquire(tmp_path / "lease", wait=5.0)
    assert clock.at[-2] < 105.0 <= clock.at[-1]
    lease.close()


def test_a_lease_that_is_not_waited_for_is_tried_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr("tamias.store.lease.time", clock)
    lease = Lease.acquire(tmp_path / "lease")
    with pytest.raises(LeaseHeldError):
        Lease.acquire(tmp_path / "lease")
    assert clock.at == []
    lease.close()


def test_a_lock_on_a_file_that_was_replaced_meanwhile_is_no_lease(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, other = tmp_path / "lease", tmp_path / "other"
    path.touch()
    other.touch()
    lock = fcntl.lockf

    def replace_and_lock(descriptor: int, operation: int) -> None:
        if other.exists():
            other.replace(path)  # after the file was opened, before it is locked
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "lockf", replace_and_lock)
    lease = Lease.acquire(path, wait=10.0)
    monkeypatch.undo()
    assert run(ASK, path).stdout == "True\n"
    lease.close()
