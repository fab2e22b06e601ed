"""Whatever dies: no process, no file, no reader slot stays behind."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from functools import partial
from pathlib import Path
from subprocess import DEVNULL, Popen
from typing import TYPE_CHECKING

import lmdb
import psutil
import pytest

from support.fire.run import Field, Shape, alive, children, workers_below
from support.profiles import examples
from tamias.store.state.layout import StateLayout

if TYPE_CHECKING:
    from collections.abc import Callable

KILLED = examples(40)
"""So many workers are killed one after the other."""

FEW = {"shards": 4, "window": 64}

PARENTS = ["plain"] * 40 + ["slow"] * 5 + ["child"]
"""Inputs, some of which start a process that sleeps for a minute."""

LOCAL = """
from tamias import *
class Count(Agent):
    @action(InputEvent)
    @staticmethod
    def go(event, ctx):
        ctx.short_term_memory.set("n", (ctx.short_term_memory.get("n") or 0) + 1)
        ctx.send_event(OutputEvent(output=event.input))
env = AgentsExecutionEnvironment.get_execution_environment()
outputs = env.from_list([{"key": i % 50, "value": i} for i in range(300_000)]).apply(Count())
outputs.to_list()
env.execute()
"""


def descendants(pid: int) -> list[int]:
    return [process.pid for process in psutil.Process(pid).children(recursive=True)]


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@pytest.mark.parametrize("method", ["zygote", "spawn"])
def test_nothing_outlives_a_killed_launcher(tmp_path: Path, method: str) -> None:
    config = {"start-method": method}
    field = Field(tmp_path, 0, Shape(inputs=20_000, kinds=PARENTS, config=config))
    launcher = field.start()

    def sleepers() -> int:
        return sum(psutil.Process(pid).name() == "sleep" for pid in descendants(launcher.pid))

    assert wait_for(lambda: sleepers() >= 3, 60)
    pids = descendants(launcher.pid)
    launcher.kill()
    launcher.wait()
    gone = wait_for(lambda: not any(map(alive, pids)), 60)
    left = [psutil.Process(pid).cmdline() for pid in pids if alive(pid)]
    for pid in filter(alive, pids):
        os.kill(pid, signal.SIGKILL)
    assert gone, left
    assert f"tamias-{launcher.pid}-" not in Path("/proc/net/unix").read_text()
    assert not [path for path in field.state.rglob("*") if path.is_socket()]


@pytest.mark.parametrize("victim", ["worker", "zygote", "reaper"])
@pytest.mark.parametrize("method", ["zygote", "spawn"])
def test_what_an_action_has_started_dies_with_its_worker(
    tmp_path: Path, method: str, victim: str
) -> None:
    config = {"start-method": method}
    field = Field(tmp_path, 0, Shape(inputs=20_000, kinds=PARENTS, config=config))
    launcher = field.start(workers=1)
    try:
        assert wait_for(lambda: len(descendants(launcher.pid)) >= 5, 60)
        (reaper,) = children(launcher.pid)
        (worker,) = workers_below(launcher.pid)
        started = children(worker)
        assert started
        shot = {"worker": worker, "zygote": psutil.Process(worker).ppid(), "reaper": reaper}
        field.shoot(shot[victim], victim)
        assert wait_for(lambda: not any(map(alive, started)), 60)
    finally:
        launcher.kill()
        launcher.wait()


@pytest.mark.parametrize("moment", [0.05, 0.2, 0.4, 0.6, 0.8, 1.0])
def test_temporary_state_goes_with_a_killed_launcher(tmp_path: Path, moment: float) -> None:
    launcher = Popen(
        [sys.executable, "-c", LOCAL],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=DEVNULL,
        stderr=DEVNULL,
    )
    assert wait_for(lambda: bool(children(launcher.pid)), 60)
    time.sleep(moment)
    launcher.kill()
    launcher.wait()
    # A zygote that is only just starting has to get as far as learning of it.
    assert wait_for(lambda: not list(tmp_path.iterdir()), 60), list(tmp_path.rglob("*"))


def test_many_killed_workers(tmp_path: Path) -> None:
    field = Field(tmp_path, 0, Shape(inputs=300 * KILLED, keys=500, config=FEW))
    launcher = field.start()

    chance = random.Random(0)

    def written() -> int:
        return field.output.stat().st_size if field.output.exists() else 0

    def grown(before: int) -> bool:
        return written() > before

    descriptors = []
    while field.kills["worker"] < KILLED:
        before = written()
        descriptors.append(psutil.Process(launcher.pid).num_fds())
        workers = workers_below(launcher.pid)
        if workers:
            field.shoot(chance.choice(workers), "worker")
        # Only what gets on is worth killing again: wait for the next output.
        assert wait_for(partial(grown, before), 60), field.last_words()
        time.sleep(chance.uniform(0, 0.02))
    # Two lives of a worker may overlap for a moment; a leak would be of one per death.
    half = KILLED // 2
    assert max(descriptors[half:]) < max(descriptors[:half]) + 10, "descriptors leak"
    assert field.finish(launcher, 60) == 0, field.last_words()
    outcome = field.judge()
    assert not outcome.wrong, field.last_words()
    for number in range(4):
        with lmdb.open(str(StateLayout(field.state).shard(number)), max_dbs=16) as shard:
            shard.reader_check()
            assert shard.readers().strip() == "(no active readers)"
            pages = shard.info()["last_pgno"]
            kept = shard.stat()["psize"] * pages
            assert kept < 8 << 20, f"shard {number} has grown to {pages} pages"
