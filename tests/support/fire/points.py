"""A death at every write point in turn: which points there are, and one job killed at one of them.

`named_points` reads the code, `reached` counts what a run without kills passes through. A *chain*
is a list of (point, count): the first process that reaches the point for the count-th time in its
life dies there. When that was the launcher, the next link is armed for the life that resumes.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import tamias
from support.fire.run import LONG, TTL, Field, Shape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from support.fire.run import Outcome

SHAPE = Shape(
    inputs=160,
    keys=12,
    kinds=["plain"] * 5
    + ["multi"] * 3
    + ["gather", "mixed", "call", "twice", "flaky", "flaky-gather", "raise"]
    + ["nap", "ask", "tick", "arm", "limited"]
    + ["note"] * 4,
    config={"shards": 4, "window": 32, "batch-size": 16, TTL: LONG},
)
AFTER_A_CRASH = ("sink.truncate.before", "sink.truncate.after", "announce.inside")
"""Points that only exist for a process which finds what another has left behind."""
UNDER_POISON = ("aside.before",)
"""Points that need an input that kills its worker."""
WHILE_MOVING = (
    "release.before",
    "release.inside",
    "release.after",
    "take.before",
    "take.inside",
    "take.after",
)
"""Points that need shards which move from one worker to another."""
WHILE_RELOADING = ("promote.before", "promote.after")
"""Points that need a reload; those who test reloads die there."""
AT_REST = (
    "erase.before",
    "erase.inside",
    "rewrite.before",
    "rewrite.inside",
    "rewrite.after",
    "reembed.before",
    "reembed.inside",
    "spool.inside",
)
"""Points of commands that need a store at rest; the tests of those commands die there."""
IN_SETS = (
    "sets.before",
    "sets.inside",
    "sets.fold",
    "sets.merge",
    "sets.rewrite",
    "sets.after",
)
"""Points of memory sets; `tests/unit/store/sets/test_killed_writers.py` dies there, too."""
WHILE_EXPIRING = ("expire.before", "expire.inside", "expire.after")
"""Points that need memory that expires meanwhile; `test_expiring_memory` has a job for it."""
ELSEWHERE = {
    "tests/integration/test_reload_killed.py": WHILE_RELOADING,
    "tests/fire/test_expiring_memory.py": WHILE_EXPIRING,
    "tests/unit/store/at_rest, tests/acceptance/test_cli_reembed.py,"
    " tests/unit/launcher/sinks/test_spool_of_key.py": AT_REST,
}
"""Points that the usual job does not reach, by the tests that die there."""
MOVED = replace(
    SHAPE,
    inputs=600,
    kinds=[*SHAPE.kinds, *["slow"] * 6],
    scales=True,
)
POISONED = replace(SHAPE, special={20: "segv", 60: "exit"})
CRASH_FIRST = ("sink.write.after", 2)
"""What has to happen before `AFTER_A_CRASH`: lines that no checkpoint covers."""


def named_points() -> set[str]:
    """All points that the code names."""
    root = Path(tamias.__file__).parent
    found: set[str] = set()
    for room in ("store", "worker", "launcher"):
        for path in (root / room).rglob("*.py"):
            found.update(re.findall(r'^\s+reach\("([^"]+)"\)', path.read_text(), re.MULTILINE))
    return found


def reached(directory: Path, shape: Shape = SHAPE) -> Counter[str]:
    """How often a run without kills passes through each point, over all of its processes."""
    log = directory / "points"
    field = Field(directory, 0, shape)
    if field.finish(field.start(TAMIAS_CRASH_LOG=str(log))) != 0 or field.judge().wrong:
        raise AssertionError(f"the undisturbed run failed\n{field.last_words()}")
    return Counter(log.read_text().split())


def counts_of(total: int) -> list[int]:
    """First, second, middle and last, of a count that two processes may share between them."""
    return sorted({1, 2, max(1, total // 4), max(1, total // 2 - 1), max(1, total - 1)})


def die_at(
    directory: Path, chain: Sequence[tuple[str, int]], shape: Shape = SHAPE
) -> tuple[list[bool], Outcome]:
    """Run a job through a chain of deaths; which of them happened, and the outcome."""
    field = Field(directory, 0, shape)
    hits: list[bool] = []
    problem = ""
    for number, (point, count) in enumerate([*chain, ("", 0)]):
        flag = directory / f"flag{number}"
        flag.touch()
        armed = {"TAMIAS_CRASH": f"{point}:{count}:{flag}"} if point else {}
        launcher = field.start(2, **armed)
        code = field.finish(launcher, 30.0)
        hit = not flag.exists()
        if point:
            hits.append(hit)
            field.kills[point] += hit
        if code is None:
            problem = f"the launcher hangs after {point}"
            break
        if code == 0 and number >= len(chain) - 1:
            break
        if code > 0:
            problem = f"the launcher ended with code {code}"
            break
    outcome = field.judge()
    if problem:
        outcome.wrong.insert(0, problem)
    if outcome.wrong:
        outcome.wrong.append(field.last_words())
    return hits, outcome


def chains(counted: Counter[str]) -> list[list[tuple[str, int]]]:
    """Every chain worth trying, given how often each point is reached without kills."""
    found = [
        [(point, count)] for point, total in sorted(counted.items()) for count in counts_of(total)
    ]
    again = [*AFTER_A_CRASH, "acquire.inside", "announce.before", "announce.after"]
    found += [[CRASH_FIRST, (point, count)] for point in again for count in (1, 2)]
    found += [
        [CRASH_FIRST, ("sink.truncate.after", 1), ("checkpoint.after", 1), ("send.after", 3)],
        [("checkpoint.after", 2), ("sink.write.after", 2), ("progress.before", 1)],
    ]
    return found
