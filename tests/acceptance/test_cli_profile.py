"""`tamias profile`: where the time of a real job goes, also when its workers die or stand still."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from support.cli import TAMIAS, Folder, wait_for
from support.flink.task import GROUPS, Task
from tamias.cli.app import application

if TYPE_CHECKING:
    from collections.abc import Iterator

AGENT = """
import asyncio, time
from tamias import Agent, InputEvent, OutputEvent, action

def spin():
    until = time.perf_counter() + 0.05
    while time.perf_counter() < until:
        pass

class Busy(Agent):
    @action(InputEvent)
    @staticmethod
    def work(event, ctx):
        spin()
        time.sleep(0.05)
        ctx.send_event(OutputEvent(output=event.input))

async def answer_of_a_service():
    await asyncio.sleep(30)

class Waits(Agent):
    @action(InputEvent)
    @staticmethod
    async def ask(event, ctx):
        await answer_of_a_service()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A folder with agents."""
    folder = Folder(tmp_path)
    folder.write("agents.py", AGENT)
    return folder


def workers_of(folder: Folder) -> dict[int, int]:
    """The pids of the workers of a job, by slot, when they are there."""
    found: dict[int, int] = {}

    def are_ready() -> bool:
        result = folder.tamias("status", "state", "--json", code=None)
        workers = json.loads(result.stdout).get("workers", []) if result.returncode == 0 else []
        found.clear()
        found.update({each["slot"]: each["pid"] for each in workers if each["state"] == "ready"})
        return bool(found) and len(found) == len(workers)

    wait_for(are_ready)
    return found


def profile(folder: Folder, *options: str | int, mode: str = "wall") -> Any:
    """A profile as JSON."""
    result = folder.tamias("profile", "state", "--mode", mode, "--format", "json", *options)
    return json.loads(result.stdout)


def shares(found: Any) -> dict[str, float]:
    """The share of the time in each function, of what is in an action."""
    frames = found["frames"]
    times: dict[str, float] = {}
    for stack, seconds in found["stacks"]:
        if stack and frames[stack[0]][0].startswith("action"):
            name = frames[stack[-1]][0]
            times[name] = times.get(name, 0.0) + seconds
    total = sum(times.values())
    return {name: seconds / total for name, seconds in times.items()}


def test_the_time_of_a_job_while_it_runs_and_afterwards(folder: Folder) -> None:
    folder.inputs(list(range(1000)))  # more than will be done
    job = ("run", "agents.py:Busy", "-i", "in.jsonl", "-o", "out.jsonl", "--state", "state")
    with folder.started(*job, "--workers", 1):
        workers_of(folder)
        wall = shares(profile(folder, "--seconds", 2))
        cpu = shares(profile(folder, "--seconds", 1, mode="cpu"))
    assert wall["spin"] == pytest.approx(0.5, abs=0.25)
    assert wall["Busy.work" if "Busy.work" in wall else "work"] == pytest.approx(0.5, abs=0.25)
    assert cpu["spin"] > 0.5
    recorded = shares(profile(folder, "--last", "10m"))
    assert recorded["spin"] > 0.2
    folder.tamias("profile", "state", "--last", "10m", "--output", "page.html")
    assert "action work" in (folder.path / "page.html").read_text()


def test_workers_that_are_killed_or_stopped_are_named_and_the_others_answer(
    folder: Folder,
) -> None:
    folder.inputs(list(range(8)), keys=8)
    job = ("run", "agents.py:Waits", "-i", "in.jsonl", "-o", "out.jsonl", "--state", "state")
    settings = ("--workers", 2, "--set", "suspend-after=1h", "--set", "stop-timeout=1h")
    with folder.started(*job, *settings):
        pids = workers_of(folder)
        waits = profile(folder, "--seconds", 1, mode="await")
        assert any("answer_of_a_service" in frame[0] for frame in waits["frames"])
        os.kill(pids[0], signal.SIGSTOP)
        try:
            result = folder.tamias("profile", "state", "--seconds", 1)
        finally:
            os.kill(pids[0], signal.SIGCONT)
        assert "worker 0 was looked at from outside, by py-spy: it is stopped" in result.stderr
        assert "2 workers" in result.stdout


def test_what_cannot_be_is_one_clear_error(folder: Folder) -> None:
    folder.inputs([])
    folder.tamias(
        *("run", "agents.py:Busy", "-i", "in.jsonl", "-o", "out.jsonl", "--state", "state")
    )
    for options, words in (
        ((), "The job does not run."),
        (("--last", "0"), "is not possible"),
        (("--last", "soon"), "--last soon"),
        (("--mode", "gpu"), "Known: wall, cpu, await"),
        (("--format", "pdf"), "--format pdf is unknown"),
        (("--hz", "0"), "1 to 1000"),
        (("--last", "1h", "--diff", str(folder.path / "in.jsonl")), "no profile"),
        (("--last", "1h", "--key", "k"), "are not recorded"),
        (("--memory", "--last", "1h"), "Memory is not recorded"),
        (("--memory", "--mode", "wall"), "Known: held, peak"),
    ):
        words_given = ["profile", str(folder.path / "state"), *options]
        result = CliRunner().invoke(application("profile"), words_given, prog_name="tamias")
        assert result.exit_code in (1, 2), options
        assert words in result.stderr
        assert "Traceback" not in result.stderr


@pytest.fixture
def idle_job(folder: Folder) -> Iterator[int]:
    """A job that waits for inputs; the pid of its only worker."""
    job = ("run", "agents.py:Busy", "-i", "-", "-o", "out.jsonl", "--state", "state")
    command = [str(TAMIAS), *job, "--workers", "1"]
    with subprocess.Popen(
        command, cwd=folder.path, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield workers_of(folder)[0]
        finally:
            process.kill()


def test_an_idle_pool_gives_a_graph_and_a_worker_may_die_meanwhile(
    folder: Folder, idle_job: int
) -> None:
    folder.tamias("profile", "state", "--seconds", "0.5", "--output", "idle.html")
    assert "(idle)" in (folder.path / "idle.html").read_text()
    text = folder.tamias("profile", "state", "--seconds", "0.5", "--key", "k7").stdout
    assert "nothing of that was executed" in text
    with folder.started("profile", "state", "--seconds", 600) as asking:
        wait_for(lambda: any((folder.path / "state/profiles/answers").glob("*.begun")))
        os.kill(idle_job, signal.SIGKILL)
        _, said = asking.communicate(timeout=60)
    assert asking.returncode == 2
    assert "worker 0 gave no answer: it has ended" in said
    assert not list((folder.path / "state/profiles/requests").iterdir())


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None, reason="takes rights away from root"
)
def test_where_the_kernel_forbids_it_the_command_says_why_and_the_worker_still_answers(
    folder: Folder, idle_job: int
) -> None:
    def without_right(*words: str) -> subprocess.CompletedProcess[str]:
        command = ["setpriv", "--bounding-set", "-sys_ptrace", str(TAMIAS), *words]
        return subprocess.run(
            command, cwd=folder.path, capture_output=True, text=True, check=False, timeout=60
        )

    refused = without_right("profile", "state", "--seconds", "0.5", "--native")
    assert refused.returncode == 2
    assert "root has no CAP_SYS_PTRACE here" in refused.stderr.replace("Root", "root")
    asked = without_right("profile", "state", "--seconds", "0.5")
    assert asked.returncode == 0
    assert "wall profile, 1 worker" in asked.stdout
    assert Path(f"/proc/{idle_job}/stat").read_text().rpartition(")")[2].split()[0] in "SR"


@pytest.mark.nightly
def test_the_profile_of_a_whole_job_has_what_its_dead_workers_have_recorded(
    folder: Folder,
) -> None:
    folder.inputs(list(range(40)))
    job = ("run", "agents.py:Busy", "-i", "in.jsonl", "-o", "out.jsonl", "--state", "state")
    with folder.started(*job, "--workers", 1, "--profile", "job.json") as running:
        pid = workers_of(folder)[0]
        record = folder.path / "state/profiles/worker-0.jsonl"
        wait_for(record.exists)
        os.kill(pid, signal.SIGKILL)
        _, said = running.communicate(timeout=60)
    assert "profile: job.json" in said
    (found,) = json.loads((folder.path / "job.json").read_text())["profiles"]
    assert found["unit"] == "seconds"
    pids = {json.loads(line)["pid"] for line in record.read_text().splitlines()}
    assert len(pids) == 2
    assert found["endValue"] > 2.0


@pytest.mark.nightly
def test_the_pool_of_a_task_of_flink_is_profiled_by_its_state_directory(folder: Folder) -> None:
    config = {"workers": 1, "shards": 4, "pause": 30.0}
    job = {"on_error": "dead-letter", "config": config}
    task = Task(folder.path / "task", range(GROUPS), job, step=1, first=0)
    task.start()
    try:
        task.input("k1", pickle.dumps({"n": 0}))
        wait_for((folder.path / "task/state/profiles/worker-0.jsonl").exists)
        (worker,) = json.loads(folder.tamias("stacks", "task/state", "--json").stdout)
        options = ("--seconds", "0.5", "--format", "json", "--key")
        found = folder.tamias("profile", "task/state", *options, "k1")
        other = folder.tamias("profile", "task/state", *options, "k2")
    finally:
        task.close(by_force=True)
    main = worker["threads"][0]
    assert (main["key"], main["action"], main["offset"]) == ("'k1'", "count", 0)
    assert ["key 'k1'", "", 0] in json.loads(found.stdout)["frames"]
    assert json.loads(other.stdout)["stacks"] == []
