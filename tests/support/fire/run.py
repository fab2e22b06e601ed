"""Exactly once under fire: run a job, kill its processes, resume it, compare with the model.

`Field` is the place where one job happens: its files, its launcher's lives, its verdict. Who dies
and when is decided by the caller: `fire_random.py` kills from outside at seeded instants, the
crash-point tests let the processes kill themselves at named places.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from support.fire.beside import Answering, Scaling
from support.fire.model import Model, Token, known
from support.fire.notes import wrong_notes
from support.fire.waiting import Waiting
from tamias.store.records.usage import NO_USE
from tamias.store.state.layout import StateLayout
from tamias.store.state.reader import StoreReader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tamias.store.records.dead_letters import DeadLetter

MOST_WRONG = 6
TTL = "short-term-memory.state-ttl.ms"
LONG = 3_600_000
"""A lifetime of memory, in milliseconds, that no job reaches: its fields have times, and stay."""
HERE = Path(__file__).parent
AGENT = HERE / "agent.py"
KINDS = (
    ["plain"] * 20 + ["multi"] * 6 + ["gather"] * 3 + ["threads"] * 2 + ["mixed"] * 2
    + ["slow"] * 4 + ["call"] * 3 + ["callfail"] + ["twice"] * 2
    + ["flaky", "flaky-gather", "raise", "malformed"]
    + ["nap", "naps", "flaky-nap", "ask", "late", "tick", "ticks", "arm", "arm", "disarm", "bogus"]
    + ["limited"] + ["note"] * 4
)  # fmt: skip


LIMITS = {
    "outside": {
        "requests-per-minute": 60_000,
        "budget-tokens": 1_000_000,
        "per-key": {"budget-tokens": 100_000},
    }
}
TOKENS = 10
LIMITED = ("l0", "l1", "l2")
"""Calls with limits, each of which uses `TOKENS`."""


@dataclass
class Shape:
    """What a job looks like."""

    inputs: int = 1500
    keys: int = 60
    kinds: list[str] = field(default_factory=lambda: KINDS)
    config: dict[str, Any] = field(default_factory=dict)
    ordered: bool = False
    environment: dict[str, str] = field(default_factory=dict)
    scales: bool = False
    """Whether workers come and go."""
    ends: bool = False
    """Whether keys want to know of the end of the input."""
    special: dict[int, str] = field(default_factory=dict)
    """Kinds of single inputs, by offset."""


@dataclass
class Outcome:
    """What a job has come to; `wrong` is empty if all is as it must be."""

    wrong: list[str]
    lives: int
    kills: dict[str, int]
    calls: int
    repeated: int
    seconds: float


class Field:
    """One job under fire, in a directory of its own."""

    def __init__(self, directory: Path, seed: int, shape: Shape) -> None:
        self.directory = directory
        self.shape = shape
        self.seed = seed
        self.state = directory / "state"
        self.output = directory / "out.jsonl"
        self.calls = directory / "calls"
        self.answering = Answering(self.state)
        self._beside = [self.answering, *([Scaling(self.state)] if shape.scales else [])]
        self.plan = directory / "plan.json"
        self.report = directory / "report.json"
        self.errors = directory / "stderr"
        self.retrying = False
        """Whether lives retry the dead letters, with code that can do the broken ones."""
        self.lives = 0
        self.dead: dict[int, DeadLetter] = {}
        """What `judge` has found in the dead letters, by offset."""
        self.kills: dict[str, int] = defaultdict(int)
        self._began = time.monotonic()
        directory.mkdir(parents=True, exist_ok=True)
        self.inputs = make_inputs(seed, shape)
        source = directory / "in.jsonl"
        with source.open("w") as lines:
            for key, value in self.inputs:
                bogus = {"answer_to": f"q{0:047x}"} if value["kind"] == "bogus" else {}
                line = json.dumps({"key": key, "value": {**value, **bogus}})
                lines.write((line[:-3] if value["kind"] == "malformed" else line) + "\n")
        self.spec: dict[str, Any] = {
            "target": f"{AGENT}:{'FireAgentWithEnds' if shape.ends else 'FireAgent'}",
            "input": str(source),
            "output": str(self.output),
            "ordered": shape.ordered,
            "config": {
                "suspend-after": 0.02,
                "at-end": "wait",
                "limits": LIMITS,
                **shape.config,
            },
        }

    # -- lives --------------------------------------------------------------------------------

    def start(self, workers: int = 2, **environment: str) -> subprocess.Popen[bytes]:
        """Begin the job, or carry on with it, in a new launcher."""
        self.lives += 1
        self.spec["config"]["workers"] = workers
        plan = {"spec": self.spec, "state": str(self.state), "retry": self.retrying}
        self.plan.write_text(json.dumps(plan))
        if self.retrying:
            environment["FIRE_REPAIRED"] = "1"
        self.report.unlink(missing_ok=True)
        for one in self._beside:
            one.start()
        with self.errors.open("ab") as errors:
            return subprocess.Popen(
                [sys.executable, str(HERE / "child.py"), str(self.plan)],
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                env={
                    **os.environ,
                    "FIRE_CALLS": str(self.calls),
                    **self.shape.environment,
                    **environment,
                },
            )

    def finish(self, launcher: subprocess.Popen[bytes], timeout: float = 60.0) -> int | None:
        """Wait for the launcher's end; its exit code, None when it hangs (it is killed then)."""
        try:
            return launcher.wait(timeout)
        except subprocess.TimeoutExpired:
            launcher.kill()
            launcher.wait()
            return None

    def gave_up(self) -> bool:
        """Whether the last life ended because its workers did not start."""
        *_, last = self.errors.read_text(errors="replace").strip().splitlines()
        return "WorkerStartError" in last

    @property
    def finished(self) -> bool:
        """Whether the last life has come to the job's end."""
        return self.report.exists() and json.loads(self.report.read_text())["finished"] is True

    def shoot(self, pid: int, what: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a process a signal, and count it."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
            self.kills[what] += 1

    # -- the verdict --------------------------------------------------------------------------

    def judge(self) -> Outcome:
        """Compare everything with the model."""
        model = Model(self.inputs, repaired=self.retrying)
        answers = self.answers()
        for one in self._beside:
            one.stop()
        shape = self.shape
        waiting = Waiting(
            self.inputs,
            self.answering,
            ends=shape.ends,
            ordered=shape.ordered,
            retried=self.retrying,
        )
        wrong = [*self._judge_calls(model, answers)]
        wrong += self._judge_outputs(model, answers, waiting)
        wrong += waiting.wrong()
        given = waiting.given
        with StoreReader(self.state) as reader:
            for key, memory in model.memory.items():
                expected, found = known(memory, answers, given), reader.memory(key)
                wrong += waiting.wrong_memory(key, found or {})
                if found != expected:
                    wrong.append(f"memory of {key}: {_difference(expected, found)}")
            self.dead = {letter.offset: letter for letter in reader.dead_letters()}
            if self.dead.keys() != model.dead.keys():
                wrong.append(f"dead are {list(self.dead.values())}, should be {model.dead}")
            for number in range(reader.view.manifest.shards):
                with reader.shard(number) as snapshot:
                    if snapshot is not None and snapshot.waiting.counts():
                        wrong.append(f"shard {number} waits: {snapshot.waiting.counts()}")
            used = reader.usage().get("outside", NO_USE).tokens
            if used != (due := TOKENS * sum(call.name in LIMITED for call in model.calls)):
                wrong.append(f"{used} tokens are counted as used, should be {due}")
            wrong += wrong_notes(model, self.state, reader)
            journal = reader.journal()
            if journal:
                wrong.append(f"journal left: {list(journal.items())[:2]}")
        return Outcome(
            wrong[:MOST_WRONG],
            self.lives,
            dict(self.kills),
            sum(map(len, answers.values())),
            sum(len(tokens) - 1 for tokens in answers.values()),
            time.monotonic() - self._began,
        )

    def answers(self) -> dict[Token, list[str]]:
        """Every call that was really made, with the tokens it was given, in order."""
        answers: dict[Token, list[str]] = defaultdict(list)
        if self.calls.exists():
            for line in self.calls.read_text().splitlines():
                i, name, token = line.split()
                answers[Token(int(i), name)].append(token)
        return answers

    def _judge_calls(self, model: Model, answers: dict[Token, list[str]]) -> Iterator[str]:
        kills = sum(self.kills.values()) + 5 * len(self.shape.special)
        for call in model.calls - answers.keys():
            yield f"{call} was never made"
        for call, tokens in answers.items():
            if call not in model.calls:
                yield f"{call} was made, but not by this agent"
            elif len(tokens) > 1 + kills:
                yield f"{call} was made {len(tokens)} times, with {kills} kills"

    def _judge_outputs(
        self, model: Model, answers: dict[Token, list[str]], waiting: Waiting
    ) -> Iterator[str]:
        found: dict[str, list[tuple[int, dict[str, Any]]]] = defaultdict(list)
        ids = set()
        last = -1
        lines = self.output.read_text().splitlines()
        for line in lines:
            record = json.loads(line)
            if waiting.take(record):
                continue
            identity = record["output"].pop("id")
            if identity in ids:
                yield f"event {identity} twice: {record}"
            ids.add(identity)
            found[record["key"]].append((record["offset"], record["output"]))
            if self.shape.ordered and not self.retrying and record["key"] not in waiting.held:
                if record["offset"] < last:
                    yield f"offset {record['offset']} after {last}, though ordered"
                last = record["offset"]
        for key, outputs in model.outputs.items():
            expected = known([list(output) for output in outputs], answers, waiting.given)
            printed: list[Any] = [list(output) for output in found[key]]
            if self.shape.ordered and key in waiting.held:  # what has waited is appended
                expected.sort(key=lambda output: output[0])
                printed.sort(key=lambda output: output[0])
            if printed != expected:
                yield f"outputs of {key}: {_difference(expected, printed)}"
        if found.keys() - model.outputs.keys():
            yield f"outputs of unknown keys: {list(found.keys() - model.outputs.keys())[:3]}"

    def last_words(self) -> str:
        """The ends of what launcher and workers have printed."""
        log = StateLayout(self.state).pool_log
        return "\n".join(
            f"--- {path.name}\n{path.read_text(errors='replace')[-3000:]}"
            for path in (self.errors, log)
            if path.exists()
        )


def make_inputs(seed: int, shape: Shape) -> list[tuple[str, dict[str, Any]]]:
    """Keys and values; the same for the same seed and shape."""
    chance = random.Random(f"inputs {seed}")
    inputs = [
        (
            f"k{min(chance.randrange(shape.keys), chance.randrange(shape.keys))}",
            {"i": i, "n": chance.randrange(1000), "kind": chance.choice(shape.kinds)},
        )
        for i in range(shape.inputs)
    ]
    for offset, kind in shape.special.items():
        inputs[offset][1]["kind"] = kind
    return inputs


def children(pid: int) -> list[int]:
    """Pids of a process's living children, its zombies apart."""
    found = []
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            text = (thread / "children").read_text()
            found += [int(child) for child in text.split()]
    return [child for child in found if alive(child)]


def workers_below(launcher: int) -> list[int]:
    """Pids of the workers below a launcher."""
    return [pid for pid in _below(launcher) if _is_worker(pid)]


def zygotes_below(launcher: int) -> list[int]:
    """Pids of the zygotes below a launcher, and of their reapers."""
    parents = [pid for child in children(launcher) for pid in (child, *children(child))]
    return [pid for pid in parents if not _is_worker(pid)]


def _below(launcher: int) -> list[int]:
    found = []
    for reaper in children(launcher):
        for zygote in children(reaper):
            # A child that a worker has just forked still has the worker's name.
            found += [zygote] if _is_worker(zygote) else [zygote, *children(zygote)]
    return found


def _is_worker(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().startswith("tamias worker")
    return False


def alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return psutil.Process(pid).status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False


def _difference(expected: Any, found: Any) -> str:
    """The first place where two values differ."""
    if isinstance(expected, list) and isinstance(found, list):
        for index, (left, right) in enumerate(zip(expected, found, strict=False)):
            if left != right:
                return f"[{index}] should be {left}, is {right}"
        return f"should have {len(expected)} items, has {len(found)}"
    if isinstance(expected, dict) and isinstance(found, dict):
        for name in sorted(expected.keys() | found.keys()):
            if expected.get(name) != found.get(name):
                return f"[{name}] should be {expected.get(name)}, is {found.get(name)}"
    return f"should be {expected}, is {found}"
