"""How worker processes are started, and how the launcher learns of their end.

Two start methods, one interface. `ZygoteStarter` forks all workers from one warm interpreter;
`SpawnStarter` gives each worker a fresh one, for agents whose imports do not survive a fork
(threads started on import, some GPU libraries). Both run `worker.process.zygote`, the
second starts one for each worker.

The launcher is never a worker's parent, so the parent reports deaths, and the launcher looks itself
in case it does not (`deaths.py`): `poll` returns them as events. Without a `Launch`, workers run in
the launcher's own interpreter and environment.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ...agent.errors import WorkerStartError
from ...agent.failures.error_json import error_from_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...agent.errors import TamiasError
    from ...worker.process.boot import Assignment


UNKNOWN: Final = -1
"""The status of a worker that has ended, if other code in its parent has collected it."""


@dataclass(frozen=True, slots=True)
class Started:
    """A worker's process was started."""

    assignment: Assignment
    pid: int


@dataclass(frozen=True, slots=True)
class StartFailed:
    """A worker's process could not be started."""

    assignment: Assignment
    text: str


@dataclass(frozen=True, slots=True)
class Exited:
    """A worker's process has ended.

    `status` is that of waitpid, or `UNKNOWN`; None if it has died with its zygote.
    """

    assignment: Assignment
    pid: int
    status: int | None


@dataclass(frozen=True, slots=True)
class BootFailed:
    """The agent could not be loaded: no worker will ever start."""

    error: TamiasError

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> BootFailed:
        """Return the event for an error that a zygote or a spawned worker has reported."""
        return cls(error_from_json(body, otherwise=WorkerStartError))


Event = Started | StartFailed | Exited | BootFailed


class Starter(ABC):
    """Starts workers and reports their deaths."""

    @abstractmethod
    def start(self, assignment: Assignment) -> None:
        """Start a worker; `Started`, `StartFailed` or `BootFailed` reports the result."""

    @abstractmethod
    def descriptors(self) -> Sequence[int]:
        """Return the descriptors to poll; call `poll` when one is readable."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        """Digests of the files of the agent's own code, once they are known."""
        self._given_up = ""

    @property
    def is_warm(self) -> bool:
        """Whether a worker can probably be started at once."""
        return True

    def give_up(self, why: str) -> None:
        """Start no other interpreter when this one, which does not get ready, is killed."""
        self._given_up = why

    @abstractmethod
    def poll(self) -> list[Event]:
        """Return the events since the last call. Never waits."""

    @abstractmethod
    def close(self) -> None:
        """End every process that still runs, and wait for that."""

    @property
    @abstractmethod
    def pids(self) -> Sequence[int]:
        """The process ids of interpreters that fork workers."""
