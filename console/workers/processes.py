"""A worker's process as the kernel shows it: its state, its threads, and who may look into it."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

__all__ = ["continue_process", "is_worker", "kernel_threads", "state_of", "state_words", "why_not"]

_WORDS: Final = {
    "R": "running",
    "S": "sleeping",
    "D": "in the kernel, and cannot be woken (disk, swap, a network file system)",
    "T": "stopped (SIGSTOP; SIGCONT lets it go on)",
    "t": "held by a debugger",
    "Z": "dead",
    "X": "dead",
    "I": "idle",
}
_PTRACE: Final = 1 << 19
"""CAP_SYS_PTRACE in a set of capabilities."""
_MOST_THREADS: Final = 100


def state_of(pid: int) -> str:
    """The state of a process as the kernel names it (a letter); empty if there is none."""
    return _state_in(f"/proc/{pid}/stat")


def _state_in(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace").rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return ""


def state_words(letter: str) -> str:
    """A state in words."""
    return _WORDS.get(letter, letter or "ended")


def is_worker(pid: int, slot: int) -> bool:
    """Whether a process is a worker in this slot: a number may belong to another one by now."""
    title = _read(f"/proc/{pid}/cmdline").replace("\0", " ")
    return title.startswith(f"tamias worker {slot} ")


def kernel_threads(pid: int) -> list[dict[str, Any]]:
    """The threads of a process as the kernel knows them: what each waits for in the kernel."""
    found = []
    with suppress(OSError):
        for task in sorted(Path(f"/proc/{pid}/task").iterdir())[:_MOST_THREADS]:
            waits_in = _read(f"{task}/wchan")
            found.append(
                {
                    "native_id": int(task.name),
                    "name": _read(f"{task}/comm").strip(),
                    "state": state_words(_state_in(f"{task}/stat")),
                    "kernel": "" if waits_in == "0" else waits_in,
                }
            )
    return found


def continue_process(pid: int, before: str) -> str:
    """Have a process go on that a profiler has left standing; return what was done, or nothing.

    `before` is its state before that: one that was stopped then stays so.
    """
    if before in {"T", "t"}:
        return ""
    for _ in range(20):  # the kernel lets go of it when the profiler has ended
        state = state_of(pid)
        if state not in {"T", "t"}:
            return ""
        if state == "T":
            with suppress(OSError):
                os.kill(pid, signal.SIGCONT)
                return "it was left stopped, and was continued"
        time.sleep(0.05)
    return f"it is still held by process {_field(pid, 'TracerPid')}"


def why_not(pid: int) -> str:
    """Why the kernel does not let this process look into another one; empty if it does."""
    try:
        os.close(os.open(f"/proc/{pid}/mem", os.O_RDONLY | os.O_CLOEXEC))
    except FileNotFoundError:
        return "it has ended"
    except OSError:
        return _reason(pid)
    return ""


def _reason(pid: int) -> str:
    own, theirs = os.geteuid(), _field(pid, "Uid").split()
    has_right = bool(int(_field("self", "CapEff") or "0", 16) & _PTRACE)
    yama = _read("/proc/sys/kernel/yama/ptrace_scope").strip()
    tracer = _field(pid, "TracerPid")
    if tracer not in {"", "0"}:
        return f"a debugger (process {tracer}) has it already: end that first"
    if has_right:
        return "the kernel forbids it although CAP_SYS_PTRACE is there (a container's policy?)"
    if own == 0:
        return (
            "root has no CAP_SYS_PTRACE here, and the worker has more rights than this process:"
            " give the container that capability (docker run --cap-add SYS_PTRACE)"
        )
    if theirs and int(theirs[1]) != own:
        return f"it belongs to user {theirs[1]}: repeat the command as that user, or as root"
    if yama in {"1", "2", "3"}:
        return (
            f"Yama allows it only to root (kernel.yama.ptrace_scope is {yama}): repeat the command"
            " as root, or set that to 0"
        )
    return "it has changed its user or has rights that this user has not: repeat it as root"


def _field(pid: int | str, name: str) -> str:
    for line in _read(f"/proc/{pid}/status").splitlines():
        if line.startswith(f"{name}:"):
            return line.partition(":")[2].strip()
    return ""


def _read(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""
