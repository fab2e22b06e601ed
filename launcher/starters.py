"""How worker processes come into being, and how the launcher hears of their end.

Two start methods, one interface. `ZygoteStarter` forks all workers from one warm interpreter;
`SpawnStarter` gives each worker a fresh one, for agents whose imports do not survive a fork
(threads started on import, some GPU libraries). Both run `tamias.worker.zygote`, the second a cold
one per worker.

The launcher is never a worker's parent, so deaths are reported: `poll` returns them as events.
Without a `Launch` an interpreter is the launcher's own, in the launcher's environment.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import IO, TYPE_CHECKING, Any, Final

from ..agent.configuration import Configuration
from ..agent.errors import WorkerStartError
from ..worker.limits import Account

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..worker.boot import Assignment, Boot
    from .launch import Launch


@dataclass(frozen=True, slots=True)
class Born:
    """A worker's process exists."""

    assignment: Assignment
    pid: int


@dataclass(frozen=True, slots=True)
class Unborn:
    """A worker's process could not be made."""

    assignment: Assignment
    text: str


@dataclass(frozen=True, slots=True)
class Gone:
    """A worker's process has ended; `status` is what waitpid says, None when nobody could wait."""

    assignment: Assignment
    pid: int
    status: int | None


@dataclass(frozen=True, slots=True)
class BootFailed:
    """The agent could not be loaded: no worker will ever start."""

    type: str
    """Name of the error's class."""
    message: str
    hint: str
    traceback: str


ZYGOTE_STARTS: Final = 3
"""A zygote may be killed by accident while it imports the agent; the import may also be what kills
it. So many in a row are taken for the latter."""

_WHERE_STACKS_ARE: Final = (
    "Its stacks are in logs/pool.log of the state directory. Import the agent in a plain Python; if"
    " that only takes long, raise start-timeout."
)
_PROGRAM: Final = "tamias.worker.zygote"

Event = Born | Unborn | Gone | BootFailed


class Interpreter:
    """One child interpreter running `tamias.worker.zygote`, and the control socket to it."""

    def __init__(
        self, boot: Boot, log: IO[bytes] | int, *options: str, launch: Launch | None = None
    ) -> None:
        """Start it. What it and its workers print goes to `log`.

        Raises:
            WorkerStartError: there is no such executable, or no such working directory.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = _start(boot, theirs.fileno(), options, log, launch)
            except BaseException:
                ours.close()
                raise
        self._socket = ours
        self._buffer = b""
        self.closed = False
        """Whether the other end is gone."""
        self._write(boot.encode())
        ours.setblocking(False)

    @property
    def pid(self) -> int:
        """The interpreter's process id."""
        return self._process.pid

    def fileno(self) -> int:
        """What to poll for messages."""
        return self._socket.fileno()

    def tell(self, **message: Any) -> None:
        """Send one message."""
        self._write(json.dumps(message).encode() + b"\n")

    def _write(self, data: bytes) -> None:
        with contextlib.suppress(OSError):  # its end is noticed when reading
            self._socket.setblocking(True)
            self._socket.sendall(data)
            self._socket.setblocking(False)

    def receive(self) -> list[dict[str, Any]]:
        """The messages that have arrived."""
        while not self.closed:
            try:
                data = self._socket.recv(1 << 16)
            except BlockingIOError:
                break
            except OSError:
                data = b""
            if not data:
                self.closed = True
            self._buffer += data
        *lines, self._buffer = self._buffer.split(b"\n")
        return [json.loads(line) for line in lines]

    def wait(self, timeout: float | None) -> int | None:
        """The exit code as Popen gives it, or None after `timeout` seconds."""
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        """SIGKILL it."""
        self._process.kill()

    def close(self) -> None:
        """Let it end (its workers with it) and wait for that; may be called again."""
        self.tell(leave=True)
        self._socket.close()
        if self.wait(5.0) is None:
            self._process.kill()
            self._process.wait()


class Starter(ABC):
    """Makes workers and reports their deaths."""

    @abstractmethod
    def start(self, assignment: Assignment) -> None:
        """Have a worker made; `Born`, `Unborn` or `BootFailed` tells what came of it."""

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
        """Its interpreter is about to be killed because it will not come up: make no other."""
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


class ZygoteStarter(Starter):
    """Forks workers from one warm interpreter, and makes a new one when that dies."""

    def __init__(self, boot: Boot, log: IO[bytes] | int, launch: Launch | None = None) -> None:
        super().__init__()
        self._boot = boot
        self._log = log
        self._launch = launch
        self._zygote = Interpreter(boot, log, launch=launch)
        self._asked: dict[tuple[int, int], Assignment] = {}
        self._living: dict[int, Assignment] = {}
        self._ready = False
        self._failed = False
        """Whether the agent does not load: another zygote would not load it either."""
        self._stillborn = 0
        """Zygotes in a row that died before they were ready."""

    @property
    def is_warm(self) -> bool:
        """As `Starter.is_warm`."""
        return self._ready

    def start(self, assignment: Assignment) -> None:
        """As `Starter.start`."""
        self._asked[assignment.slot, assignment.incarnation] = assignment
        self._zygote.tell(fork=asdict(assignment))

    def descriptors(self) -> Sequence[int]:
        """As `Starter.descriptors`."""
        return [self._zygote.fileno()]

    def poll(self) -> list[Event]:
        """As `Starter.poll`."""
        events: list[Event] = []
        for message in self._zygote.receive():
            if "ready" in message:
                self._ready = True
                self._stillborn = 0
                self.files = message["ready"]["files"]
            elif "failed" in message:
                self._failed = True
                events.append(BootFailed(**message["failed"]))
                return events
            elif "forked" in message:
                assignment = self._asked.pop((message["slot"], message["incarnation"]))
                self._living[message["forked"]] = assignment
                events.append(Born(assignment, message["forked"]))
            elif "unforked" in message:
                assignment = self._asked.pop((message["unforked"], message["incarnation"]))
                events.append(Unborn(assignment, message["error"]))
            else:
                assignment = self._living.pop(message["exit"])
                events.append(Gone(assignment, message["exit"], message["status"]))
        if self._zygote.closed and not self._failed:
            events.extend(self._replace())
        return events

    def _replace(self) -> list[Event]:
        """The zygote is dead, and with it, by the kernel's hand, all of its workers."""
        code = self._zygote.wait(5.0)
        self._zygote.close()
        self._stillborn += not self._ready
        if self._stillborn >= ZYGOTE_STARTS or (self._given_up and not self._ready):
            self._failed = True
            why = f"was killed: {self._given_up}" if self._given_up else _ended(code)
            message = f"the zygote {why} while it started (importing the agent, most likely)"
            return [BootFailed("WorkerStartError", message, _WHERE_STACKS_ARE, "")]
        living, self._living = self._living, {}
        for pid in living:
            _bury(pid)
        self._ready = False
        self._zygote = Interpreter(self._boot, self._log, launch=self._launch)
        for assignment in self._asked.values():
            self._zygote.tell(fork=asdict(assignment))
        return [Gone(assignment, pid, None) for pid, assignment in living.items()]

    def close(self) -> None:
        """As `Starter.close`."""
        self._zygote.close()

    @property
    def pids(self) -> Sequence[int]:
        """The zygote's."""
        return [self._zygote.pid]


class _Spawned:
    """A worker in an interpreter of its own, behind its guardian."""

    __slots__ = ("assignment", "guardian", "pid")

    def __init__(self, guardian: Interpreter, assignment: Assignment) -> None:
        self.guardian = guardian
        self.assignment = assignment
        self.pid = 0
        """The worker's, once it is known."""


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
        guardian = Interpreter(self._boot, self._log, "cold", launch=self._launch)
        guardian.tell(fork=asdict(assignment))
        self._spawned.append(_Spawned(guardian, assignment))

    def descriptors(self) -> Sequence[int]:
        """As `Starter.descriptors`."""
        return [spawned.guardian.fileno() for spawned in self._spawned]

    def poll(self) -> list[Event]:
        """As `Starter.poll`."""
        events: list[Event] = []
        for spawned in list(self._spawned):
            ended = self._listen(spawned, events)
            if spawned.guardian.closed and not ended:
                events.append(self._orphaned(spawned))
                ended = True
            if ended:
                spawned.guardian.close()
                self._spawned.remove(spawned)
        return events

    def _listen(self, spawned: _Spawned, events: list[Event]) -> bool:
        """Turn what the guardian says into events; returns whether its worker has ended."""
        assignment = spawned.assignment
        ended = False
        for message in spawned.guardian.receive():
            if "failed" in message:
                events.append(BootFailed(**message["failed"]))
            elif "forked" in message:
                spawned.pid = message["forked"]
                events.append(Born(assignment, spawned.pid))
            elif "unforked" in message:
                events.append(Unborn(assignment, message["error"]))
                ended = True
            else:
                events.append(Gone(assignment, message["exit"], message["status"]))
                ended = True
        return ended

    def _orphaned(self, spawned: _Spawned) -> Event:
        """The guardian is dead, and with it, by the kernel's hand, its worker."""
        code = spawned.guardian.wait(5.0)
        if not spawned.pid:
            return Unborn(spawned.assignment, f"its guardian {_ended(code)} while it started")
        _bury(spawned.pid)
        return Gone(spawned.assignment, spawned.pid, None)

    def close(self) -> None:
        """As `Starter.close`."""
        for spawned in self._spawned:
            spawned.guardian.close()

    @property
    def pids(self) -> Sequence[int]:
        """The guardians'."""
        return [spawned.guardian.pid for spawned in self._spawned]


def make_starter(
    method: str, boot: Boot, log: IO[bytes] | int, launch: Launch | None = None
) -> Starter:
    """The starter for a start method: "zygote" or "spawn"; `launch` None is this interpreter."""
    kind = ZygoteStarter if method == "zygote" else SpawnStarter
    return kind(boot, log, launch)


def _start(
    boot: Boot,
    control: int,
    options: Sequence[str],
    log: IO[bytes] | int,
    launch: Launch | None,
) -> subprocess.Popen[bytes]:
    if launch is None:
        command = [sys.executable, "-m", _PROGRAM, str(control), *options]
    else:
        command = launch.command(f"{_PROGRAM}:main", str(control), *options, folders=boot.sys_path)
    account = Account.of(Configuration(boot.config))
    environment = None if launch is None else launch.environ
    if account is not None:
        environment = {**(environment or os.environ), **account.variables()}
    try:
        return subprocess.Popen(
            command,
            cwd=None if launch is None else launch.folder,
            env=environment,
            user=None if account is None else account.user,
            group=None if account is None else account.group,
            extra_groups=None if account is None else account.groups,
            pass_fds=[control],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # the terminal's Ctrl-C is for the launcher alone
        )
    except OSError as error:
        whose = "" if account is None else f" as {account.name}"
        raise WorkerStartError(
            f"{command[0]} cannot be started{whose}: {error.strerror}: {error.filename}.",
            hint="Check the workers' interpreter and their working directory"
            + ("." if account is None else ", and whether that user may read them."),
        ) from error


def _bury(pid: int) -> None:
    """Kill what a worker, dead or dying with its zygote, has left running in its process group."""
    with contextlib.suppress(OSError):
        os.killpg(pid, signal.SIGKILL)


def _ended(code: int | None) -> str:
    if code is None:
        return "closed its control socket"
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"exited with code {code}"
