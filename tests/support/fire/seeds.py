"""Kill at seeded random instants until the job is done, then judge.

What is killed: workers, the zygote or its reaper, the launcher, all of them at once. Some launchers
are drained, and some processes of all sorts stopped for a while, which is no kill but has to come
out the same.

A seed fixes the inputs, the shape of the job (batch, window, shards, order, caches) and the
schedule of kills: how long to wait, and what to kill then. Instants are of the wall clock, so a
seed is a strong hint and not a proof: run it several times to see a failure again.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from support.core import require_core
from support.fire.run import KINDS, LONG, TTL, Field, Shape, workers_below, zygotes_below

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from support.fire.run import Outcome

MOST_SECONDS = 60.0
REPAIRABLE = {"plain", "multi", "gather", "mixed", "call"}
MANY = 3
"""So many kills in one life may end it, with a clear error, if each of them hits a start."""


def shape_of(seed: int, base: Shape | None = None) -> Shape:
    """The job that a seed stands for."""
    chance = random.Random(f"shape {seed}")
    base = base or Shape()
    config = {
        "batch-size": chance.choice([1, 7, 64, 256]),
        "window": chance.choice([16, 128, 1024]),
        "shards": chance.choice([3, 4, 16]),
        "sync-in-threads": chance.random() < 0.1,
        **base.config,
    }
    environment = dict(base.environment)
    if chance.random() < 0.5:
        config["short-term-memory.cache-max-bytes"] = chance.choice([0, 3_000, 12_000])
        environment["FIRE_PREFETCH"] = str(chance.choice([1, 5, 64]))
    ordered = chance.random() < 0.25
    inputs = chance.choice([400, 1000, 2000]) * base.inputs // 1500
    keys = chance.choice([3, 40, 200])
    scales, ends = chance.random() < 0.15, chance.random() < 0.5
    if chance.random() < 0.3:
        config[TTL] = LONG
    return replace(
        base,
        inputs=inputs,
        keys=keys,
        config=config,
        environment=environment,
        ordered=ordered,
        scales=scales,
        ends=ends,
    )


class _Plan:
    """Who is to be killed, how often and how many times."""

    def __init__(self, seed: int) -> None:
        self.chance = chance = random.Random(f"kills {seed}")
        zygotes = chance.choice([0, 1])
        self.weights = {
            "worker": chance.choice([6, 12]),
            "zygote": 2 * zygotes,
            "launcher": 2,
            "drain": chance.choice([0, 1]),
            "all": chance.choice([0, 1]),
            "pause": chance.choice([0, 3]),
        }
        self._crews = chance.choice([[2], [1, 2, 3]])
        self.pace = chance.choice([0.03, 0.08, 0.2])
        """Seconds between two kills, on average."""
        self.most = chance.choice([4, 10, 20])

    def workers(self) -> int:
        """How many workers the next life of the launcher has."""
        return self.chance.choice(self._crews)


def under_fire(directory: Path, seed: int, base: Shape | None = None) -> tuple[Field, Outcome]:
    """Run the job of a seed under fire, resuming it until it ends."""
    field = Field(directory, seed, shape_of(seed, base))
    problem = _fire_until_finished(field, seed)
    return field, _judged(field, problem)


def retried_under_fire(directory: Path, seed: int) -> tuple[Field, Outcome]:
    """Run the job of a seed, then retry its dead letters under fire."""
    base = Shape(kinds=[*KINDS, *(f"broken-{kind}" for kind in KINDS if kind in REPAIRABLE)])
    field = Field(directory, seed, shape_of(seed, base))
    problem = ""
    if field.finish(field.start()) != 0:
        problem = "the first life failed"
    else:
        field.retrying = True
        problem = _fire_until_finished(field, seed)
    return field, _judged(field, problem)


def _fire_until_finished(field: Field, seed: int) -> str:
    """Begin lives and end them until one gets through; what went wrong, if anything."""
    plan = _Plan(seed)
    deadline = time.monotonic() + MOST_SECONDS
    problem = ""
    ended = False
    while not problem and not ended:
        before = sum(field.kills.values())
        launcher = field.start(plan.workers())
        killed = _fire(field, launcher, plan, deadline)
        code = field.finish(launcher, max(1.0, deadline - time.monotonic()))
        if code is None:
            problem = "the launcher hangs"
        elif code > 0 and sum(field.kills.values()) >= before + MANY and field.gave_up():
            continue  # nothing that is killed so often while it starts can be kept alive
        elif code > 0 or (code < 0 and not killed):
            problem = f"the launcher ended with code {code}"
        elif code == 0 and not field.finished and not killed:
            problem = "the launcher says that it was interrupted"
        ended = field.finished
    return problem


def _judged(field: Field, problem: str) -> Outcome:
    outcome = field.judge()
    if problem:
        outcome.wrong.insert(0, problem)
    return outcome


def _fire(field: Field, launcher: subprocess.Popen[bytes], plan: _Plan, deadline: float) -> bool:
    """Shoot at one life of a launcher until it ends; whether it was the launcher that was hit."""
    chance = plan.chance
    if chance.random() < 0.8:
        while (
            launcher.poll() is None
            and not workers_below(launcher.pid)
            and time.monotonic() < deadline
        ):
            time.sleep(0.003)
    while time.monotonic() < deadline and sum(field.kills.values()) < plan.most:
        wait = chance.expovariate(1 / plan.pace)
        what = chance.choices(list(plan.weights), list(plan.weights.values()))[0]
        ended = time.monotonic() + wait
        while (left := ended - time.monotonic()) > 0:
            if launcher.poll() is not None:
                return False
            time.sleep(min(left, 0.01))
        if what == "drain":
            field.shoot(launcher.pid, what, signal.SIGTERM)
            return True
        targets = _targets(what, launcher.pid)
        if what == "pause":
            _pause(chance.choice(targets), chance.choice([0.05, 0.3, 1.0]))
        elif what == "all":
            chance.shuffle(targets)
            for target in targets:
                field.shoot(target, what)
            return True
        elif targets:
            field.shoot(chance.choice(targets), what)
        if what == "launcher":
            return True
    return False


def _targets(what: str, launcher: int) -> list[int]:
    """The processes of a kind."""
    for worker in workers_below(launcher):
        require_core(worker)
    kinds = {
        "launcher": lambda: [launcher],
        "zygote": lambda: zygotes_below(launcher),
        "worker": lambda: workers_below(launcher),
        "all": lambda: [launcher, *zygotes_below(launcher), *workers_below(launcher)],
        "pause": lambda: [launcher, *zygotes_below(launcher), *workers_below(launcher)],
    }
    return kinds[what]()


def _pause(pid: int, seconds: float) -> None:
    """Stop a process for a while, in which whatever waits for it waits, or is killed."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
        threading.Timer(seconds, _go_on, [pid]).start()


def _go_on(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)
