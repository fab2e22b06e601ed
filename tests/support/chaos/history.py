"""What was observed of a pool under chaos, from the first process to the last.

Nothing in here is computed from what should have happened: it is what went in, what came out, what
actions have left behind by themselves, what was done to the processes, and what they looked like.
`checker.py` judges it. Saved as JSON lines, so that a failure can be looked at, and judged again.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Submitted:
    """An input, in the order in which its producer (a file, a client) has handed it in."""

    producer: str
    i: int
    """Its number, which no other input has."""
    key: str
    kind: str


@dataclass(frozen=True, slots=True)
class Answer:
    """An output as it arrived; `place` is the line in the file, or a client's sequence."""

    producer: str
    place: int
    key: str
    i: int
    """The input it is said to belong to."""
    value: Any


@dataclass(frozen=True, slots=True)
class Tick:
    """The output of a timer's run; `place` as that of an answer, among which it is."""

    place: int
    key: str
    i: int
    """The input whose run has set the timer."""
    early: float
    """Seconds before it was due; 0 if it was not early."""
    number: int
    """How many of its key there have been, by its own word."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question, as it arrived; what was sent as answers, and what of that was accepted."""

    token: str
    i: int | None
    """The input whose run has asked; None if nobody is to answer."""
    sent: list[str]
    accepted: list[str]


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a client was told instead of an output."""

    producer: str
    i: int
    cause: str
    error: str


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter."""

    i: int
    cause: str
    error: str
    worker: int
    generation: int


@dataclass(frozen=True, slots=True)
class Run:
    """An action of a run begins (B), or the run ends (E), by its own word. `at` is nanoseconds."""

    mark: str
    i: int
    key: str
    pid: int
    at: int


@dataclass(frozen=True, slots=True)
class Call:
    """A durable call that was really made."""

    i: int
    name: str
    token: str
    pid: int
    at: int


@dataclass(frozen=True, slots=True)
class Memory:
    """What a key has in memory in the end."""

    key: str
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that was done to the pool, or to a client."""

    kind: str
    pid: int = 0
    signal: int = 0
    at: int = 0
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Operation:
    """A reload or a change of scale, and how it ended."""

    kind: str
    outcome: str
    bad: bool = False
    """Whether this was code that must not be promoted."""


@dataclass(frozen=True, slots=True)
class Life:
    """A launcher from its start to its end."""

    pid: int
    code: int
    """As Popen says it: negative for a signal."""
    killed: bool
    """Whether that was our doing."""
    gave_up: bool = False
    """Whether it ended because its workers were killed again and again as they started."""
    kills: int = 0
    """Of its workers and zygotes."""
    clearing: float = 0.0
    """Seconds until its last process was gone."""


@dataclass(frozen=True, slots=True)
class Leftover:
    """Something that should have gone with its process."""

    what: str


@dataclass(frozen=True, slots=True)
class Sample:
    """What a launcher looked like at an instant."""

    pid: int
    rss: int
    in_flight: int
    """Inputs that the worker has which has most."""
    held: int
    """Inputs that launcher and workers have read and not done, in all."""
    backed_up: bool = False
    """Whether nobody took its outputs just then."""
    workers: int = 0
    """Workers that it had; twice as many during a reload, which has those of both generations."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What samples must not exceed."""

    rss: int
    in_flight: int
    held: int
    """With so many workers, or fewer; with more, as much more."""
    workers: int = 4


Item = (
    Submitted | Answer | Tick | Question | Refusal | Letter | Run | Call | Memory | Fault
    | Operation | Life | Leftover | Sample | Bounds
)  # fmt: skip


@dataclass(slots=True)
class History:
    """All of it, by kind, each in the order of observation."""

    submitted: list[Submitted] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    ticks: list[Tick] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)
    lost_ticks: list[Letter] = field(default_factory=list)
    """Dead letters of timers."""
    runs: list[Run] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    memory: list[Memory] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)
    lives: list[Life] = field(default_factory=list)
    leftovers: list[Leftover] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    bounds: list[Bounds] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Write it as JSON lines."""
        with path.open("w", encoding="utf-8") as lines:
            for kind in fields(self):
                for item in getattr(self, kind.name):
                    lines.write(json.dumps({"what": kind.name, **asdict(item)}) + "\n")

    @classmethod
    def load(cls, path: Path) -> History:
        """Read what `save` has written."""
        history = cls()
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                content = json.loads(line)
                what = content.pop("what")
                getattr(history, what).append(_TYPES[what](**content))
        return history


_TYPES: dict[str, type[Item]] = {
    "submitted": Submitted,
    "answers": Answer,
    "ticks": Tick,
    "questions": Question,
    "refusals": Refusal,
    "letters": Letter,
    "lost_ticks": Letter,
    "runs": Run,
    "calls": Call,
    "memory": Memory,
    "faults": Fault,
    "operations": Operation,
    "lives": Life,
    "leftovers": Leftover,
    "samples": Sample,
    "bounds": Bounds,
}
