"""Runs the tools that make environments, so that they end when the launcher does.

The launcher starts a guard, a few lines of Python in a process group of its own, and the guard
starts the tool. When the launcher dies for any reason, the kernel signals the guard, and the guard
kills the group: the tool, and the compilers that the tool has started.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING, Final

from ...agent.errors import EnvironmentSetupError
from ..interpreters import last_lines, tool_variables

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_LOG: Final = logging.getLogger("tamias.environments")

_GUARD: Final = """\
import ctypes, os, signal, subprocess, sys
def end(*_):
    os.killpg(0, signal.SIGKILL)
signal.signal(signal.SIGTERM, end)
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, int(signal.SIGTERM), 0, 0, 0)
if os.getppid() != int(sys.argv[1]):
    end()
descriptors = [int(number) for number in sys.argv[2].split(",") if number]
sys.exit(subprocess.call(sys.argv[3:], pass_fds=descriptors))
"""

_SLOW_STEPS: Final = ("Downloading ", "Building ", "Downloaded ", "Built ")
"""The beginnings of pip's and uv's lines about steps that take long; they are logged."""


def run_tool(
    command: Sequence[str], what: str, *, lock: int | None = None, folder: Path | None = None
) -> None:
    """Run a command to its end.

    Args:
        command: the tool and its arguments.
        what: its purpose, for the error: "install the requirements".
        lock: a descriptor that it inherits.
        folder: its working directory; None for the launcher's.

    Raises:
        EnvironmentSetupError: it fails; with the last lines that it has printed.
    """
    held = "" if lock is None else str(lock)
    guarded = [sys.executable, "-I", "-c", _GUARD, str(os.getpid()), held, *command]
    _LOG.debug("%s", " ".join(command))
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        process = subprocess.Popen(
            guarded,
            cwd=folder,
            env={**tool_variables(), "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            pass_fds=[] if lock is None else [lock],
            start_new_session=True,
        )
        with process, _killed_with(process):
            for line in process.stdout or ():
                output.write(line)
                text = line.strip()
                level = logging.INFO if text.startswith(_SLOW_STEPS) else logging.DEBUG
                _LOG.log(level, "%s", text)
            code = process.wait()
        if code:
            output.seek(0)
            raise EnvironmentSetupError(
                f"Could not {what} (exit code {code}):\n{last_lines(output.read())}\n",
                hint="Nothing that was there before has been touched.",
            )


class _killed_with(contextlib.AbstractContextManager["_killed_with"]):  # noqa: N801
    """Kills a process group at an exception, such as Ctrl-C."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            with contextlib.suppress(OSError):
                os.killpg(self._process.pid, signal.SIGKILL)
