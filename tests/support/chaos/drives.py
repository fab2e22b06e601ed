"""The three drives of a chaos run, by name: who makes what of a seed, and what came of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from support.chaos import plan
from support.chaos.checker import judge
from support.chaos.ground import WITH_IT
from support.chaos.kinds import ONCE, POISONS
from support.chaos.serving import Serving
from support.chaos.stream import Stream

if TYPE_CHECKING:
    from support.chaos.checker import Violation
    from support.chaos.history import History
    from support.chaos.plan import Shape

DRIVES: Final = ("stream", "service", "pipe")


@dataclass
class Verdict:
    """What a seed has come to."""

    drive: str
    seed: int
    history: History
    problem: str = ""
    """Why it did not get to its end; empty if it did."""
    violations: list[Violation] = field(default_factory=list)

    @property
    def wrong(self) -> list[str]:
        """All that is wrong, as text."""
        told = [f"promise {number}: {text}" for number, text in self.violations]
        return [self.problem, *told] if self.problem else told


def drive(name: str, folder: Path, seed: int, shape: Shape) -> Verdict:
    """Run a seed and judge it. The history is saved in the folder, whatever comes of it."""
    job: Stream | Serving
    if name == "service":
        job = Serving(folder, seed, replace(shape, producers=4))
    elif name == "pipe":
        # Enough inputs, and large ones, that a launcher which kept them all would be seen to grow.
        job = Stream(folder, seed, replace(shape, gap=10 * shape.gap, pad=4000), pipe=True)
    else:
        job = Stream(folder, seed, shape)
    verdict = Verdict(name, seed, job.ground.history)
    try:
        job.run()
    except Exception as error:  # noqa: BLE001 (whatever it is, the seed has failed by it)
        verdict.problem = f"{type(error).__name__}: {error}"
    verdict.history.save(folder / "history.jsonl")
    verdict.violations = judge(verdict.history)
    return verdict


def planned(name: str, seed: int, shape: Shape) -> list[plan.Deed]:
    """What happens in a seed."""
    weights = {"stream": plan.STREAM, "pipe": plan.PIPE, "service": plan.SERVICE}[name]
    return plan.deeds(seed, shape, weights)


def faults_of(history: History) -> Counter[str]:
    """The faults that have really happened, by kind: from outside, and by inputs.

    Processes that were killed together are one fault, and so is an input that fails at every try.
    """
    counts = Counter(fault.kind for fault in history.faults if fault.kind != WITH_IT)
    kinds = {submitted.i: submitted.kind for submitted in history.submitted}
    run = {run.i for run in history.runs}
    counts.update(f"input: {kind}" for i, kind in kinds.items() if kind in ONCE and i in run)
    dead = {letter.i for letter in history.letters}
    counts.update(f"poison: {kinds[i]}" for i in dead & kinds.keys() if kinds[i] in POISONS)
    return counts
