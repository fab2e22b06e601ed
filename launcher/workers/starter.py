"""How worker processes are started, and how the launcher learns of their end.

Two start methods, one interface. `ZygoteStarter` forks all workers from one warm interpreter;
`SpawnStarter` gives each worker a fresh one, for agents whose imports do not survive a fork
(threads started on import, some GPU libraries). Both run `worker.process.zygote`, the
second one per worker.

The launcher is never a worker's parent, so deaths are reported: `poll` returns them as events.
Without a `Launch` an interpreter is the launcher's own, in the launcher's environment.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...agent.error_json import error_from_json
from ...agent.errors import WorkerStartError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...agent.errors import TamiasError
    from ...worker.process.boot import Assignment


@dataclass(frozen=True, slots=True)
class Started:
    """A worker's process exists."""

    assignment: Assignment
    pid: int


@dataclass(frozen=True, slots=True)
class StartFailed:
    """A worker's process could not be made."""

    assignment: Assignment
    text: str


@dataclass(frozen=True, slots=True)
class Exited:
    """A worker's process has ended; `status` is what waitpid says, None when that is unknown."""

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
    """Makes workers and reports their deaths."""

    @abstractmethod
    def start(self, assignment: Assignment) -> None:
        """Start a worker; `Started`, `StartFailed` or `BootFailed` tells what came of it."""

    @abstractmethod
    def descriptors(self) -> Sequence[int]:
        """What to poll; `poll` is due when one is readable."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        """Digests of the files of the agent's own code, once they are known."""
        self._given_up = ""

    @property
    def is_warm(self) -> bool:
        """Whether a worker could be started right now, as far as can be known before."""
        return True

    def give_up(self, why: str) -> None:
        """Start no other interpreter when this one, which does not come up, is killed."""
        self._given_up = why

    @abstractmethod
    def poll(self) -> list[Event]:
        """What has happened since the last call. Never waits."""

    @abstractmethod
    def close(self) -> None:
        """End every process that is left, and wait for that."""

    @property
    @abstractmethod
    def pids(self) -> Sequence[int]:
        """Processes that are neither launcher nor worker."""
