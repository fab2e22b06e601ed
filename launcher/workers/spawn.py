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
    """A worker in an interpreter of its own."""

    __slots__ = ("assignment", "interpreter", "pid")

    def __init__(self, interpreter: Interpreter, assignment: Assignment) -> None:
        self.interpreter = interpreter
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
        interpreter = Interpreter(self._boot, self._log, spawn=True, launch=self._launch)
        interpreter.send(fork=asdict(assignment))
        self._spawned.append(_Spawned(interpreter, assignment))

    def descriptors(self) -> Sequence[int]:
        """As `Starter.descriptors`."""
        return [spawned.interpreter.fileno() for spawned in self._spawned]

    def poll(self) -> list[Event]:
        """As `Starter.poll`."""
        events: list[Event] = []
        for spawned in list(self._spawned):
            ended = self._receive(spawned, events)
            if spawned.interpreter.closed and not ended:
                events.append(self._orphaned(spawned))
                ended = True
            if ended:
                spawned.interpreter.close()
                self._spawned.remove(spawned)
        return events

    def _receive(self, spawned: _Spawned, events: list[Event]) -> bool:
        """Turn the interpreter's messages into events; return whether its worker has ended."""
        assignment = spawned.assignment
        for message in spawned.interpreter.receive():
            if "failed" in message:
                events.append(BootFailed.from_json(message["failed"]))
            elif "forked" in message:
                spawned.pid = message["forked"]
                events.append(Started(assignment, spawned.pid))
        if spawned.pid and spawned.interpreter.status is not None:
            events.append(Exited(assignment, spawned.pid, spawned.interpreter.status))
            return True
        return False

    def _orphaned(self, spawned: _Spawned) -> Event:
        """Return the event for a worker that died before it was ready, or whose reaper has died."""
        code = spawned.interpreter.wait(5.0)
        if not spawned.pid:
            return StartFailed(
                spawned.assignment, f"its interpreter {how_it_ended(code)} while it started"
            )
        kill_group(spawned.pid)
        return Exited(spawned.assignment, spawned.pid, None)

    def close(self) -> None:
        """As `Starter.close`."""
        for spawned in self._spawned:
            spawned.interpreter.close()

    @property
    def pids(self) -> Sequence[int]:
        """The process ids of interpreters that are no workers yet."""
        return [spawned.interpreter.pid for spawned in self._spawned if not spawned.pid]
