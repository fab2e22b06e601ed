"""Decides when the pool processes of a deployment are started, drained and killed: a pure machine.

    WAITING ──start──► RUNNING ──reported how it ended──► OVER
       ▲                  │
       └── died without ──┘
           a report

A pool process that reports how it has ended (finished, interrupted, an error) is not started again:
the pool has restarts, backoff and a breaker of its own, so its report is final. One that dies
without a report, by SIGKILL or the kernel's memory killer for example, is started again and
continues from its state directory: at once the first time, after growing pauses from then on
(`launcher/dispatch/backoff.py`). Any input that is finished resets the count of deaths. A process
that finds its state directory in use, by `tamias dead-letters retry` for example, is treated the
same.

Agents do not affect each other: only the end of the deployment depends on all of them.

Stopping has steps, as for a single pool: drain, stop at once, kill.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from ..launcher.dispatch.backoff import Backoff, FailureStreak
from ..launcher.jobs.exit_codes import DEAD_LETTERS, DONE, FAILED, INTERRUPTED, WAITING, WRONG

if TYPE_CHECKING:
    from collections.abc import Iterable

_WORST_LAST: Final = (DONE, DEAD_LETTERS, WAITING, INTERRUPTED, WRONG, FAILED)

PATIENCE: Final = Backoff(first=0.2, cap=10.0, starts=8, deaths=20, steady=60.0)
KILL_SECONDS: Final = 10.0
"""The time from "stop at once" to the kill."""


class ProcessStage(Enum):
    """The stage of an agent's pool process."""

    WAITING = "waiting"
    RUNNING = "running"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class StartProcess:
    """Start a pool process."""

    name: str
    again: bool
    """Whether one has worked before, so that its state directory records what to run."""


@dataclass(frozen=True, slots=True)
class DrainProcess:
    """Ask a pool process to drain; the second time, to stop at once."""

    name: str


@dataclass(frozen=True, slots=True)
class KillProcess:
    """Kill a pool process that does not end."""

    name: str


Instruction = StartProcess | DrainProcess | KillProcess


@dataclass(slots=True)
class _AgentState:
    """One agent of the deployment."""

    name: str
    failures: FailureStreak
    stage: ProcessStage = ProcessStage.WAITING
    at: float = 0.0
    """The time to start it."""
    since: float = 0.0
    worked: bool = False
    """Whether any of its processes has had a ready worker."""
    ready: bool = False
    """Whether the present process has."""
    events: int | None = None
    code: int | None = None
    stops_sent: int = 0
    """The number of stop requests that it was sent."""


class RestartPolicy:
    """Decides for all agents of a deployment. Times are seconds of one monotonic clock."""

    def __init__(self, names: Iterable[str], backoff: Backoff = PATIENCE) -> None:
        self._agents = {name: _AgentState(name, FailureStreak(backoff)) for name in names}
        self._stops = 0
        self._kill_at: float | None = None

    # -- events -------------------------------------------------------------------------------

    def works(self, name: str, events: int) -> None:
        """Record that a pool works, and how many inputs it has finished in all its runs."""
        agent = self._agents[name]
        if not agent.ready:
            agent.ready = agent.worked = True
            agent.failures.starts = 0
        if agent.events is not None and events > agent.events:
            agent.failures.deaths = 0
        agent.events = events

    def ended(self, name: str, code: int) -> None:
        """Record that a pool process has ended with a report."""
        agent = self._agents[name]
        agent.stage, agent.code = ProcessStage.OVER, code

    def died(self, name: str, now: float, code: int = FAILED) -> float | None:
        """Record that a pool process has ended without a report, or found its state in use.

        Args:
            name: the agent.
            now: the time.
            code: the exit code of the agent if that has happened too often.

        Returns:
            Seconds until it is started again; None if it is not.
        """
        agent = self._agents[name]
        if agent.ready:
            pause = agent.failures.died(lived=now - agent.since, explained=False)
        else:
            pause = agent.failures.start_failed()
        agent.ready = False
        if self._stops:
            agent.stage, agent.code = ProcessStage.OVER, INTERRUPTED
            return None
        if pause is None:
            agent.stage, agent.code = ProcessStage.OVER, code
            return None
        agent.stage, agent.at = ProcessStage.WAITING, now + pause
        return pause

    def stop(self, now: float) -> int:
        """Stop everything: the first call drains, the second stops at once, the third kills.

        Returns:
            The number of calls so far.
        """
        self._stops += 1
        if self._stops == 2:
            self._kill_at = now + KILL_SECONDS
        elif self._stops > 2:
            self._kill_at = now
        for agent in self._agents.values():
            if agent.stage is ProcessStage.WAITING:
                agent.stage, agent.code = ProcessStage.OVER, INTERRUPTED
        return self._stops

    # -- instructions -------------------------------------------------------------------------

    def turn(self, now: float) -> list[Instruction]:
        """Return what is to be done now."""
        steps: list[Instruction] = []
        for agent in self._agents.values():
            if agent.stage is ProcessStage.WAITING and now >= agent.at:
                agent.stage, agent.since, agent.stops_sent = ProcessStage.RUNNING, now, 0
                agent.events = None
                steps.append(StartProcess(agent.name, again=agent.worked))
            elif agent.stage is ProcessStage.RUNNING:
                steps += self._stop_steps(agent, now)
        return steps

    def _stop_steps(self, agent: _AgentState, now: float) -> list[Instruction]:
        steps: list[Instruction] = []
        while agent.stops_sent < min(self._stops, 2):
            agent.stops_sent += 1
            steps.append(DrainProcess(agent.name))
        if self._kill_at is not None and now >= self._kill_at and agent.stops_sent < 3:
            agent.stops_sent = 3
            steps.append(KillProcess(agent.name))
        return steps

    def next_deadline(self) -> float | None:
        """Return when `turn` must be called even if nothing happens; None: not at all."""
        times = [agent.at for agent in self._agents.values() if agent.stage is ProcessStage.WAITING]
        if self._kill_at is not None:
            times += [
                self._kill_at
                for agent in self._agents.values()
                if agent.stage is ProcessStage.RUNNING and agent.stops_sent < 3
            ]
        return min(times, default=None)

    # -- state --------------------------------------------------------------------------------

    @property
    def is_over(self) -> bool:
        """Whether every agent has ended."""
        return all(agent.stage is ProcessStage.OVER for agent in self._agents.values())

    @property
    def is_up(self) -> bool:
        """Whether every agent has begun to work, or has ended."""
        return all(
            agent.worked or agent.stage is ProcessStage.OVER for agent in self._agents.values()
        )

    @property
    def exit_code(self) -> int:
        """The worst of the agents' codes, from all done to failed."""
        codes = (agent.code or 0 for agent in self._agents.values())
        return max(codes, key=_badness, default=DONE)

    def code(self, name: str) -> int | None:
        """Return an agent's exit code; None until it has ended."""
        return self._agents[name].code

    def stage(self, name: str) -> ProcessStage:
        """Return the stage of an agent."""
        return self._agents[name].stage


def _badness(code: int) -> int:
    return _WORST_LAST.index(code) if code in _WORST_LAST else len(_WORST_LAST)
