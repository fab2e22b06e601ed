"""Which pool process runs when: a pure machine, one line of the roll per agent.

    WAITING ──start──► RUNNING ──said how it ended──► OVER
       ▲                  │
       └── died without ──┘
           a word

A pool process that says how it has ended (finished, interrupted, an error) is believed: the pool
has restarts, backoff and a breaker of its own, and what it gives up is to be given up. One that
dies without a word, by SIGKILL or the memory killer, say, is started again and carries on where its
state directory stands, at once the first time and after growing pauses from then on
(`launcher/dispatch/backoff.py`): deaths in a row are ended by any input that gets done. So is one
that has found its state directory in use, by a `tamias dead-letters retry`, for one.

Lines know nothing of each other: nothing here looks at two of them at once, but for the end.

Being told to stop is done in steps, as for a single pool: drain, stop at once, kill.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from ..launcher.dispatch.backoff import Backoff, FailureStreak
from ..launcher.jobs.exit_codes import DEAD_LETTERS, DONE, FAILED, INTERRUPTED, WRONG

if TYPE_CHECKING:
    from collections.abc import Iterable

_WORST_LAST: Final = (DONE, DEAD_LETTERS, INTERRUPTED, WRONG, FAILED)

PATIENCE: Final = Backoff(first=0.2, cap=10.0, starts=8, deaths=20, steady=60.0)
KILL_SECONDS: Final = 10.0
"""What pool processes have that are to stop at once, before they are killed."""


class ProcessStage(Enum):
    """Where an agent's pool process is in its life."""

    WAITING = "waiting"
    RUNNING = "running"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class StartProcess:
    """Start a pool process."""

    name: str
    again: bool
    """Whether one has worked before, whose state directory says how to carry on."""


@dataclass(frozen=True, slots=True)
class DrainProcess:
    """Tell a pool process to drain, or if it has been told, to stop at once."""

    name: str


@dataclass(frozen=True, slots=True)
class KillProcess:
    """End a pool process that does not end."""

    name: str


Instruction = StartProcess | DrainProcess | KillProcess


@dataclass(slots=True)
class _Line:
    name: str
    row: FailureStreak
    stage: ProcessStage = ProcessStage.WAITING
    at: float = 0.0
    """When to start it."""
    since: float = 0.0
    worked: bool = False
    """Whether any process of it has come so far that its state directory is there."""
    ready: bool = False
    """Whether the present one has."""
    events: int | None = None
    code: int | None = None
    told: int = 0
    """How much of being stopped it has been told."""


class RestartPolicy:
    """The roll. All times are of one monotonic clock."""

    def __init__(self, names: Iterable[str], backoff: Backoff = PATIENCE) -> None:
        self._lines = {name: _Line(name, FailureStreak(backoff)) for name in names}
        self._stops = 0
        self._kill_at: float | None = None

    # -- events -------------------------------------------------------------------------------

    def works(self, name: str, events: int) -> None:
        """A pool has shown that it works, and how many inputs it has done in all."""
        line = self._lines[name]
        if not line.ready:
            line.ready = line.worked = True
            line.row.starts = 0
        if line.events is not None and events > line.events:
            line.row.deaths = 0
        line.events = events

    def ended(self, name: str, code: int) -> None:
        """A pool process has said how it ends, and does."""
        line = self._lines[name]
        line.stage, line.code = ProcessStage.OVER, code

    def died(self, name: str, now: float, code: int = FAILED) -> float | None:
        """A pool process has ended without a word, or could not begin for a reason that passes.

        Args:
            name: the agent.
            now: the time.
            code: what becomes its exit code if that has happened too often.

        Returns:
            Seconds until it is started again; None if it is not.
        """
        line = self._lines[name]
        if line.ready:
            pause = line.row.died(lived=now - line.since, explained=False)
        else:
            pause = line.row.start_failed()
        line.ready = False
        if self._stops:
            line.stage, line.code = ProcessStage.OVER, INTERRUPTED
            return None
        if pause is None:
            line.stage, line.code = ProcessStage.OVER, code
            return None
        line.stage, line.at = ProcessStage.WAITING, now + pause
        return pause

    def stop(self, now: float) -> int:
        """Somebody wants an end: by draining, if asked again at once, if again by force.

        Returns:
            How often it has been asked.
        """
        self._stops += 1
        if self._stops == 2:
            self._kill_at = now + KILL_SECONDS
        elif self._stops > 2:
            self._kill_at = now
        for line in self._lines.values():
            if line.stage is ProcessStage.WAITING:
                line.stage, line.code = ProcessStage.OVER, INTERRUPTED
        return self._stops

    # -- instructions -------------------------------------------------------------------------

    def turn(self, now: float) -> list[Instruction]:
        """What is to be done now."""
        steps: list[Instruction] = []
        for line in self._lines.values():
            if line.stage is ProcessStage.WAITING and now >= line.at:
                line.stage, line.since, line.told = ProcessStage.RUNNING, now, 0
                line.events = None
                steps.append(StartProcess(line.name, again=line.worked))
            elif line.stage is ProcessStage.RUNNING:
                steps += self._pressing(line, now)
        return steps

    def _pressing(self, line: _Line, now: float) -> list[Instruction]:
        steps: list[Instruction] = []
        while line.told < min(self._stops, 2):
            line.told += 1
            steps.append(DrainProcess(line.name))
        if self._kill_at is not None and now >= self._kill_at and line.told < 3:
            line.told = 3
            steps.append(KillProcess(line.name))
        return steps

    def next_deadline(self) -> float | None:
        """When there may be something to be done without an event."""
        times = [line.at for line in self._lines.values() if line.stage is ProcessStage.WAITING]
        if self._kill_at is not None:
            times += [
                self._kill_at
                for line in self._lines.values()
                if line.stage is ProcessStage.RUNNING and line.told < 3
            ]
        return min(times, default=None)

    # -- how things stand ---------------------------------------------------------------------

    @property
    def is_over(self) -> bool:
        """Whether all is done that there was to do."""
        return all(line.stage is ProcessStage.OVER for line in self._lines.values())

    @property
    def is_up(self) -> bool:
        """Whether every agent has got to work, or will not any more."""
        return all(line.worked or line.stage is ProcessStage.OVER for line in self._lines.values())

    @property
    def exit_code(self) -> int:
        """The worst of the agents' codes: failed, wrong, interrupted, dead letters, all done."""
        codes = (line.code or 0 for line in self._lines.values())
        return max(codes, key=_badness, default=DONE)

    def code(self, name: str) -> int | None:
        """An agent's exit code, once it is over."""
        return self._lines[name].code

    def stage(self, name: str) -> ProcessStage:
        """Where an agent is."""
        return self._lines[name].stage


def _badness(code: int) -> int:
    return _WORST_LAST.index(code) if code in _WORST_LAST else len(_WORST_LAST)
