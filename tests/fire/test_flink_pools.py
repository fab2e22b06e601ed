"""Pools under a job that checkpoints: exact through every kill, restore and rescaling.

The tasks are stand-ins that speak the operator's protocol; what they talk to is real. With Flink
itself: tests/flink.
"""

from __future__ import annotations

import pickle
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from support.flink import fire, patient, remembering_job, waiting
from support.flink.task import Job
from support.profiles import examples

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("seed", range(2, 2 + examples(3)))
def test_exact_through_kills_restores_and_rescalings(tmp_path: Path, seed: int) -> None:
    done = fire.run(tmp_path, seed, inputs=600, steps=16)
    assert done["checkpoint"] > 0
    assert done["built upon another"] > 0


@pytest.mark.parametrize("seed", range(2, 2 + examples(2)))
def test_runs_that_wait_are_exact_through_the_same(tmp_path: Path, seed: int) -> None:
    done = waiting.run(tmp_path, seed, inputs=200, steps=12)
    assert done["restored what waits"] > 0
    assert done["built upon another"] > 0


@pytest.mark.parametrize("seed", range(2, 2 + examples(1)))
def test_memory_sets_are_exact_through_the_same(tmp_path: Path, seed: int) -> None:
    done = remembering_job.run(tmp_path, seed, inputs=70, steps=8)
    assert done["checkpoint"] > 0


def job_of(folder: Path, count: int, **job: object) -> Job:
    records = [(f"key-{n % 5}", pickle.dumps({"n": n})) for n in range(count)]
    return Job(folder, records, **{"config": {"workers": 1, "shards": 4}, **job})


def test_a_launcher_that_dies_in_the_middle_of_a_restore_is_no_success(tmp_path: Path) -> None:
    job = job_of(tmp_path, 300)
    job.start(1)
    job.feed(200)
    while job.tasks[0].pending:
        job.listen()
    assert job.take_checkpoint()
    job.fail(1)
    job.tasks[0].kill_launcher()
    job.finish()
    fire.judge([pickle.loads(output) for output in job.committed], 300)


def test_a_checkpoint_holds_what_was_there_at_the_barrier(tmp_path: Path) -> None:
    job = job_of(tmp_path, 400)
    job.start(1)
    job.feed(100)
    while job.tasks[0].pending:
        job.listen()

    def go_on() -> None:  # between the barrier and the reading, the pool does all the rest
        job.feed(300)
        while job.tasks[0].pending:
            job.listen()

    assert job.take_checkpoint(go_on)
    assert len(job.committed) == 100
    job.fail(2)
    job.finish()
    fire.judge([pickle.loads(output) for output in job.committed], 400)


def test_a_checkpoint_is_built_upon_the_last_one(tmp_path: Path) -> None:
    job = job_of(tmp_path, 400)
    job.start(1)
    sizes = []
    for count in (300, 1, 1, 98):
        job.feed(count)
        while job.tasks[0].pending:
            job.listen()
        assert job.take_checkpoint()
        tops = [group.levels[-1] for group in job.checkpoint.groups.values()]
        sizes.append(sum(len(part) for parts in tops for part in parts))
    assert job.built_upon == 3
    assert sizes[1] < sizes[0] / 2  # one key of five
    assert sizes[2] < sizes[0] / 2
    job.fail(2)
    job.finish()
    fire.judge([pickle.loads(output) for output in job.committed], 400)


def test_memory_that_a_run_changes_after_its_wait_is_in_the_next_checkpoint(tmp_path: Path) -> None:
    job = waiting.WaitingJob(tmp_path, 12, asks="no", pause=1)
    job.start(1)
    (task,) = job.tasks
    job.feed(12)
    while task.pending:
        job.listen()
    assert job.take_checkpoint()  # what waits is over for the task
    assert job.runs_done() < 12
    while len(job.committed) + len(task.emitted) < 12 + 3:  # there are three timers
        job.listen()
    assert job.take_checkpoint()
    assert job.built_upon == 1
    assert job.runs_done() == 12
    job.fail(2)
    job.inputs += [(f"key-{n % waiting.KEYS}", pickle.dumps({"n": n})) for n in range(12, 40)]
    while job.runs_done() < 40:
        job.feed(40)
        job.listen()
        job.take_checkpoint()
    job.finish()
    patient.judge(job.found, 40, waiting.KEYS)


def test_a_job_that_ends_while_runs_wait_fails_and_says_what_to_do(tmp_path: Path) -> None:
    job = waiting.WaitingJob(tmp_path, 6, asks="no", pause=3600, **{"at-end": "auto"})
    job.start(1)
    job.feed(6)
    with pytest.raises(AssertionError, match=r"PoolError.*3 runs wait.*savepoint.*at-end=wait"):
        job.finish()
    job.tasks[0].close()


def test_dead_letters_are_part_of_a_checkpoint(tmp_path: Path) -> None:
    records = [("good", pickle.dumps({"n": 0})), ("bad", pickle.dumps("no row"))]
    config = {"workers": 1, "shards": 4, "on-error": "dead-letter", "max-attempts": 1}
    job = Job(tmp_path, records, config=config)
    job.start(1)
    job.feed(2)
    while job.tasks[0].pending:
        job.listen()
    barrier = job.tasks[0].barrier(1)
    job.tasks[0].send(b"P", (1).to_bytes(8, "little"))
    job.tasks[0]._parts = []
    while not job.tasks[0]._parts:
        job.listen()
    assert barrier.pending == []
    letters = [body for kind, body in job.tasks[0]._parts if kind == b"d"]
    assert len(letters) == 1
    assert b"no row" in letters[0]
    job.tasks[0].close()


def test_an_error_of_the_agent_reaches_the_task(tmp_path: Path) -> None:
    job = Job(tmp_path, [("bad", pickle.dumps("no row"))], config={"workers": 1, "shards": 4})
    job.start(1)
    job.feed(1)
    with pytest.raises(AssertionError, match=r"AgentFailedError.*TypeError"):
        job.finish()
    job.tasks[0].close()


@pytest.mark.parametrize("how", ["closed", "killed", "stopped"])
def test_nothing_outlives_the_task(tmp_path: Path, how: str) -> None:
    # The task is a process of its own here, whose death takes the pipe along.
    code = (
        "import pickle, sys, time; from pathlib import Path; from support.flink.task import Job\n"
        "job = Job(Path(sys.argv[1]), [('k', pickle.dumps({'n': 0}))], config={'workers': 2})\n"
        "job.start(1); job.feed(1)\n"
        "while job.tasks[0].pending: job.listen()\n"
        "print(job.tasks[0].process.pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": "tests", "PATH": "/usr/bin:/bin"},
    ) as task:
        assert task.stdout is not None
        launcher = psutil.Process(int(task.stdout.readline()))
        family = [launcher, *launcher.children(recursive=True)]
        assert len(family) == 5  # launcher, reaper, zygote, two workers
        if how == "stopped":
            launcher.send_signal(signal.SIGSTOP)
        if how == "closed":
            assert task.stdin is not None
            task.stdin.close()
        else:
            task.kill()
    deadline = time.monotonic() + 60
    while any(process.is_running() and process.status() != "zombie" for process in family):
        assert time.monotonic() < deadline, family
        time.sleep(0.05)
    shutil.rmtree(tmp_path)
