"""What a seed stands for: the inputs, and what happens when.

A fault's instant is told by progress (so many runs have begun since the fault before), because the
clock of a busy machine says little; a part of them comes at once after the one before, or some
milliseconds later, to hit processes that are only just starting. Which process is hit is a number
between 0 and 1, since how many there are will be seen. So a seed repeats inputs, faults, their
order and places, but not to the instant: a failure that depends on more may take some tries.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from support.chaos.history import Submitted
from support.chaos.kinds import CALM, ONCE, POISONS, TIMED

if TYPE_CHECKING:
    from collections.abc import Mapping

STREAM = {
    "worker SIGKILL": 28,
    "worker SIGSEGV": 14,
    "worker paused": 6,
    "worker stopped": 3,
    "zygote SIGKILL": 5,
    "zygote SIGSEGV": 2,
    "zygote paused": 2,
    "launcher SIGKILL": 7,
    "launcher SIGSEGV": 2,
    "launcher paused": 3,
    "launcher SIGTERM": 1,
    "all SIGKILL": 4,
    "scale": 10,
    "reload": 4,
    "bad reload": 4,
}
"""Faults of a job with files, with weights."""

PIPE = {
    "worker SIGKILL": 10,
    "worker SIGSEGV": 4,
    "worker paused": 3,
    "worker stopped": 1,
    "zygote SIGKILL": 2,
    "launcher paused": 1,
    "scale": 4,
    "sink paused": 12,
}
"""Those of a job whose outputs go to a pipe: what a launcher has written there stays there, so it
is not killed (see docs/guarantees.md, 2)."""

SERVICE = {
    **{name: weight for name, weight in STREAM.items() if name != "launcher SIGTERM"},
    "client SIGKILL": 14,
    "client disconnects": 10,
    "client paused": 6,
}
"""Those of a service with clients."""

BAD_CODES = ("import", "raise", "segv", "spin", "smoke")
"""Kinds of code that must not be promoted."""


LENGTHY = ("scale", "reload", "bad reload")
CALM_RUNS = 1200
"""Runs during which nothing else happens, at most."""


@dataclass(frozen=True, slots=True)
class Deed:
    """One thing to do."""

    kind: str
    after: int
    """Runs that have to begin before, since the last one."""
    pause: float
    """Seconds to wait then."""
    pick: float
    """Which of the processes, or which variant, from 0 to 1."""
    calm: bool = False
    """Whether nothing else happens for a while; only for what takes its time."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How large a plan is."""

    faults: int = 100
    gap: int = 40
    """Runs between two faults, on average."""
    producers: int = 1
    keys: int = 30
    poisons: float = 0.002
    """Share of the inputs that must end in the dead letters."""
    once: float = 0.01
    """Share of those that make trouble once."""
    slow: float = 0.1
    """Share of these two that take as long as `run-timeout`, or need much memory."""
    pad: int = 0
    """Bytes that each input has besides, and most of the outputs."""


_SLOW = {"spin", "async-hang", "bomb", "once-spin", "once-bomb", "async-once-hang"}


def deeds(seed: int, shape: Shape, weights: Mapping[str, int]) -> list[Deed]:
    """What happens, in order."""
    chance = random.Random(f"deeds {seed}")
    # Each kind at least once, if there are enough: what a short plan leaves out it cannot show.
    kinds = list(weights)
    if shape.faults < len(kinds):
        kinds = chance.sample(kinds, shape.faults)
    kinds += chance.choices(list(weights), list(weights.values()), k=shape.faults - len(kinds))
    chance.shuffle(kinds)
    return [
        Deed(
            kind,
            after=0 if chance.random() < 0.2 else 1 + int(chance.expovariate(1 / shape.gap)),
            pause=chance.choice((0.0, 0.0, 0.003, 0.02, 0.1)),
            pick=chance.random(),
            calm=chance.random() < 0.6 and kind in LENGTHY,
        )
        for kind in kinds
    ]


def inputs(
    seed: int,
    shape: Shape,
    plan: list[Deed],
    producers: list[str],
    *,
    malformed: bool,
    timed: bool,
) -> list[Submitted]:
    """What goes in: enough to last for all deeds. Numbers count on from producer to producer."""
    chance = random.Random(f"inputs {seed}")
    count = 20 * shape.gap + sum(deed.after + CALM_RUNS * deed.calm for deed in plan)
    count += shape.gap * len(plan)  # a deed takes its time
    count //= len(producers)
    poisons = [kind for kind in POISONS if malformed or kind != "malformed"]
    found: list[Submitted] = []
    for producer in producers:
        for _ in range(count):
            kind = _kind(chance, shape, poisons, {**CALM, **TIMED} if timed else CALM)
            own = len(producers) > 1 and chance.random() < 0.7
            number = chance.randrange(shape.keys)
            key = f"{producer}-{number % 5}" if own else f"k{number}"
            found.append(Submitted(producer, len(found), key, kind))
    return found


def _kind(chance: random.Random, shape: Shape, poisons: list[str], calm: Mapping[str, int]) -> str:
    number = chance.random()
    if number > shape.poisons + shape.once:
        return chance.choices(list(calm), list(calm.values()))[0]
    kinds = poisons if number < shape.poisons else list(ONCE)
    slow = chance.random() < shape.slow
    return chance.choice([kind for kind in kinds if (kind in _SLOW) == slow])
