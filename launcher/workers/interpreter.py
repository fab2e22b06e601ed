"""A child interpreter that forks workers, and the control socket to it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from typing import IO, TYPE_CHECKING, Any, Final

from ...agent.config.configuration import Configuration
from ...agent.errors import WorkerStartError
from ...worker.process.limits import Account

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...environments.launch import Launch
    from ...worker.process.boot import Boot


_PROGRAM: Final = "tamias.worker.process.zygote"


class Interpreter:
    """A child interpreter that runs `worker.process.zygote`, and the control socket to it."""

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
                self._process = start_process(boot, theirs.fileno(), options, log, launch)
            except BaseException:
                ours.close()
                raise
        self._socket = ours
        self._buffer = b""
        self.closed = False
        """Whether the other end is closed."""
        self._write(boot.encode())
        ours.setblocking(False)

    @property
    def pid(self) -> int:
        """The interpreter's process id."""
        return self._process.pid

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
        return [json.loads(line) for line in lines]

    def wait(self, timeout: float | None) -> int | None:
        """Return the exit code as Popen gives it, or None after `timeout` seconds."""
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        """SIGKILL it."""
        self._process.kill()

    def close(self) -> None:
        """Make it end, with its workers, and wait for that; may be called again."""
        self.send(leave=True)
        self._socket.close()
        if self.wait(5.0) is None:
            self._process.kill()
            self._process.wait()


def start_process(
    boot: Boot,
    control: int,
    options: Sequence[str],
    log: IO[bytes] | int,
    launch: Launch | None,
) -> subprocess.Popen[bytes]:
    """Start the interpreter's process.

    Raises:
        WorkerStartError: there is no such executable, or no such working directory.
    """
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
        return f"was killed by {signal.Signals(-code).name}"
    return f"exited with code {code}"
