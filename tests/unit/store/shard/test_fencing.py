"""Writers that were stopped, replaced and let go on: what they believe to own is not theirs."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

import tamias.store.shard.shard as shard_module
from support.processes import forked
from tamias.agent.errors import FencedError, LeaseHeldError
from tamias.store.lease import Lease
from tamias.store.records.outbox import decode_outputs, encode_outputs
from tamias.store.shard.batch import Batch
from tamias.store.shard.shard import Shard

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Protocol

    class Notes(Protocol):
        """Writes a note, if there is one, and gives all that there are, of any process."""

        def __call__(self, text: str = "") -> list[str]: ...


pytestmark = pytest.mark.process


PREFIX = b"\x01a"


def batch(value: bytes, offset: int) -> Batch:
    made = Batch()
    made.put_field(PREFIX, "value", value)
    made.outbox = encode_outputs([offset], [1], [value], 0)
    return made


def stop_now() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def commit_stop_and_commit(
    directory: Path, tell: Callable[[], None], note: Callable[[str], object], *, inside: bool
) -> None:
    """Own the shard; be stopped between two commits, or inside of the second; go on."""
    shard = Shard.acquire(directory, 0, wait=0)
    shard.commit(batch(b"first", 1))

    def reach(name: str) -> None:
        if inside and name == "commit.inside" and not stopped:
            stopped.append(True)
            tell()
            stop_now()

    stopped: list[bool] = []
    vars(shard_module)["reach"] = reach
    if not inside:
        tell()
        stop_now()
    for offset in (2, 3):
        try:
            shard.commit(batch(b"late", offset))
            note("written")
        except FencedError:
            note("refused")
    tell()


@pytest.fixture
def notes(tmp_path: Path) -> Notes:
    path = tmp_path / "notes"

    def take(text: str = "") -> list[str]:
        with path.open("a+") as file:
            file.write(f"{text}\n" if text else "")
            file.seek(0)
            return file.read().split()

    return take


def wait_until_stopped(pid: int) -> None:
    _, status = os.waitpid(pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)


def test_a_writer_that_was_replaced_while_it_was_stopped_writes_nothing(
    tmp_path: Path, notes: Notes
) -> None:
    directory = tmp_path / "shard"
    with forked(lambda tell: commit_stop_and_commit(directory, tell, notes, inside=False)) as child:
        child.await_signals(1)
        wait_until_stopped(child.pid)
        with pytest.raises(LeaseHeldError, match=f"process {child.pid}"):
            Shard.acquire(directory, 0, wait=0)
        Lease.break_(directory / "lease")
        successor = Shard.acquire(directory, 0, wait=0)
        successor.commit(batch(b"second", 2))
        os.kill(child.pid, signal.SIGCONT)
        child.await_signals(1)
        assert notes() == ["refused", "refused"]
        assert successor.field(PREFIX, "value") == b"second"
        assert [decode_outputs(record).offsets for _, record in successor.outbox()] == [[1], [2]]
        successor.commit(batch(b"third", 3))
        successor.close()


def test_a_commit_that_was_stopped_in_the_middle_holds_its_successor_up_and_counts(
    tmp_path: Path, notes: Notes
) -> None:
    directory = tmp_path / "shard"

    def succeed(tell: Callable[[], None]) -> None:
        Lease.break_(directory / "lease")
        tell()
        shard = Shard.acquire(directory, 0, wait=0)  # waits for the end of the other's transaction
        seen, _ = shard.fields(PREFIX)
        notes(f"saw-{seen['value'].decode()}")
        shard.commit(batch(b"second", 4))
        tell()
        signal.pause()

    with forked(lambda tell: commit_stop_and_commit(directory, tell, notes, inside=True)) as old:
        old.await_signals(1)
        wait_until_stopped(old.pid)
        with forked(succeed) as new:
            new.await_signals(1)
            os.kill(old.pid, signal.SIGCONT)
            new.await_signals(1)
            old.await_signals(1)
    # What was under way was written before the successor came; the next one may have been, too.
    told = notes()
    assert "written" in told
    assert "saw-late" in told
    shard = Shard.acquire(directory, 0)
    assert shard.field(PREFIX, "value") == b"second"
    shard.close()


def test_a_stopped_writer_dies_of_a_kill_and_its_lease_is_free(tmp_path: Path) -> None:
    def hold(tell: Callable[[], None]) -> None:
        Shard.acquire(tmp_path, 0, wait=0)
        tell()
        stop_now()

    with forked(hold) as child:
        child.await_signals(1)
        wait_until_stopped(child.pid)
        child.kill()
        Shard.acquire(tmp_path, 0, wait=0).close()


def test_a_broken_lease_has_no_last_holder_and_can_be_broken_again(tmp_path: Path) -> None:
    path = tmp_path / "lease"
    first = Lease.acquire(path)
    Lease.break_(path)
    assert Lease.last_holder(path) is None
    assert not Lease.is_held(path)
    second = Lease.acquire(path)
    assert first.held
    assert second.held
    Lease.break_(path)
    third = Lease.acquire(path)
    for lease in (first, second, third):
        lease.close()
    assert not Lease.is_held(path)
