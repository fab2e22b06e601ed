"""Looks into a worker from outside, by py-spy, whose program is started for it.

py-spy stops its target for each sample, by ptrace, unless it is told not to. A py-spy that hangs or
is killed may leave its target stopped; so it always has a deadline, and afterwards the target is
looked at and has to go on (`processes.continue_process`). A process that is stopped already can be
looked at only without stopping it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ...agent.errors import MissingExtraError, PoolError
from .processes import continue_process, is_worker, state_of, why_not

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["dump", "find_py_spy", "record"]

DUMP_SECONDS: Final = 15.0
"""A dump takes half a second; with native frames, symbols have to be read."""
LATE_SECONDS: Final = 20.0
"""How much longer than asked for a recording may take."""
VARIABLE: Final = "TAMIAS_PY_SPY"
"""An environment variable with the path of py-spy, where it is not found by itself."""
_END_SECONDS: Final = 3.0
_POLL: Final = 0.1


def find_py_spy() -> str:
    """The program py-spy: the one that is named, of this environment, or else on the PATH.

    Raises:
        MissingExtraError: there is none.
    """
    named = os.environ.get(VARIABLE)
    here = shutil.which("py-spy", path=str(Path(sys.executable).parent))
    found = named or here or shutil.which("py-spy")
    if found is None:
        raise MissingExtraError(
            "py-spy looks into workers from outside, and is not installed.",
            hint="Try: pip install 'tamias[profile]'",
        )
    return found


def dump(pid: int, slot: int, *, native: bool = False) -> list[dict[str, Any]]:
    """The stacks of a worker's threads, as py-spy's JSON has them.

    Raises:
        MissingExtraError: py-spy is not installed.
        PoolError: the kernel does not allow it, or py-spy has failed.
    """
    command = [find_py_spy(), "dump", "--pid", str(pid), "--json"]
    if native and state_of(pid) not in {"T", "t"}:
        command.append("--native")
    else:
        command.append("--nonblocking")
    for last in (False, False, True):  # what changes while it is read cannot be read
        try:
            text = _run(command, pid, slot, DUMP_SECONDS)
            found = json.loads(text)
        except (PoolError, ValueError):
            if last or not is_worker(pid, slot) or why_not(pid):
                raise
        else:
            return found if isinstance(found, list) else []
    raise AssertionError


def record(
    pid: int,
    slot: int,
    *,
    seconds: float,
    hz: float,
    native: bool,
    idle: bool,
    waiting: Callable[[float], None] | None = None,
) -> str:
    """Lines of stacks and counts, as py-spy's format "raw" has them.

    `idle` has threads counted, too, that use no processor.

    Raises:
        MissingExtraError: py-spy is not installed.
        PoolError: the kernel does not allow it, or py-spy has failed.
    """
    with tempfile.TemporaryDirectory(prefix="tamias-profile-") as folder:
        output = Path(folder) / "stacks"
        command = [
            *(find_py_spy(), "record", "--pid", str(pid), "--format", "raw", "--function"),
            *("--full-filenames", "--threads", "--rate", f"{max(1, round(hz))}"),
            *("--duration", f"{max(1, round(seconds))}", "--output", str(output)),
            "--native" if native else "--nonblocking",
            *(("--idle",) if idle else ()),
        ]
        _run(command, pid, slot, seconds + LATE_SECONDS, waiting)
        try:
            return output.read_text(errors="replace")
        except OSError:
            return ""  # it has seen nothing


def _run(
    command: list[str],
    pid: int,
    slot: int,
    seconds: float,
    waiting: Callable[[float], None] | None = None,
) -> str:
    """Run py-spy in a process of its own, to its end or to the deadline; return what it prints."""
    if not is_worker(pid, slot):
        raise PoolError(f"Worker {slot} (process {pid}) has ended.", hint="Repeat the command.")
    reason = why_not(pid)
    if reason:
        raise PoolError(
            f"The kernel does not let this process look into worker {slot} (process {pid}).",
            hint=f"{reason[0].upper()}{reason[1:]}.",
        )
    before = state_of(pid)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=errors,
            start_new_session=True,  # an interrupt is for this process, which ends it
        )
        began = time.monotonic()
        try:
            while process.poll() is None and time.monotonic() - began < seconds:
                if waiting is not None:
                    waiting(min(1.0, (time.monotonic() - began) / seconds))
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_POLL)
        finally:
            is_late = process.poll() is None
            if is_late:
                _end(process)
            left = continue_process(pid, before)
        out.seek(0)
        errors.seek(0)
        text = out.read().decode(errors="replace")
        said = errors.read().decode(errors="replace")
    if is_late or process.returncode:
        words = f"py-spy has not ended within {seconds:.0f} s" if is_late else _error_in(said)
        raise PoolError(
            f"py-spy could not look into worker {slot} (process {pid}): {words}.",
            hint=f"The worker: {left}." if left else "Repeat the command.",
        )
    return text


def _end(process: subprocess.Popen[bytes]) -> None:
    """End py-spy: by an interrupt, with which it lets go of its target, or else at once."""
    process.send_signal(signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_END_SECONDS)
        return
    process.kill()
    process.wait()


def _error_in(said: str) -> str:
    """What py-spy gives as its error, on one line."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    for number, line in enumerate(lines):
        if line.startswith("Error:"):
            causes = [each for each in lines[number + 1 : number + 5] if each[:1].isdigit()]
            return "; ".join([line.removeprefix("Error:").strip(), *causes])
    return lines[-1] if lines else "it has ended without a word"
