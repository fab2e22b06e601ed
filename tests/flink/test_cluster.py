"""On a real standalone cluster, with real kills: the same outputs as if nothing had happened."""

from __future__ import annotations

import json
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil
import pytest

from support import flights
from support.flights import EXAMPLE
from support.flink import outputs, patient, remembering

pytest.importorskip("pyflink", reason="PyFlink is not installed: it has no wheels for this Python")

from support.flink.cluster import SUPPORT, Cluster, cluster
from support.flink.kills import Answers
from support.java.settings import java_settings
from tamias.console.dashboard.jobs import ShownJobs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JOB = SUPPORT / "job.py"
KEYS = 30
ENDLESS = 100_000

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def flink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("flink"), task_managers=2) as made:
        yield made


@pytest.fixture(autouse=True)
def _no_job_is_left(flink: Cluster) -> Iterator[None]:
    yield
    for job in (flink.ask("/jobs") or {"jobs": []})["jobs"]:
        if job["status"] not in ("FINISHED", "CANCELED", "FAILED"):
            flink.cancel(job["id"])


def kill_a_worker(flink: Cluster, number: int = signal.SIGKILL) -> None:
    before = {worker.pid for worker in flink.workers()}
    victim = flink.workers()[0]
    victim.send_signal(number)
    flink.wait_for(lambda: {worker.pid for worker in flink.workers()} - before, 120)


def kill_a_launcher(flink: Cluster) -> None:
    before = {launcher.pid for launcher in flink.launchers()}
    flink.launchers()[0].kill()
    flink.wait_for(lambda: {launcher.pid for launcher in flink.launchers()} - before, 120)


def kill_a_zygote(flink: Cluster) -> None:
    before = {worker.pid for worker in flink.workers()}
    launcher = flink.launchers()[0]
    below = {process.name(): process for process in launcher.children(recursive=True)}
    next(process for name, process in below.items() if name.startswith("tamias zygote")).kill()
    kill_a_worker(flink)  # its successor needs a zygote
    assert {worker.pid for worker in flink.workers()} - before


def kill_the_busy(flink: Cluster) -> None:
    """Kill all task managers that have pools, with their disks, and start others."""
    busy = flink.busy()
    for index in reversed(busy):
        flink.kill_task_manager(index)
    for _ in busy:
        flink.start_task_manager()


def end(flink: Cluster, job: str) -> None:
    """Cancel a job, and see that nothing of its pools is left."""
    pools = [*flink.launchers(), *flink.workers()]
    flink.cancel(job)
    _, alive = psutil.wait_procs(pools, timeout=60)
    assert alive == []
    assert flink.states() == []


def test_a_worker_or_launcher_that_is_killed_is_none_of_flinks_business(
    flink: Cluster, tmp_path: Path
) -> None:
    job = flink.submit(
        JOB, tmp_path, "--count", ENDLESS, "--keys", KEYS, "--rate", 400, parallelism=2
    )
    flink.wait_for(lambda: len(flink.workers()) == 2, 120)
    for _ in range(2):
        flink.wait_for_checkpoint(job)
        kill_a_worker(flink)
        flink.wait_for_checkpoint(job)
        kill_a_zygote(flink)
        kill_a_launcher(flink)
    flink.wait_for_checkpoint(job, more=2)
    assert flink.failures(job) == 0
    end(flink, job)
    assert outputs.check_exact(tmp_path, KEYS) > 0


@pytest.mark.nightly
def test_a_launcher_that_hangs_is_replaced(flink: Cluster, tmp_path: Path) -> None:
    job = flink.submit(JOB, tmp_path, "--count", ENDLESS, "--keys", KEYS, "--rate", 200)
    flink.wait_for(lambda: len(flink.workers()) == 1, 120)
    flink.wait_for_checkpoint(job)
    before = flink.launchers()
    before[0].suspend()
    flink.wait_for(lambda: flink.launchers() not in ([], before), 120)
    flink.wait_for_checkpoint(job, more=2)
    assert flink.failures(job) == 0
    end(flink, job)
    assert outputs.check_exact(tmp_path, KEYS) > 0


@pytest.mark.nightly
def test_a_launcher_that_dies_again_and_again_fails_the_task(
    flink: Cluster, tmp_path: Path
) -> None:
    job = flink.submit(JOB, tmp_path, "--count", ENDLESS, "--keys", KEYS, "--rate", 200)
    flink.wait_for(lambda: len(flink.workers()) == 1, 120)
    flink.wait_for_checkpoint(job)

    def dead_again() -> bool:
        for launcher in flink.launchers():
            with suppress(psutil.NoSuchProcess):
                launcher.kill()
        return flink.failures(job) > 0

    flink.wait_for(dead_again, 120)
    told = json.dumps(flink.ask(f"/jobs/{job}/exceptions"))
    assert "launcher was killed by signal 9" in told
    flink.wait_for_checkpoint(job, more=3)
    end(flink, job)
    assert outputs.check_exact(tmp_path, KEYS) > 0


@pytest.mark.nightly
def test_task_managers_are_killed_and_their_disks_lost(flink: Cluster, tmp_path: Path) -> None:
    job = flink.submit(
        JOB, tmp_path, "--count", ENDLESS, "--keys", KEYS, "--rate", 400, parallelism=2
    )
    for _ in range(2):
        flink.wait_for(lambda: len(flink.workers()) == 2, 120)
        flink.wait_for_checkpoint(job, more=2)
        kill_the_busy(flink)
    flink.wait_for(lambda: len(flink.workers()) == 2, 120)
    flink.wait_for_checkpoint(job, more=3)
    assert flink.failures(job) >= 2
    end(flink, job)
    assert outputs.check_exact(tmp_path, KEYS) > 0


def test_checkpoints_that_are_built_one_upon_the_other(flink: Cluster, tmp_path: Path) -> None:
    keys = 8000
    job = flink.submit(
        JOB, tmp_path, "--count", ENDLESS, "--keys", keys, "--rate", 1000, parallelism=2
    )

    def some_are_small() -> bool:
        files = (flink.home / "checkpoints" / job / "shared").glob("*")
        sizes = []
        for file in files:
            with suppress(FileNotFoundError):  # nothing needs it any more
                sizes.append(file.stat().st_size)
        return len(sizes) > 4 and 3 * min(sizes) < max(sizes)

    flink.wait_for_checkpoint(job, more=8)
    flink.wait_for(some_are_small, 120)
    kill_the_busy(flink)
    flink.wait_for_checkpoint(job, more=4)
    flink.wait_for(some_are_small, 120)
    end(flink, job)
    assert outputs.check_exact(tmp_path, keys) > keys


def test_a_savepoint_is_carried_on_at_another_parallelism(flink: Cluster, tmp_path: Path) -> None:
    count = 5000
    arguments = (JOB, tmp_path, "--count", count, "--keys", KEYS, "--rate")
    job = flink.submit(*arguments, 100, parallelism=2)
    flink.wait_for(lambda: len(flink.workers()) == 2, 120)
    flink.wait_for_checkpoint(job, more=2)
    savepoint = flink.stop_with_savepoint(job)
    some = outputs.check_exact(tmp_path, KEYS)
    assert 0 < some < count
    job = flink.submit(*arguments, 2000, savepoint=savepoint, parallelism=3)
    flink.wait_for_end(job)
    assert outputs.check_exact(tmp_path, KEYS, count) == count
    assert flink.failures(job) == 0


@pytest.mark.parametrize(
    "killed", ["a pool", pytest.param("task managers", marks=pytest.mark.nightly)]
)
def test_runs_that_wait_are_carried_on_at_another_parallelism(
    flink: Cluster, tmp_path: Path, killed: str
) -> None:
    count, keys = 120, 10
    answers = Answers(tmp_path)
    arguments = (
        *(JOB, tmp_path / "out", "--count", count, "--keys", keys, "--rate", 60),
        *("--agent", "Patient", "--answers", answers.folder),
        *("--set", "suspend-after=0.05s", "--set", "pause=2"),
    )

    def outputs_with(name: str) -> list[dict[str, object]]:
        return [line for line in outputs.lines(tmp_path / "out") if name in line]

    def is_done() -> bool:
        answers.give()
        timers = sum(patient.way_of(n) == "schedule" for n in range(count))
        return len(outputs_with("n")) == count and len(outputs_with("later")) == timers

    job = flink.submit(*arguments, parallelism=2)
    flink.wait_for(lambda: len(outputs_with("token")) > 2, 120)
    answers.give()
    savepoint = flink.stop_with_savepoint(job)
    assert 0 < len(outputs_with("n")) < count
    job = flink.submit(*arguments, savepoint=savepoint, parallelism=3)
    flink.wait_for(lambda: len(flink.workers()) == 3, 120)
    flink.wait_for_checkpoint(job)
    kill_a_worker(flink)
    kill_a_launcher(flink)
    if killed == "task managers":
        kill_the_busy(flink)
    flink.wait_for(is_done, 120)
    end(flink, job)
    found = [line for line in outputs.lines(tmp_path / "out") if "token" not in line]
    patient.judge(sorted(found, key=patient.place_of), count, keys, has_ended=False)
    assert len(outputs_with("token")) == len(answers.known)


@pytest.mark.nightly
def test_memory_sets_are_carried_through_kills_and_to_another_parallelism(
    flink: Cluster, tmp_path: Path
) -> None:
    """In CI without Flink: tests/fire/test_flink_pools.py."""
    count, keys = 900, 6
    arguments = (
        *(JOB, tmp_path, "--count", count, "--keys", keys, "--agent", "Remembering"),
        *("--set", "each=15", "--rate"),
    )
    job = flink.submit(*arguments, 20, parallelism=2)
    flink.wait_for_checkpoint(job, more=3)
    kill_a_worker(flink)
    flink.wait_for_checkpoint(job)
    kill_a_launcher(flink)
    flink.wait_for_checkpoint(job)
    kill_the_busy(flink)
    flink.wait_for_checkpoint(job, more=3)
    savepoint = flink.stop_with_savepoint(job)
    assert 0 < len(outputs.lines(tmp_path)) < count
    job = flink.submit(*arguments, 1000, savepoint=savepoint, parallelism=3)
    flink.wait_for_end(job)
    found = outputs.lines(tmp_path)
    assert sorted(line["n"] for line in found) == list(range(count))
    remembering.judge(found, each=15)


def test_a_durable_call_before_the_checkpoint_is_not_made_again(
    flink: Cluster, tmp_path: Path
) -> None:
    calls, gate = tmp_path / "calls", tmp_path / "gate"
    job = flink.submit(
        JOB,
        *(tmp_path / "out", "--count", ENDLESS, "--keys", ENDLESS, "--rate", 10),
        *("--set", f"gate={gate}", "--set", f"calls={calls}", "--agent", "Waiting"),
    )
    flink.wait_for(lambda: calls.exists() and len(calls.read_text().splitlines()) > 20, 120)
    made = set(outputs.calls(calls))
    flink.wait_for_checkpoint(job, more=2)
    kill_the_busy(flink)
    flink.wait_for(lambda: len(flink.workers()) == 1, 120)
    gate.touch()
    flink.wait_for_checkpoint(job, more=3)
    end(flink, job)
    found = sorted(line["n"] for line in outputs.lines(tmp_path / "out"))
    assert found == list(range(len(found)))
    assert len(found) >= len(made)
    assert {call: len(outputs.calls(calls)[call]) for call in made} == dict.fromkeys(made, 1)


@pytest.mark.nightly
def test_slow_calls_hold_up_neither_each_other_nor_checkpoints(
    flink: Cluster, tmp_path: Path
) -> None:
    job = flink.submit(
        *(JOB, tmp_path, "--count", ENDLESS, "--keys", 100, "--rate", 100, "--agent", "Together"),
    )
    flink.wait_for(lambda: len(flink.workers()) == 1, 120)
    flink.wait_for_checkpoint(job)
    before = flink.checkpoints(job)["failed"]  # while tasks were starting
    # Runs are under way all the time, so these are complete in spite of them.
    flink.wait_for_checkpoint(job, more=6)
    assert flink.checkpoints(job)["failed"] == before
    end(flink, job)
    assert max(line["most"] for line in outputs.lines(tmp_path)) == 100


def test_a_segfault_costs_one_retry_and_no_task(flink: Cluster, tmp_path: Path) -> None:
    job = flink.submit(
        JOB,
        *(tmp_path / "out", "--count", 600, "--keys", 6, "--rate", 300, "--agent", "Crashing"),
        *("--set", f"marker={tmp_path / 'marker'}"),
    )
    flink.wait_for_end(job)
    assert (tmp_path / "marker").exists()
    assert flink.failures(job) == 0
    found = outputs.lines(tmp_path / "out")
    assert sorted(line["n"] for line in found) == list(range(600))
    for line in found:
        assert line["count"] == line["n"] // 6 + 1


@pytest.mark.parametrize("how", ["awaited", pytest.param("waited for", marks=pytest.mark.nightly)])
def test_the_jvm_is_killed_in_the_middle_of_javas_calls(
    flink: Cluster, tmp_path: Path, how: str
) -> None:
    """Its workers are asking its resources then: they die with it, and the calls are made again."""
    count = 900 if how == "awaited" else 150
    job = flink.submit(
        *(JOB, tmp_path, "--count", count, "--keys", 10, "--rate", count // 15),
        *("--agent", "JavaAwaiting" if how == "awaited" else "JavaWaiting"),
        *("--set", f"java-classpath={java_settings()['java-classpath']}"),
    )
    flink.wait_for(lambda: len(flink.workers()) == 1, 120)
    flink.wait_for_checkpoint(job, more=2)
    kill_the_busy(flink)
    flink.wait_for_end(job)
    assert flink.failures(job) >= 1
    found = outputs.lines(tmp_path)
    assert sorted(line["n"] for line in found) == list(range(count))
    for line in found:
        assert line["count"] == line["n"] // 10 + 1
        assert line["said"] == "sleep 50"


def test_the_agents_metrics_are_flinks(flink: Cluster, tmp_path: Path) -> None:
    job = flink.submit(JOB, tmp_path, "--count", ENDLESS, "--keys", KEYS, "--rate", 200)
    wanted = (
        "tamias.numOfEventProcessed",
        "tamias.numOfActionsExecuted",
        ".tamias_inputs_total",
        ".worker.0.tamias_worker_ready",
        ".tamias_commit_milliseconds_p99",
    )

    def are_known() -> bool:
        found: dict[str, float] = {}
        for vertex in (flink.ask(f"/jobs/{job}") or {}).get("vertices", []):
            place = f"/jobs/{job}/vertices/{vertex['id']}/metrics"
            names = [metric["id"] for metric in flink.ask(place) or []]
            chosen = [name for name in names if name.endswith(wanted)]
            if chosen:
                values = flink.ask(f"{place}?get={','.join(chosen)}") or []
                found.update((metric["id"], float(metric["value"])) for metric in values)
        return all(
            any(name.endswith(want) and value > 0 for name, value in found.items())
            for want in wanted
        )

    flink.wait_for(are_known, 120)
    # The dashboard has a link from each pool to its task.
    rows = [each.summary() for each in ShownJobs([], below=flink.home / "tmp").all()]
    (row,) = [row for row in rows if (row["flink"] or {}).get("job") == job]
    vertices = [vertex["id"] for vertex in flink.ask(f"/jobs/{job}")["vertices"]]
    assert row["flink"]["vertex"] in vertices
    place = f"/#/job/running/{job}/overview/{row['flink']['vertex']}/subtasks"
    assert row["flink"]["url"] == f"http://localhost:{flink.port}{place}"
    end(flink, job)


def test_an_agents_error_fails_the_job_with_its_traceback(flink: Cluster, tmp_path: Path) -> None:
    job = flink.submit(JOB, tmp_path, "--count", 10, "--agent", "Failing")
    flink.wait_for(lambda: flink.failures(job) >= 1, 120)
    exceptions = json.dumps(flink.ask(f"/jobs/{job}/exceptions"))
    assert "LookupError: nothing of that name is in stock" in exceptions
    assert "agent.py" in exceptions
    end(flink, job)


@pytest.mark.nightly
def test_the_flights_agent_runs_on_the_cluster_unchanged(flink: Cluster, tmp_path: Path) -> None:
    data = flights.write_data(tmp_path / "data", flights.random_rows(1500, 7))
    for kind in ("table", "stream"):
        job = flink.submit(
            EXAMPLE / "flink.py",
            *(tmp_path / kind, "--data", data, "--from", kind, "--parallelism", 2),
        )
        flink.wait_for_end(job)
        assert flights.by_key(outputs.lines(tmp_path / kind)) == flights.expected(data)
