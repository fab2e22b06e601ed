"""The start method `spawn`: start a fresh interpreter for each worker."""

from __future__ import annotations

from dataclasses import asdict
from typing import IO, TYPE_CHECKING

from .interpreter import Interpreter, how_it_ended, kill_group
from .starter import BootFailed, Event, Exited, Started, Starter, StartFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...environments.launch import Launch
    from ...worker.process.boot import Assignment, Boot


class _Spawned:
    """A worker in an interpreter of its own, and its guardian."""

    __slots__ = ("assignment", "guardian", "pid")

    def __init__(self, guardian: Interpreter, assignment: Assignment) -> None:
        self.guardian = guardian
        self.assignment = assignment
        self.pid = 0
        """The worker's process id; 0 until it is known."""


class SpawnStarter(Starter):
    """Starts a fresh interpreter for each worker."""

    def __init__(self, boot: Boot, log: IO[bytes] | int, launch: Launch | None = None) -> None:
        super().__init__()
        self._boot = boot
        self._log = log
        self._launch = launch
        self._spawned: list[_Spawned] = []

    def start(self, assignment: Assignment) -> None:
        """As `Starter.start`."""
        guardian = Interpreter(self._boot, self._log, "guardian", launch=self._launch)
        guardian.send(fork=asdict(assignment))
        self._spawned.append(_Spawned(guardian, assignment))

    def descriptors(self) -> Sequence[int]:
        """As `Starter.descriptors`."""
        return [spawned.guardian.fileno() for spawned in self._spawned]

    def poll(self) -> list[Event]:
        """As `Starter.poll`."""
        events: list[Event] = []
        for spawned in list(self._spawned):
            ended = self._receive(spawned, events)
            if spawned.guardian.closed and not ended:
                events.append(self._orphaned(spawned))
                ended = True
            if ended:
                spawned.guardian.close()
                self._spawned.remove(spawned)
        return events

    def _receive(self, spawned: _Spawned, events: list[Event]) -> bool:
        """Turn the guardian's messages into events; return whether its worker has ended."""
        assignment = spawned.assignment
        ended = False
        for message in spawned.guardian.receive():
            if "failed" in message:
                events.append(BootFailed.from_json(message["failed"]))
            elif "forked" in message:
                spawned.pid = message["forked"]
                events.append(Started(assignment, spawned.pid))
            elif "unforked" in message:
                events.append(StartFailed(assignment, message["error"]))
                ended = True
            else:
                events.append(Exited(assignment, message["exit"], message["status"]))
                ended = True
        return ended

    def _orphaned(self, spawned: _Spawned) -> Event:
        """Return the event for a dead guardian, with which the kernel has killed its worker."""
        code = spawned.guardian.wait(5.0)
        if not spawned.pid:
            return StartFailed(
                spawned.assignment, f"its guardian {how_it_ended(code)} while it started"
            )
        kill_group(spawned.pid)
        return Exited(spawned.assignment, spawned.pid, None)

    def close(self) -> None:
        """As `Starter.close`."""
        for spawned in self._spawned:
            spawned.guardian.close()

    @property
    def pids(self) -> Sequence[int]:
        """The guardians' process ids."""
        return [spawned.guardian.pid for spawned in self._spawned]
