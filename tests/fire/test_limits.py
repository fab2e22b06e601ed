"""Limits on workers, and the supervision of them, kept by the real pool over real trouble."""

from __future__ import annotations

import json
import os
import re
import resource
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.launcher.trouble import Job
from tamias.agent.errors import ConfigError, PoolError, WorkerStartError
from tamias.launcher.workers import monitor, watchdog
from tamias.store.state.layout import StateLayout
from tamias.worker.process.machine import POOL_PERCENT, POOLS_VARIABLE, memory_total

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def job(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Job:
    return Job(tmp_path, caplog)


def test_memory_bombs_are_killed_and_set_aside(job: Job) -> None:
    job.run({50: "bomb", 120: "async-bomb"}, memory_limit="200MiB", max_attempts=2)
    assert job.causes() == {50: "memory", 120: "memory"}
    pattern = r"it had [\d,]+ MiB of memory, more than memory-limit \(200 MiB\), executing input {}"
    assert re.search(pattern.replace("{}", r"50 \(key 'k10'\)"), job.said)
    assert re.search(pattern.replace("{}", "120"), job.dead[120].error)
    assert "fill_the_memory" in job.dead[50].stacks
    assert "fill_the_memory" in job.dead[120].stacks


def test_without_a_limit_each_worker_has_a_share_of_the_machine(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    pools = memory_total() * POOL_PERCENT // 100 // (400 << 20)
    monkeypatch.setenv(POOLS_VARIABLE, str(pools))  # so a share is 200 MiB
    job.run({50: "bomb", 120: "child-bomb", 150: "greedy"}, max_attempts=2)
    assert job.causes() == {50: "memory", 120: "memory", 150: "memory"}
    pattern = r"it had [\d,]+ MiB of memory, more than memory-limit \(auto: 20\d MiB\)"
    assert re.search(pattern + r", executing input 50 \(key 'k10'\)", job.dead[50].error)
    assert re.search(pattern + r", executing input 120 \(key 'k0'\)", job.dead[120].error)
    assert "fill_the_memory" in job.dead[50].stacks
    assert "MemoryError" in job.dead[150].error


@pytest.mark.parametrize(
    ("method", "said"),
    [("zygote", "the zygote was killed: it had"), ("spawn", r"failed to start \d times in a row")],
)
def test_an_import_that_takes_all_memory_ends_the_job(
    job: Job, monkeypatch: pytest.MonkeyPatch, method: str, said: str
) -> None:
    pools = memory_total() * POOL_PERCENT // 100 // (300 << 20)
    monkeypatch.setenv(POOLS_VARIABLE, str(pools))
    text = "taken = [bytearray(b'x') * (16 << 20) for _ in range(200)]\n"
    path = job.write("greedy.py", text)
    with pytest.raises(WorkerStartError, match=said) as caught:
        job.run({}, 1, target=f"{path}:Any", workers=1, start_method=method)
    assert re.search(r"more than memory-limit \(auto: \d+ MiB\)", caught.value.message)


def test_workers_that_are_too_large_only_together_are_replaced_and_no_input_is_suspected(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    pools = memory_total() * POOL_PERCENT // 100 // (200 << 20)
    monkeypatch.setenv(POOLS_VARIABLE, str(pools))  # 200 MiB together, 100 MiB at least for each
    specials = {offset: "leak" if offset < 80 else "doze" for offset in range(160)}
    job.run(specials, 160, keys=40, agent="Simple", workers=8)
    assert "all workers together had" in job.said
    assert job.dead == {}


def test_the_kernel_chooses_workers_before_launcher_and_zygote(job: Job) -> None:
    path = job.write(
        "expendable.py",
        """
import os
from pathlib import Path
from tamias import Agent, InputEvent, OutputEvent, action
def adjusted(process):
    return int(Path(f"/proc/{process}/oom_score_adj").read_text())
class Expendable(Agent):
    @action(InputEvent)
    @staticmethod
    def tell(event, ctx):
        ctx.send_event(OutputEvent(output=[adjusted("self"), adjusted(os.getppid())]))
""",
    )
    job.run({}, 4, target=f"{path}:Expendable")
    own = int(Path("/proc/self/oom_score_adj").read_text())
    assert {tuple(line["output"]) for line in job.lines} == {(min(1000, own + 900), own)}


def test_the_kernel_s_limit_raises_memory_error(job: Job) -> None:
    job.run({50: "bomb", 120: "async-bomb"}, memory_kernel_limit="500MiB", max_attempts=1)
    assert job.causes() == {50: "memory", 120: "memory"}
    assert all("MemoryError" in letter.error for letter in job.dead.values())


def test_a_limit_below_what_a_worker_needs_is_one_clear_error(job: Job) -> None:
    with pytest.raises(ConfigError, match="before it has done anything, and memory-limit is 3 MiB"):
        job.run({}, memory_limit="3MiB")


def test_a_worker_that_leaks_is_replaced_and_nothing_is_interrupted(job: Job) -> None:
    leaks = {offset: "leak" if offset % 2 else "nap" for offset in range(400)}
    job.run(leaks, 400, agent="Simple", memory_soft_limit="100MiB", window=16, workers=1)
    assert len({line["output"][2] for line in job.lines}) > 1
    assert (job.report.deaths, job.report.retries, job.dead) == (0, 0, {})
    assert re.search(r"is replaced: it has \d+ MiB of memory", job.said)


def test_workers_are_recycled_after_so_many_runs(job: Job) -> None:
    naps = dict.fromkeys(range(1000), "nap")
    job.run(naps, 1000, agent="Simple", recycle_runs=250, window=16, workers=1)
    assert len({line["output"][2] for line in job.lines}) > 1
    assert (job.report.deaths, job.report.retries) == (0, 0)
    assert "runs (recycle-runs)" in job.said


def test_things_that_stand_still_have_each_their_word(job: Job) -> None:
    trouble = {20: "spin", 60: "async-spin", 100: "async-hang", 140: "stop"}
    job.run(trouble, run_timeout="200ms", stop_timeout="200ms", max_attempts=2)
    assert job.causes() == {20: "timeout", 60: "timeout", 100: "timeout", 140: "crash"}
    dead = job.dead
    assert "a run took longer than run-timeout (0.2 s), executing input 20" in dead[20].error
    assert "blocked the event loop for longer than run-timeout (0.2 s)" in dead[60].error
    assert dead[100].error.endswith("the run took longer than the run-timeout of 0.2 s")
    assert "it was stopped (SIGSTOP) for longer than stop-timeout (0.2 s)" in dead[140].error
    assert "executing input 140 (key 'k0') for 0." in job.said
    assert "input 100 (key 'k0') is cancelled in action 'second'" in job.log
    # Stacks: of a thread in plain code; of thread and task; of a task that waits.
    assert "in spin_around" in dead[20].stacks
    assert "in spin_around" in dead[60].stacks
    assert "of input 60" in dead[60].stacks
    for text in ("of input 100", "in wait_for_ever", "waits for <Future pending"):
        assert text in dead[100].stacks


def test_an_action_that_holds_its_worker_is_reported_with_its_stack(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (watchdog, monitor):
        monkeypatch.setattr(module, "HELD_SECONDS", 1.2)
    job.run({60: "async-spin"}, run_timeout="2s", max_attempts=1)
    said = next(line for line in job.said.splitlines() if "does nothing else" in line)
    assert re.search(r"held by input 60 \(key 'k0'\) for \d s, in ", said)
    assert re.search(r"in second \(trouble_agent.py:\d+\), now in spin_around \(", said)
    assert re.search(r'\n  File ".*trouble_agent.py", line \d+ in spin_around\n', job.said)
    assert job.held
    assert "held by input 60" in job.held[0]
    assert job.last_status is not None
    assert all(not worker.held for worker in job.last_status.workers)


def test_an_action_that_waits_for_long_is_reported(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = job.write(
        "patient.py",
        """
import asyncio
from tamias import Agent, InputEvent, OutputEvent, action
from tamias.worker.engine import async_actions
async_actions.OVERDUE_SECONDS = 0.5
class Patient(Agent):
    @action(InputEvent)
    @staticmethod
    async def wait(event, ctx):
        await asyncio.wait_for(asyncio.Event().wait(), 60)
""",
    )
    job.run({}, 1, target=f"{path}:Patient", run_timeout="2500ms", max_attempts=1)
    pattern = (
        r"waits for input 0 \(key 'k0'\), in action 'wait' for \d s, in wait \(patient.py:10\)"
    )
    assert re.search(r"worker \d " + pattern, job.said)
    assert any(re.search(pattern, text) for text in job.held)


def test_an_input_that_kills_in_an_asynchronous_step_is_named(job: Job) -> None:
    job.run({30: "async-segv", 90: "async-child-segv"})
    # Named by the beacon in the first death already, so three are enough.
    assert {offset: letter.attempts for offset, letter in job.dead.items()} == {30: 3, 90: 3}


def test_two_that_kill_only_in_each_other_s_company_are_both_done(job: Job) -> None:
    pair = {60: "async-first-of-two", 61: "async-second-of-two"}
    job.run(pair, keys=1, workers=1)
    assert job.report.deaths >= 1
    assert job.dead == {}


TEN = {
    100: ("segv", "crash"),
    101: ("async-segv", "crash"),
    300: ("exit", "crash"),
    301: ("async-exit", "crash"),
    302: ("overflow", "crash"),
    500: ("spin", "timeout"),
    650: ("async-hang", "timeout"),
    800: ("bomb", "memory"),
    950: ("unpicklable", "unserializable"),
    999: ("async-unpicklable", "unserializable"),
}


def test_ten_poisons_end_with_their_causes_and_nobody_else_does(job: Job) -> None:
    special = {offset: kind for offset, (kind, _) in TEN.items()}
    job.run(special, 1000, keys=50, run_timeout="1s", memory_limit="250MiB", max_attempts=2)
    assert job.causes() == {offset: cause for offset, (_, cause) in TEN.items()}


def test_a_loop_in_a_plain_action_gets_advice(job: Job) -> None:
    job.run({7: "loop"}, 10)
    assert "declare it `async def`" in job.dead[7].error


def test_when_every_input_kills_the_pool_stops_if_it_is_to(job: Job) -> None:
    deadly = dict.fromkeys(range(12), "segv")
    with pytest.raises(PoolError, match="6 worker failures within 60 s"):
        job.run(deadly, 12, breaker_failures=6, on_breaker="stop")


def test_when_every_input_kills_the_pool_says_that_it_is_degraded(job: Job) -> None:
    deadly = dict.fromkeys(range(4), "segv")
    job.run(deadly, 4, breaker_failures=4, breaker_seconds="1h")
    assert job.causes() == dict.fromkeys(range(4), "crash")
    assert any("worker failures within 3600 s" in text for text in job.degraded)
    assert job.degraded[0] == ""


IMPORTS = {
    "dies": "import ctypes; ctypes.string_at(0)",
    "hangs": "import time; time.sleep(600)",
    "dies-twice": """
from pathlib import Path
count = Path(__file__).with_name("count")
count.write_text(count.read_text() + "x" if count.exists() else "x")
if len(count.read_text()) < 3:
    import ctypes
    ctypes.string_at(0)
""",
}
GOOD = """
from tamias import Agent, InputEvent, OutputEvent, action
class Good(Agent):
    @action(InputEvent)
    @staticmethod
    def pass_on(event, ctx):
        ctx.send_event(OutputEvent(output=event.input))
"""


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("dies", "the zygote was killed by SIGSEGV"),
        ("hangs", r"it was not ready within start-timeout \(3 s\)"),
    ],
)
def test_an_import_that_kills_or_hangs_is_one_clear_error(job: Job, kind: str, word: str) -> None:
    target = f"{job.write('bad.py', IMPORTS[kind] + GOOD)}:Good"
    with pytest.raises(WorkerStartError, match=word) as caught:
        job.run({}, target=target, start_timeout="3s" if kind == "hangs" else "1min")
    assert "logs/pool.log" in caught.value.hint
    assert 'bad.py", line 1 in <module>' in job.log


def test_an_import_that_kills_only_sometimes_is_tried_again(job: Job) -> None:
    job.run({}, target=f"{job.write('bad.py', IMPORTS['dies-twice'] + GOOD)}:Good")
    assert len(job.lines) == 200


def test_limits_of_the_kernel_s_own(job: Job) -> None:
    path = job.write(
        "limits.py",
        """
import os, resource
from tamias import Agent, InputEvent, OutputEvent, action
class Limits(Agent):
    @action(InputEvent)
    @staticmethod
    def tell(event, ctx):
        ctx.send_event(OutputEvent(output=[
            resource.getrlimit(resource.RLIMIT_NOFILE)[0], os.nice(0),
            sorted(os.sched_getaffinity(0)),
        ]))
""",
    )
    job.run({}, keys=50, target=f"{path}:Limits", open_files=300, nice=3, cpu_affinity="spread")
    outputs = [line["output"] for line in job.lines]
    assert {(files, nice) for files, nice, _ in outputs} == {(300, os.nice(0) + 3)}
    usable = sorted(os.sched_getaffinity(0))
    assert {cpu for _, _, cpus in outputs for cpu in cpus} == set(usable[:2])
    assert all(len(cpus) == 1 for _, _, cpus in outputs)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"cpu_affinity": "4000"}, "names CPU 4000"),
        ({"cpu_affinity": "some"}, "numbers of CPUs"),
        ({"user": "nobody-of-that-name"}, "no such user"),
        ({"memory_soft_limit": "2g", "memory_limit": "1g"}, "above memory-limit"),
    ],
)
def test_limits_that_cannot_be_kept_are_mistakes(
    job: Job, settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        job.run({}, **settings)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may have as many as it likes")
def test_more_open_files_than_allowed(job: Job) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with pytest.raises(ConfigError, match="hard limit"):
        job.run({}, open_files=most + 1)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run workers as somebody else")
def test_workers_run_as_another_user(public: Path, caplog: pytest.LogCaptureFixture) -> None:
    job = Job(public, caplog)
    path = job.write(
        "who.py",
        """
import os
IMPORTED_BY = os.getuid()
from tamias import Agent, InputEvent, OutputEvent, action
class Who(Agent):
    @action(InputEvent)
    @staticmethod
    def tell(event, ctx):
        ctx.short_term_memory.set("n", 1)
        ctx.send_event(OutputEvent(output=[IMPORTED_BY, os.getuid(), os.environ["USER"]]))
""",
    )
    job.run({}, target=f"{path}:Who", user="nobody")
    (output,) = {json.dumps(line["output"]) for line in job.lines}
    imported_by, uid, name = json.loads(output)
    assert imported_by == uid != 0
    assert name == "nobody"
    owners = {path.stat().st_uid for path in StateLayout(job.state).shards.rglob("*")}
    assert owners == {uid}
    job.run({}, target=f"{path}:Who", user="nobody")  # carries on with what is there


@pytest.fixture
def public() -> Iterator[Path]:
    """A directory that any user may read, where that goes for the interpreter and our code, too."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder).resolve()
        path.chmod(0o755)
        needed = [Path(sys.executable).resolve(), Path(__file__), path]
        places = {place for part in needed for place in (part, *part.parents)}
        if not all(place.stat().st_mode & (0o001 if place.is_dir() else 0o004) for place in places):
            pytest.skip("another user cannot reach the interpreter")
        yield path
