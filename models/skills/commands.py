"""Running commands of skills: each a process with limits, in the folder of its skill.

A command that is plain words runs without a shell. One with pipes, redirections or variables is
read and checked first (`shell_rules`), and a shell gets what was understood of it, never the text
itself. The process has no environment but a path and what is named, and no network where the kernel
lets processes give it up. When its time is over, it and its process group are killed.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from . import sandbox
from .shell_rules import CommandRules, allowed_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .shell_lines import ShellLine

__all__ = ["CommandLimits", "run_command", "run_line"]

_LOG: Final = logging.getLogger("tamias.skills")
_SANDBOX: Final = str(Path(sandbox.__file__).resolve())
_PATH: Final = "/usr/local/bin:/usr/bin:/bin"
_CHUNK: Final = 65_536
# Builtins of bash that take an argument for an expression: "a[$(id)]" would run a command. What a
# system has as programs, too, is run as these.
_EXPRESSIVE: Final = (
    "printf test [ read unset let declare typeset local readonly mapfile readarray wait getopts"
)
_warned: list[bool] = []


class CommandLimits(NamedTuple):
    """What a command may use."""

    seconds: float = 30.0
    """Its time, and that of the CPU."""
    memory: int = 1 << 30
    """Bytes of address space."""
    written: int = 64 << 20
    """Bytes of each file that it writes."""
    printed: int = 100_000
    """Bytes of what it prints that are kept."""
    network: bool = False
    """Whether it may use the network."""
    variables: tuple[str, ...] = ()
    """Names of this process's environment variables that it gets."""


async def run_command(
    folder: Path,
    command: str,
    allowed: Sequence[str],
    limits: CommandLimits,
    scripts: Sequence[str | Path] = (),
) -> str:
    """Run a command; returns what it has printed, and how it ended unless well.

    Raises:
        PermissionError: it is not allowed.
    """
    line = allowed_line(command, CommandRules(allowed, scripts, folder))
    status, printed = await run_line(line, folder, limits)
    if status == 0:
        return printed
    ended = "was killed: its time was over" if status is None else f"exit code {status}"
    return f"{printed}\n[{ended}]".lstrip()


async def run_line(
    line: ShellLine, folder: Path | None, limits: CommandLimits
) -> tuple[int | None, str]:
    """Run a line that is allowed; returns its exit code, None if its time was over, and its text.

    Without a folder it runs where this process is.
    """
    words = line.plain_words or _for_a_shell(line)
    status, printed = await _run(folder, words, limits, must_cut_off=not limits.network)
    # A command may end with the same code: it must not get the network by that, nor run twice.
    if status == sandbox.CUT_OFF_FAILED and await _cannot_be_cut_off(folder, limits):
        if not _warned:
            _warned.append(True)
            _LOG.warning("commands of skills cannot be cut off from the network on this system")
        status, printed = await _run(folder, words, limits, must_cut_off=False)
    return status, printed


def _for_a_shell(line: ShellLine) -> list[str]:
    if bash := shutil.which("bash", path=_PATH):
        begin = f"enable -n {_EXPRESSIVE}; "
        return [bash, "--noprofile", "--norc", "-c", begin + line.text]
    return ["/bin/sh", "-c", line.text]


async def _cannot_be_cut_off(folder: Path | None, limits: CommandLimits) -> bool:
    """Whether this system lets no process give up the network; runs one that does nothing."""
    if limits.network:
        return False
    status, _ = await _run(folder, ["true"], limits, must_cut_off=True)
    return status == sandbox.CUT_OFF_FAILED


async def _run(
    folder: Path | None, words: list[str], limits: CommandLimits, *, must_cut_off: bool
) -> tuple[int | None, str]:
    """Run it once; the exit code is None if its time was over."""
    resources = {
        "RLIMIT_CPU": max(1, int(limits.seconds) + 1),
        "RLIMIT_AS": limits.memory,
        "RLIMIT_FSIZE": limits.written,
        "RLIMIT_CORE": 0,
        "RLIMIT_NOFILE": 256,
    }
    said: dict[str, Any] = {
        "resources": resources,
        "network": limits.network,
        "must_cut_off": must_cut_off,
    }
    given = {name: os.environ[name] for name in limits.variables if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", _SANDBOX, json.dumps(said), *words),
        cwd=folder,
        env={"PATH": _PATH, "HOME": str(folder or Path.cwd()), "LANG": "C.UTF-8", **given},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    assert process.stdout is not None  # noqa: S101 (it is a pipe)
    kept = bytearray()
    is_over = False

    async def read(stream: asyncio.StreamReader) -> None:
        while chunk := await stream.read(_CHUNK):
            kept.extend(chunk[: max(0, limits.printed - len(kept))])

    try:
        await asyncio.wait_for(read(process.stdout), limits.seconds)
        await asyncio.wait_for(process.wait(), limits.seconds)
    except asyncio.TimeoutError:
        is_over = True
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    text = kept.decode(errors="replace").rstrip()
    if len(kept) >= limits.printed:
        text += "\n[the rest is left out]"
    return None if is_over else process.returncode, text
