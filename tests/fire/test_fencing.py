"""Workers that cannot be killed, are replaced, and come back: they write nothing."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import tamias.launcher.workers.monitor as supervisor_module
from support.cli import wait_for
from support.launcher.trouble import Job
from tamias.launcher.workers import procfs
from tamias.store.state.reader import StoreReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FREEZER = Path("/sys/fs/cgroup/freezer")
INPUTS = 2000


@pytest.fixture
def job(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Job:
    return Job(tmp_path, caplog)


@contextmanager
def meanwhile(body: Callable[[], None]) -> Iterator[None]:
    """Do something beside the pool, and fail with it."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            body()
        except BaseException as error:  # noqa: BLE001 (told below)
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    yield
    thread.join()
    assert not failures, failures


def worker_pids(job: Job) -> list[int]:
    """The workers that are at work now, by slot."""
    status = job.last_status
    return [worker.pid for worker in status.workers if worker.pid] if status is not None else []


def memory(job: Job, keys: int = 20) -> dict[str, int]:
    with StoreReader(job.state) as reader:
        found = {f"k{number}": reader.memory(f"k{number}") for number in range(keys)}
    return {key: fields["count"] for key, fields in found.items() if fields is not None}


def check(job: Job) -> None:
    """Outputs and memory are those of an undisturbed run: each input counted once, in order."""
    by_key: dict[str, list[tuple[int, int]]] = {}
    for line in job.lines:
        by_key.setdefault(line["key"], []).append((line["offset"], line["output"][1]))
    for found in by_key.values():
        assert found == sorted(found)
        assert [count for _, count in found] == list(range(1, len(found) + 1))
    assert sum(map(len, by_key.values())) == INPUTS
    assert memory(job) == {key: len(found) for key, found in by_key.items()}


def busy(job: Job) -> int:
    """The pid of a worker that is in the middle of things."""
    wait_for(lambda: len(worker_pids(job)) == 2 and job.last_status.events > 50)  # type: ignore[union-attr]
    return worker_pids(job)[0]


def replaced(job: Job, pid: int) -> bool:
    """Whether another worker has the slot, and has done something."""
    status = job.last_status
    if status is None or pid in worker_pids(job):
        return False
    return all(worker.state == "ready" for worker in status.workers)


def test_a_stopped_worker_is_killed_and_replaced(job: Job) -> None:
    def stop() -> None:
        os.kill(busy(job), signal.SIGSTOP)

    with meanwhile(stop):
        job.run(dict.fromkeys(range(INPUTS), "nap"), INPUTS, agent="Simple", stop_timeout="300ms")
    assert "it was stopped (SIGSTOP)" in job.said
    assert job.report.deaths == 1
    assert job.dead == {}
    check(job)


def test_one_that_is_stopped_replaced_and_continued_writes_nothing(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the kill had no effect: a stopped process would die of it."""
    send = vars(supervisor_module)["_send"]
    victims: list[int] = []
    spared: list[int] = []

    def spare(pid: int, number: signal.Signals) -> None:
        if pid in victims and number == signal.SIGKILL:
            spared.append(pid)
        else:
            send(pid, number)

    monkeypatch.setattr(supervisor_module, "_send", spare)
    monkeypatch.setattr("tamias.launcher.workers.watchdog.FENCE_SECONDS", 0.2)

    def disturb() -> None:
        victims.append(busy(job))
        os.kill(victims[0], signal.SIGSTOP)
        wait_for(lambda: replaced(job, victims[0]))
        assert spared
        # It still has inputs, and thinks that it holds its leases.
        os.kill(victims[0], signal.SIGCONT)
        wait_for(lambda: procfs.process_state(victims[0]) is None)

    with meanwhile(disturb):
        job.run(
            dict.fromkeys(range(INPUTS), "nap"),
            INPUTS,
            agent="Simple",
            stop_timeout="300ms",
            batch_size=16,
        )
    assert "does not die: its leases are broken" in job.said
    assert "Another process has taken" in job.log
    assert job.dead == {}
    check(job)


@contextmanager
def frozen(pid: int) -> Iterator[Callable[[], None]]:
    """Freeze a process: SIGKILL has no effect then. Gives what thaws it."""
    group = FREEZER / f"tamias-test-{os.getpid()}"
    group.mkdir()
    state = group / "freezer.state"

    def thaw() -> None:
        state.write_text("THAWED")

    try:
        (group / "cgroup.procs").write_text(str(pid))
        state.write_text("FROZEN")
        wait_for(lambda: state.read_text().strip() == "FROZEN")
        yield thaw
    finally:
        thaw()
        for _ in range(1000):
            with suppress(OSError):
                group.rmdir()
                break
            time.sleep(0.01)


def test_one_that_cannot_be_killed_is_fenced_and_the_rest_goes_on(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not os.access(FREEZER, os.W_OK):
        pytest.skip("there is no freezer of control groups to write to")
    monkeypatch.setattr("tamias.launcher.workers.watchdog.FENCE_SECONDS", 0.5)

    def freeze() -> None:
        victim = busy(job)
        with frozen(victim):
            wait_for(lambda: replaced(job, victim))
            standing = procfs.process_state(victim)
            assert standing is not None
            assert standing.state == "D"
        wait_for(lambda: procfs.process_state(victim) is None)  # of the SIGKILL that was waiting

    with meanwhile(freeze):
        job.run(dict.fromkeys(range(INPUTS), "nap"), INPUTS, agent="Simple", stop_timeout="300ms")
    assert "it was stalled in the kernel" in job.said
    assert "does not die: its leases are broken" in job.said
    assert job.dead == {}
    check(job)


def test_a_stopped_zygote_is_replaced(job: Job) -> None:
    def stop() -> None:
        zygote = int(Path(f"/proc/{busy(job)}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(zygote, signal.SIGSTOP)
        wait_for(lambda: procfs.process_state(zygote) is None)

    with meanwhile(stop):
        job.run(dict.fromkeys(range(INPUTS), "nap"), INPUTS, agent="Simple", stop_timeout="300ms")
    assert "the zygote" in job.said
    assert job.dead == {}
    check(job)
