"""Running commands of skills: each a process with limits, in the folder of its skill.

A command is no line for a shell: it is cut into words, the first of which must be allowed, and
nothing in the others has a meaning of its own. Only if a shell itself is allowed it gets one. The
process has no environment but a path, and no network where the kernel lets processes give it up.
When its time is over, it and its process group are killed.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shlex
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from . import sandbox

__all__ = ["CommandLimits", "run_command"]

_LOG: Final = logging.getLogger("tamias.skills")
_SANDBOX: Final = str(Path(sandbox.__file__).resolve())
_PATH: Final = "/usr/local/bin:/usr/bin:/bin"
_CHUNK: Final = 65_536
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


async def run_command(folder: Path, command: str, allowed: list[str], limits: CommandLimits) -> str:
    """Run a command; returns what it has printed, and how it ended unless well.

    Raises:
        PermissionError: it is not allowed.
    """
    words = _allowed_words(folder, command, allowed)
    status, printed = await _run(folder, words, limits, must_cut_off=not limits.network)
    # A command may end with the same code: it must not get the network by that, nor run twice.
    if status == sandbox.CUT_OFF_FAILED and await _cannot_be_cut_off(folder, limits):
        if not _warned:
            _warned.append(True)
            _LOG.warning("commands of skills cannot be cut off from the network on this system")
        status, printed = await _run(folder, words, limits, must_cut_off=False)
    if status == 0:
        return printed
    ended = "was killed: its time was over" if status is None else f"exit code {status}"
    return f"{printed}\n[{ended}]".lstrip()


async def _cannot_be_cut_off(folder: Path, limits: CommandLimits) -> bool:
    """Whether this system lets no process give up the network; runs one that does nothing."""
    if limits.network:
        return False
    status, _ = await _run(folder, ["true"], limits, must_cut_off=True)
    return status == sandbox.CUT_OFF_FAILED


def _allowed_words(folder: Path, command: str, allowed: list[str]) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise PermissionError(f"The command cannot be read: {error}.") from None
    if not words or words[0] not in allowed:
        raise PermissionError(
            f"The command {words[0] if words else ''!r} is not allowed; allowed are"
            f" {', '.join(allowed) or 'none'}."
        )
    if words[0].startswith("./"):
        script = (folder / words[0]).resolve()
        if not script.is_relative_to(folder.resolve()):
            raise PermissionError(f"{words[0]} is outside of the skill's folder.")
    return words


async def _run(
    folder: Path, words: list[str], limits: CommandLimits, *, must_cut_off: bool
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
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", _SANDBOX, json.dumps(said), *words),
        cwd=folder,
        env={"PATH": _PATH, "HOME": str(folder), "LANG": "C.UTF-8"},
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
