"""The start method `zygote`: fork all workers from one warm interpreter."""

from __future__ import annotations

import logging
import time
from dataclasses import asdict
from typing import IO, TYPE_CHECKING, Any, Final

from ...agent.errors import WorkerStartError
from . import procfs
from .deaths import DeathWatch
from .interpreter import Interpreter, how_it_ended, kill_group
from .starter import UNKNOWN, BootFailed, Event, Exited, Started, Starter, StartFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...environments.launch import Launch
    from ...worker.process.boot import Assignment, Boot


ZYGOTE_STARTS: Final = 3
"""The number of zygotes in a row that may die while they start. One may be killed by accident; if
all of them die, importing the agent is the cause."""

FORK_SECONDS: Final = 5.0
"""The longest that a ready zygote may take to fork; it usually takes milliseconds."""
STUCK_FORKS: Final = 2
"""The number of zygotes in a row that may not fork in that time."""

_LOG: Final = logging.getLogger("tamias.pool")
_STUCK: Final = (
    f"it did not fork a worker within {FORK_SECONDS:g} s (a thread that importing the agent has"
    " started may hold a lock)"
)
_THREADS: Final = "Start threads when an action first needs them, or set start-method to spawn."
_START_HINT: Final = (
    "Its stacks are in logs/pool.log of the state directory. Import the agent in a plain Python; if"
    " that only takes long, raise start-timeout."
)


class ZygoteStarter(Starter):
    """Forks workers from one warm interpreter, and starts a new one when that dies."""

    def __init__(self, boot: Boot, log: IO[bytes] | int, launch: Launch | None = None) -> None:
        super().__init__()
        self._boot = boot
        self._log = log
        self._launch = launch
        self._zygote = Interpreter(boot, log, launch=launch)
        self._requested: dict[tuple[int, int], Assignment] = {}
        self._running: dict[int, Assignment] = {}
        self._deaths = DeathWatch()
        self._ready = False
        self._warned = False
        self._failed = False
        """Whether the agent cannot be loaded: another zygote could not load it either."""
        self._failed_starts = 0
        """The number of zygotes in a row that died before they were ready."""
        self._waited = 0.0
        """How long the zygote has not answered a request to fork, as far as this was polled."""
        self._polled = 0.0
        self._stuck_forks = 0

    @property
    def is_warm(self) -> bool:
        """As `Starter.is_warm`."""
        return self._ready

    def start(self, assignment: Assignment) -> None:
        """As `Starter.start`."""
        self._requested[assignment.slot, assignment.incarnation] = assignment
        self._zygote.send(fork=asdict(assignment))

    def descriptors(self) -> Sequence[int]:
        """As `Starter.descriptors`."""
        return [self._zygote.fileno()]

    def poll(self) -> list[Event]:
        """As `Starter.poll`."""
        events: list[Event] = []
        for message in self._zygote.receive():
            if "ready" in message:
                self._on_ready(message["ready"])
            elif "failed" in message:
                self._failed = True
                events.append(BootFailed.from_json(message["failed"]))
                return events
            elif "forked" in message:
                assignment = self._answered(message["slot"], message["incarnation"])
                self._running[message["forked"]] = assignment
                self._deaths.add(message["forked"])
                events.append(Started(assignment, message["forked"]))
            elif "unforked" in message:
                assignment = self._answered(message["unforked"], message["incarnation"])
                events.append(StartFailed(assignment, message["error"]))
            elif message.get("exit") in self._running:
                self._deaths.remove(message["exit"])
                status = UNKNOWN if message["status"] is None else message["status"]
                events.append(Exited(self._running.pop(message["exit"]), message["exit"], status))
        for pid in self._deaths.unreported():
            kill_group(pid)
            events.append(Exited(self._running.pop(pid), pid, UNKNOWN))
        self._look_for_stuck_fork()
        if self._zygote.closed and not self._failed:
            events.extend(self._replace())
        return events

    def _answered(self, slot: int, incarnation: int) -> Assignment:
        self._waited = 0.0
        self._stuck_forks = 0
        return self._requested.pop((slot, incarnation))

    def _look_for_stuck_fork(self) -> None:
        """Kill a zygote that does not fork.

        The import may have started a thread that holds a lock which is acquired for each fork.
        """
        now = time.monotonic()
        step, self._polled = min(now - self._polled, 1.0), now
        if not self._ready or not self._requested:
            self._waited = 0.0
            return
        self._waited += step
        if self._waited > FORK_SECONDS:
            self._waited = 0.0
            state = procfs.process_state(self._zygote.pid)
            if state is None or state.state in "TtD":
                return  # it does not run: the monitor handles that
            self._stuck_forks += 1
            _LOG.warning("the zygote (pid %d) is killed: %s", self._zygote.pid, _STUCK)
            self._zygote.kill()

    def _on_ready(self, report: dict[str, Any]) -> None:
        self._ready = True
        self._failed_starts = 0
        self.files = report["files"]
        if not self._warned:  # a zygote that is started again would say the same
            self._warned = True
            for warning in report["warnings"]:
                _LOG.warning("%s", warning)

    def _replace(self) -> list[Event]:
        """Replace a dead zygote, with which the kernel has killed all of its workers."""
        code = self._zygote.wait(5.0)
        self._zygote.close()
        self._failed_starts += not self._ready
        if self._stuck_forks >= STUCK_FORKS:
            self._failed = True
            return [BootFailed(WorkerStartError(f"the zygote was killed: {_STUCK}", hint=_THREADS))]
        if self._failed_starts >= ZYGOTE_STARTS or (self._given_up and not self._ready):
            self._failed = True
            why = f"was killed: {self._given_up}" if self._given_up else how_it_ended(code)
            message = f"the zygote {why} while it started (importing the agent, most likely)"
            return [BootFailed(WorkerStartError(message, hint=_START_HINT))]
        running, self._running = self._running, {}
        self._deaths.close()
        for pid in running:
            kill_group(pid)
        self._ready = False
        self._zygote = Interpreter(self._boot, self._log, launch=self._launch)
        for assignment in self._requested.values():
            self._zygote.send(fork=asdict(assignment))
        return [Exited(assignment, pid, None) for pid, assignment in running.items()]

    def close(self) -> None:
        """As `Starter.close`."""
        self._deaths.close()
        self._zygote.close()

    @property
    def pids(self) -> Sequence[int]:
        """The zygote's process id."""
        return [self._zygote.pid]
