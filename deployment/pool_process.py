"""One pool process, as its supervisor sees it.

A fresh interpreter (exec, so nothing of the supervisor's state is inherited) in a session of its
own: the terminal's Ctrl-C reaches only the supervisor, which then asks the pools to drain or to
stop. The kernel kills the process when the supervisor dies, and with it its zygote and workers.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..service.server.service import ServeSpec
from ..worker.process.machine import POOLS_VARIABLE
from .channel import Channel

if TYPE_CHECKING:
    from .spec import Member

# The working directory is the user's: a `queue.py` in it must not be imported instead of Python's.
_PROGRAM: Final = (
    "import sys; sys.path[:] = [path for path in sys.path if path]; "
    "from tamias.deployment.main import main; main()"
)
_TAIL_LINES: Final = 15
_TAIL_BYTES: Final = 1 << 14


class PoolProcess:
    """A running pool process.

    Attributes:
        pid: its process id.
    """

    def __init__(self, member: Member, folder: Path, *, again: bool, pools: int) -> None:
        """Start it; only in the main thread: the kernel kills it when this thread ends.

        Args:
            member: what it runs.
            folder: its working directory.
            again: whether it continues from what its state directory records.
            pools: how many pools share the memory of the machine.

        Raises:
            OSError: it cannot be started.
        """
        self._log = log_path(member)
        self._channel, theirs = Channel.pair()
        request = {
            "name": member.name,
            "kind": "service" if isinstance(member.spec, ServeSpec) else "job",
            "spec": asdict(member.spec),
            "state": str(member.state),
            "overwrite": member.overwrite,
            "again": again,
        }
        try:
            # A file, not a pipe: writing to it does not wait for the process to read.
            with (
                tempfile.TemporaryFile("w+", encoding="utf-8") as stdin,
                self._log.open("ab") as log,
            ):
                json.dump(request, stdin)
                stdin.seek(0)
                self._log_began = log.tell()
                self._process = subprocess.Popen(
                    [sys.executable, "-c", _PROGRAM, str(os.getpid()), str(theirs.fileno())],
                    cwd=folder,
                    env=_environment(pools),
                    stdin=stdin,
                    stdout=log,
                    stderr=log,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                )
        except BaseException:
            self._channel.close()
            raise
        finally:
            theirs.close()
        self.pid = self._process.pid

    def fileno(self) -> int:
        """Return the descriptor to poll."""
        return self._channel.fileno()

    def receive(self) -> tuple[list[dict[str, Any]], bool]:
        """Return its messages, and whether it has ended."""
        return self._channel.receive()

    def request_stop(self) -> None:
        """Act as Ctrl-C for a single pool: at the first call it drains, at the second it stops."""
        self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL it; may be called again."""
        self._process.kill()

    def wait_for_end(self) -> str:
        """Wait for the process, which is ending, and return how it ended."""
        code = self._process.wait()
        self._channel.close()
        if code < 0:
            try:
                return f"was killed by {signal.Signals(-code).name}"
            except ValueError:
                return f"was killed by signal {-code}"
        return f"ended with exit code {code}"

    def log_tail(self) -> str:
        """Return the end of what this process has printed to its log; usually nothing."""
        with suppress(OSError), self._log.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            if end == 0:
                self._log.unlink()
            file.seek(max(self._log_began, end - _TAIL_BYTES))
            lines = file.read().decode(errors="backslashreplace").splitlines()
            return "\n".join(lines[-_TAIL_LINES:])
        return ""


def _environment(pools: int) -> dict[str, str]:
    """Return the environment of a pool process, one of so many."""
    inherited = {name: text for name, text in os.environ.items() if name != "NOTIFY_SOCKET"}
    return {**inherited, POOLS_VARIABLE: str(pools)}


def log_path(member: Member) -> Path:
    """Return the log of a pool process, which has what it prints besides its messages."""
    return member.state.with_name(f"{member.name}.log")
