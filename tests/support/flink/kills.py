"""Seeded kills on a real cluster, at random instants: what a job goes through, and the judgement.

A job runs in two halves, with a savepoint between them and at another parallelism after it. In
either half things are killed, in an order and at times that the seed gives: workers, zygotes,
launchers, several at once, whole task managers, whose disks are lost with them.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import psutil

from support.core import require_core
from support.flink import outputs, patient
from support.flink.cluster import SUPPORT, Cluster

if TYPE_CHECKING:
    from pathlib import Path

JOB = SUPPORT / "job.py"
KEYS = 42
"""A multiple of any parallelism: so all inputs of a key come by one way, and in order."""
RATE = 300
RATE_WITH_WAITS = 60
ENDLESS = 100_000
PARALLELISM = (2, 3)
"""With 1, Flink gives the operators around the agent other names, and a savepoint does not fit."""
SLACK = 1.0
"""Seconds in which a call that was made may not yet be on record."""


@dataclass(frozen=True, slots=True)
class Kill:
    """One of them."""

    at: float
    """Seconds since the epoch."""
    kept_since: float | None = None
    """For a task manager's, or a stop: when the last complete checkpoint had begun."""


@dataclass(slots=True)
class Outcome:
    """What a seed has led to."""

    kills: Counter[str] = field(default_factory=Counter)
    outputs: int = 0
    calls: int = 0
    repeated: int = 0
    restarts: int = 0
    """How often Flink restarted the job."""
    seconds: float = 0.0


class Answers:
    """Answers the questions that a job has put into its sink.

    Attributes:
        folder: where the job finds the answers.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "answers"
        self.folder.mkdir(parents=True)
        self._home = folder
        self.known: set[str] = set()

    def give(self) -> None:
        """Answer the questions that are new."""
        lines = outputs.lines(self._home / "out")
        new = [line for line in lines if "token" in line and line["token"] not in self.known]
        self.known.update(line["token"] for line in new)
        if new:
            hidden = self._home / f"{len(self.known)}.json"
            hidden.write_text("".join(map(patient.answer_line, new)))
            hidden.rename(self.folder / hidden.name)  # a file must not grow


class Field:
    """A cluster with a job under fire."""

    def __init__(self, cluster: Cluster, folder: Path, seed: int, *, waits: bool = False) -> None:
        """`waits`: the agent's runs wait, and are answered."""
        self.cluster = cluster
        self.outcome = Outcome()
        self._folder = folder
        self._chance = random.Random(seed)
        self._kills: list[Kill] = []
        self._job = ""
        self._answers = Answers(folder) if waits else None

    def run(self, steps: int) -> Outcome:
        """Both halves, with so many kills in each.

        Raises:
            AssertionError: something has come out wrong.
        """
        began = time.monotonic()
        parallelism = self._chance.choice(PARALLELISM)
        self._half(steps, parallelism, None)
        before = time.time()
        savepoint = self.cluster.stop_with_savepoint(self._job)
        # Until the job ended, its pools went on; what they did then is not in the savepoint.
        self._kills.append(Kill(time.time(), before))
        self._check()
        self._half(steps, self._chance.choice(PARALLELISM), savepoint)
        self.cluster.wait_for_checkpoint(self._job, more=2)
        pools = [*self.cluster.launchers(), *self.cluster.workers()]
        self.cluster.cancel(self._job)
        _, alive = psutil.wait_procs(pools, timeout=60)
        assert alive == [], "a cancelled job has left processes"
        assert self.cluster.states() == [], "a cancelled job has left its state"
        self._judge()
        self.outcome.seconds = time.monotonic() - began
        return self.outcome

    def _half(self, steps: int, parallelism: int, savepoint: str | None) -> None:
        arguments: list[object] = ["--rate", RATE]
        if self._answers is not None:
            arguments = ["--rate", RATE_WITH_WAITS, "--agent", "Patient"]
            arguments += ["--answers", self._answers.folder]
            arguments += ["--set", "suspend-after=0.05s", "--set", "pause=1"]
        arguments += ["--set", f"calls={self._folder / 'calls'}"]
        self._job = self.cluster.submit(
            JOB,
            *(self._folder / "out", "--count", ENDLESS, "--keys", KEYS, *arguments),
            savepoint=savepoint,
            parallelism=parallelism,
        )
        self.cluster.wait_for(lambda: len(self.cluster.workers()) >= parallelism, 180)
        self.cluster.wait_for_checkpoint(self._job)
        for _ in range(steps):
            time.sleep(self._chance.uniform(0.0, 2.5))
            if self._answers is not None:
                self._answers.give()
            self._kill()
        self.cluster.wait_for(lambda: len(self.cluster.workers()) >= parallelism, 180)
        self.cluster.wait_for_checkpoint(self._job, more=2)
        self.outcome.restarts += self.cluster.failures(self._job)

    def _kill(self) -> None:
        kinds = ("worker", "zygote", "launcher", "all of a pool", "task manager")
        kind = self._chance.choices(kinds, [4, 2, 4, 2, 2])[0]
        if kind == "task manager":
            self._kill_task_manager()
        else:
            self._kill_in_pool(kind)

    def _kill_in_pool(self, kind: str) -> None:
        launchers = self.cluster.launchers()
        if not launchers:
            return  # the job is being restarted
        launcher = self._chance.choice(launchers)
        with suppress(psutil.NoSuchProcess):
            below = launcher.children(recursive=True)
            victims = [launcher, *below] if kind.startswith("all") else []
            if kind == "launcher":
                victims = [launcher]
            elif not victims:
                victims = [it for it in below if it.name().startswith(f"tamias {kind}")][:1]
            for each in below:
                if each.name().startswith("tamias worker"):
                    require_core(each.pid)
            for victim in victims:
                with suppress(psutil.NoSuchProcess):
                    victim.kill()
            self.outcome.kills[kind] += bool(victims)
            self._kills.append(Kill(time.time()))

    def _kill_task_manager(self) -> None:
        busy = self.cluster.busy()
        if not busy:
            return
        told = self.cluster.ask(f"/jobs/{self._job}/checkpoints") or {}
        latest = (told.get("latest") or {}).get("completed") or {}
        self.cluster.kill_task_manager(self._chance.choice(busy))
        self._kills.append(Kill(time.time(), latest.get("trigger_timestamp", 0) / 1000))
        self.outcome.kills["task manager"] += 1
        self.cluster.start_task_manager()

    def _judge(self) -> None:
        self.outcome.outputs = self._check()
        assert self.outcome.outputs > 0
        times = outputs.calls(self._folder / "calls")
        self.outcome.calls = len(times)
        for call, made in times.items():
            for first, again in pairwise(made):
                self.outcome.repeated += 1
                assert self._explains(first, again), (
                    f"call {call} was made at {first} and again at {again}, for no reason"
                )

    def _check(self) -> int:
        """Check what is in the sink, and return how many inputs are done."""
        if self._answers is None:
            return outputs.check_exact(self._folder / "out", KEYS)
        found = [line for line in outputs.lines(self._folder / "out") if "token" not in line]
        in_order = sorted(found, key=patient.place_of)
        return patient.judge(in_order, None, KEYS, has_ended=False)

    def _explains(self, first: float, again: float) -> bool:
        """Whether a kill may be why a call was made again."""
        for kill in self._kills:
            if not first - SLACK <= kill.at <= again:
                continue
            if kill.kept_since is not None and first > kill.kept_since - SLACK:
                return True  # nothing of it was in the checkpoint
            if abs(kill.at - first) <= SLACK:
                return True  # between call and record
        return False
