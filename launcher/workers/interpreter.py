"""A child interpreter that forks workers, its reaper, and the sockets to both.

The child of this process is the reaper; the interpreter is the reaper's child.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
from typing import IO, TYPE_CHECKING, Any, Final

from ...agent.config.configuration import Configuration
from ...agent.errors import WorkerStartError
from ...environments.launch import Launch
from ...store.state.layout import StateLayout
from ...worker.connection.connecting import modules_for
from ...worker.process.limits import Account
from ...worker.process.reaper import EXIT_DESCRIPTORS_CLOSED, LEAVE

if TYPE_CHECKING:
    from ...worker.process.boot import Boot


_PROGRAM: Final = "tamias.worker.process.zygote"


class Interpreter:
    """A child interpreter that runs `worker.process.zygote`, and the control socket to it."""

    def __init__(
        self,
        boot: Boot,
        log: IO[bytes] | int,
        *,
        spawn: bool = False,
        launch: Launch | None = None,
    ) -> None:
        """Start it. What it and its workers print goes to `log`.

        With `spawn` it becomes the worker itself.

        Raises:
            WorkerStartError: there is no such executable, or no such working directory.
        """
        ours, theirs = socket.socketpair()
        leash, self._leash = os.pipe()
        with theirs:
            try:
                given = {
                    "control": theirs.fileno(),
                    "leash": leash,
                    "parent": boot.parent,
                    "socket": str(StateLayout(boot.state).control_socket),
                    "scratch": boot.scratch,
                    "spawn": spawn,
                }
                self._process = start_process(boot, given, log, launch)
            except BaseException:
                ours.close()
                os.close(self._leash)
                raise
            finally:
                os.close(leash)
        self._socket = ours
        self._buffer = b""
        self._pid = 0
        self._status: int | None = None
        self.closed = False
        """Whether the other end is closed."""
        self._write(boot.encode())
        ours.setblocking(False)

    @property
    def pid(self) -> int:
        """The interpreter's process id; the reaper's as long as that has not reported it."""
        return self._pid or self._process.pid

    @property
    def status(self) -> int | None:
        """The interpreter's status of waitpid, as the reaper has reported it; None before."""
        return self._status

    def fileno(self) -> int:
        """Return the descriptor to poll for messages."""
        return self._socket.fileno()

    def send(self, **message: Any) -> None:
        """Send one message."""
        self._write(json.dumps(message).encode() + b"\n")

    def _write(self, data: bytes) -> None:
        with contextlib.suppress(OSError):  # its end is noticed when reading
            self._socket.setblocking(True)
            self._socket.sendall(data)
            self._socket.setblocking(False)

    def receive(self) -> list[dict[str, Any]]:
        """Return the messages that have arrived."""
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
        messages = []
        for line in lines:
            message = _parse(line)
            if "zygote" in message:
                self._pid = message["zygote"]
            elif "ended" in message:
                self._status = message["ended"]
            elif message:
                messages.append(message)
        return messages

    def wait(self, timeout: float | None) -> int | None:
        """Wait for its end; return its exit code as Popen gives it, None after `timeout` seconds.

        If the reaper has been killed, it is the reaper's, with which the kernel kills the other.
        """
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        return code if self._status is None else os.waitstatus_to_exitcode(self._status)

    def kill(self) -> None:
        """SIGKILL it; the reaper kills all that it has started."""
        with contextlib.suppress(OSError):
            os.kill(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """Make it end, with its workers, and wait for that; may be called again."""
        if self._leash >= 0:
            with contextlib.suppress(OSError):  # it has ended
                os.write(self._leash, LEAVE)
            os.close(self._leash)
            self._leash = -1
        self._socket.close()
        if self.wait(5.0) is None:
            self._process.kill()
            self._process.wait()


def _parse(line: bytes) -> dict[str, Any]:
    """Return a message; an empty one for a line that its sender died over."""
    try:
        return dict(json.loads(line))
    except (ValueError, TypeError):
        return {}


def start_process(
    boot: Boot, given: dict[str, Any], log: IO[bytes] | int, launch: Launch | None
) -> subprocess.Popen[bytes]:
    """Start the reaper's process; `given` is what reaper and interpreter get.

    Raises:
        WorkerStartError: there is no such executable, or no such working directory.
    """
    command = (launch or Launch.own()).command(
        f"{_PROGRAM}:main",
        json.dumps(given),
        folders=() if launch is None else boot.sys_path,
        has_reaper=True,
        before=modules_for(boot.address),
    )
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
            pass_fds=[given["control"], given["leash"]],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # the terminal's Ctrl-C must reach only the launcher
        )
    except OSError as error:
        whose = "" if account is None else f" as {account.name}"
        raise WorkerStartError(
            f"{command[0]} cannot be started{whose}: {error.strerror}: {error.filename}.",
            hint="Check the workers' interpreter and their working directory"
            + ("." if account is None else ", and whether that user may read them."),
        ) from error


def kill_group(pid: int) -> None:
    """Kill the processes that a dead worker has left in its process group."""
    with contextlib.suppress(OSError):
        os.killpg(pid, signal.SIGKILL)


def how_it_ended(code: int | None) -> str:
    """Describe an exit code as `Popen` gives it; None: the process still lives."""
    if code is None:
        return "closed its control socket"
    if code < 0:
        return f"was killed by {signal_name(-code)}"
    if code == EXIT_DESCRIPTORS_CLOSED:
        return "lost its descriptors, or became another program (os.closerange or os.exec, perhaps)"
    return f"exited with code {code}"


def signal_name(number: int) -> str:
    """Return the name of a signal; its number for one without, as those of real time."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
