"""New code, settings and places for a job that runs, with real processes and a real load."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from support.launcher.reloading import code, descendants, reloadable, undisturbed, versions
from tamias.agent.errors import ConfigError, ReloadError, UsageError

if TYPE_CHECKING:
    from pathlib import Path


def test_new_code_takes_over_without_losing_an_input(tmp_path: Path) -> None:
    with reloadable(tmp_path) as job:
        before = job.until_events(200)
        answer = job.reload(code(2))
        assert (answer["generation"], answer["outcome"], answer["moves"]) == (1, "promoted", 4)
        after = job.until_events(200)
        outputs = job.finish()
    assert undisturbed(outputs)
    assert len(outputs) == job.fed
    assert versions(outputs) == [1, 2]
    assert (before["generation"], after["generation"]) == (0, 1)
    assert {worker["generation"] for worker in after["workers"]} == {1}
    assert after["reload"]["stage"] == "over"
    lineage = job.manifest.job["lineage"]
    assert (job.manifest.job["generation"], lineage["last"]) == (1, 1)
    assert list(lineage["files"]) == [str(job.agent)]


def test_reload_after_reload_leaves_nothing_of_the_old_code(tmp_path: Path) -> None:
    with reloadable(tmp_path) as job:
        job.until_events(10)
        first = job.pids()
        # Python's own files of bytecode do not see a change like this one.
        stamp = job.agent.stat()
        job.agent.write_text(code(2))
        os.utime(job.agent, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
        job.reload()
        job.until_events(20)
        assert len(job.pids()) == len(first) == 4  # a zygote, its reaper and two workers
        assert not set(first) & set(job.pids())
        # From elsewhere, and from there on: the second waits for the first.
        (tmp_path / "new").mkdir()
        (tmp_path / "new" / "agent.py").write_text(code(3))
        answers: list[dict[str, Any]] = []
        target = f"{tmp_path}/new/agent.py:Counter"
        threads = [
            threading.Thread(target=lambda: answers.append(job.reload(target=target)))
            for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert sorted(answer["generation"] for answer in answers) == [2, 3]
        assert len(job.pids()) == 4
        job.until_events(20)
        outputs = job.finish()
    assert undisturbed(outputs)
    assert versions(outputs) == [1, 2, 3]
    assert job.manifest.job["spec"]["target"] == target


BAD = [
    ("import nothing_of_the_kind", "No module named 'nothing_of_the_kind'"),
    ("class Counter: pass", "not an agent"),
    (code(2, "raise ValueError('new')"), "inputs failed"),
    (code(2, "os.kill(os.getpid(), signal.SIGSEGV)"), "was killed by SIGSEGV"),
]


def test_bad_code_is_rolled_back_with_the_reason(tmp_path: Path) -> None:
    with reloadable(tmp_path, on_error="dead-letter") as job:
        job.until_events(50)
        for number, (text, reason) in enumerate(BAD, 1):
            told = f"Generation {number} was rolled back"
            with pytest.raises(ReloadError, match=told) as caught:
                job.reload(text)
            assert reason in str(caught.value)
            status = job.until_events(50)
            assert status["generation"] == 0
            assert reason in status["reload"]["reason"]
            assert {worker["generation"] for worker in status["workers"]} == {0}
            assert len(job.pids()) == 4
        # A number is given out once, and the next code may be better.
        assert job.reload(code(3))["generation"] == len(BAD) + 1
        job.until_events(50)
        outputs = job.finish()
    letters = job.letters()
    assert versions(outputs) == [1, 3]
    assert len(outputs) + len(letters) == job.fed
    assert {letter.generation for letter in letters} <= {3, 4}
    assert undisturbed(outputs, missing=len(letters))
    assert "generation 3 was rolled back: " in job.errors


def test_where_a_failure_is_the_jobs_end_it_is_only_the_new_codes(tmp_path: Path) -> None:
    with reloadable(tmp_path, on_error="fail") as job:
        job.until_events(100)
        with pytest.raises(ReloadError, match="ValueError: new"):
            job.reload(code(2, "raise ValueError('new')"))
        job.until_events(100)
        outputs = job.finish()
    assert len(outputs) == job.fed
    assert undisturbed(outputs)


def test_code_that_hangs_can_be_taken_back(tmp_path: Path) -> None:
    with reloadable(tmp_path, reload_probation="60s") as job:
        job.until_events(100)
        answers: list[BaseException] = []

        def reload() -> None:
            try:
                job.reload(code(2, "time.sleep(1000)"))
            except ReloadError as error:
                answers.append(error)

        thread = threading.Thread(target=reload)
        thread.start()
        job.until(lambda status: (status["reload"] or {}).get("shards_moved", 0) > 0)
        assert job.ask("rollback")["outcome"] == "rolling back"
        thread.join(60)
        assert "it was told to" in str(answers[0])
        job.until_events(100)
        outputs = job.finish()
    assert versions(outputs) == [1]
    assert len(outputs) == job.fed
    assert undisturbed(outputs)
    assert not job.letters()


def test_a_smoke_input_stops_bad_code_before_it_sees_a_real_one(tmp_path: Path) -> None:
    smoke = tmp_path / "smoke.jsonl"
    smoke.write_text('{"key": "a", "value": 1}\n{"key": "b", "value": 2}\n')
    with reloadable(tmp_path, on_error="dead-letter") as job:
        job.until_events(10)
        with pytest.raises(ReloadError, match="ValueError: new"):
            job.reload(code(2, "raise ValueError('new')"), smoke=str(smoke))
        with pytest.raises(ReloadError, match=r"smoke input 0 failed: .*SIGSEGV"):
            job.reload(code(2, "os.kill(os.getpid(), signal.SIGSEGV)"), smoke=str(smoke))
        assert job.status()["reload"]["runs"] == 0
        assert job.reload(code(3), smoke=str(smoke))["outcome"] == "promoted"
        job.until_events(20)
        outputs = job.finish()
    assert not job.letters()
    assert versions(outputs) == [1, 3]


def test_settings_that_can_change_at_once_do_so_without_new_processes(tmp_path: Path) -> None:
    text = code(1, "assert event.input % 50 or int(ctx.config.data.get('max-attempts', 3)) < 3")
    with reloadable(tmp_path, text, on_error="dead-letter", max_attempts=3) as job:
        job.until(lambda _: bool(job.letters()))
        before = job.pids()
        answer = job.reload(settings={"max-attempts": 2})
        assert answer == {"generation": 0, "outcome": "applied", "changed": {"max-attempts": 2}}
        assert job.pids() == before
        fed = job.fed
        job.until(lambda status: status["events"] > fed + 100)
        # One that is born later goes by it, too.
        os.kill(job.status()["workers"][0]["pid"], signal.SIGKILL)
        killed = job.fed
        job.until(lambda status: status["events"] > killed + 100)
        job.finish()
    assert all(letter.offset <= fed for letter in job.letters())
    assert job.manifest.job["spec"]["config"]["max-attempts"] == 2


def test_other_settings_take_a_new_generation_or_are_refused(tmp_path: Path) -> None:
    with reloadable(tmp_path, code(1, "n += ctx.config.get_int('bonus', 0)")) as job:
        job.until_events(20)
        before = job.pids()
        with pytest.raises(ConfigError, match="'shards' cannot change while the pool runs"):
            job.reload(settings={"shards": 8})
        with pytest.raises(ConfigError) as caught:
            job.reload(settings={"workers": 8})
        assert "tamias scale" in caught.value.hint
        with pytest.raises(ConfigError, match="belongs to the agent agent:Counter"):
            job.reload(target="other.py:Counter")
        with pytest.raises(UsageError, match="A reload takes no speed"):
            job.reload(speed=3)
        with pytest.raises(ReloadError, match="No reload is under way"):
            job.ask("rollback")
        assert job.pids() == before
        assert job.reload(settings={"bonus": 100})["outcome"] == "promoted"
        assert not set(before) & set(job.pids())
        job.until_events(20)
        outputs = job.finish()
    assert outputs[0][1] == 1
    assert outputs[-1][1] > 100
    assert job.manifest.job["spec"]["config"]["bonus"] == 100


def test_workers_that_die_on_the_way_do_not_stop_it(tmp_path: Path) -> None:
    with reloadable(tmp_path, reload_deaths=100) as job:
        job.until_events(50)
        done = threading.Event()

        def kill() -> None:
            while not done.wait(0.15):
                for process in descendants(job.process.pid):
                    with suppress(psutil.NoSuchProcess):
                        if "worker" in process.cmdline()[0]:
                            process.kill()
                            break

        killer = threading.Thread(target=kill)
        killer.start()
        try:
            assert job.reload(code(2))["outcome"] == "promoted"
        finally:
            done.set()
            killer.join()
        job.until_events(50)
        outputs = job.finish()
    assert len(outputs) == job.fed
    assert undisturbed(outputs)


def test_a_run_that_was_begun_by_other_code_and_diverges_tells_both(tmp_path: Path) -> None:
    old = code(1, "if event.input == 100: ctx.durable_execute(len, 'old'); wait()")
    new = code(2, "if event.input == 100: ctx.durable_execute(len, 'new!')")
    with reloadable(tmp_path, old, on_error="dead-letter", workers=1, shards=1) as job:
        while not (tmp_path / "waiting").exists():
            time.sleep(0.01)
        answers = []
        job.agent.write_text(new)
        thread = threading.Thread(target=lambda: answers.append(job.reload()))
        thread.start()
        # The run is in flight, and keeps its code; so the shard cannot move until its worker dies.
        workers = job.until_stage("moving")["workers"]
        (worker,) = [worker for worker in workers if worker["generation"] == 0]
        os.kill(worker["pid"], signal.SIGKILL)
        thread.join(60)
        assert answers[0]["outcome"] == "promoted"
        job.until_events(20)
        job.finish()
    (letter,) = job.letters()
    assert (letter.offset, letter.cause) == (100, "divergence")
    assert (letter.recorded_by, letter.generation) == (0, 1)
    assert letter.recorded == ["step 0, call 0: builtins.len returned (generation 0)"]
