"""Collects profiles of a job: asked of its workers now, or from what they have recorded."""

from __future__ import annotations

import time
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Final, NamedTuple

from ...agent.errors import PoolError, StoreUnwritableError, UsageError
from ...worker.profiling.profile import Profile
from ...worker.profiling.recording import Request, Stretch, stretches_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ...store.state.directory import StateView

__all__ = ["Collected", "Wanted", "ask_workers", "joined", "recorded"]

PATIENCE: Final = 5.0
"""Seconds that a worker may be late with its answer."""
_POLL: Final = 0.1


class Wanted(NamedTuple):
    """What is to be profiled.

    Attributes:
        seconds: for how long.
        hz: samples a second.
        worker: of which worker; None for all.
        action: only this action; empty for all.
        tasks: whether tasks that wait are looked at.
    """

    seconds: float = 10.0
    hz: float = 100.0
    worker: int | None = None
    action: str = ""
    tasks: bool = False


class Collected(NamedTuple):
    """What came of it.

    Attributes:
        stretches: what workers have answered.
        silent: the workers that have not, and why, as far as that can be seen.
    """

    stretches: list[Stretch]
    silent: dict[int, str]


def ask_workers(
    view: StateView, wanted: Wanted, *, waiting: Callable[[float], None] | None = None
) -> Collected:
    """Have the workers of a running job sample, and return their answers.

    `waiting` is called now and then with the share (0 to 1) of the time that has passed.

    Raises:
        PoolError: the job does not run, or has no such worker.
        StoreUnwritableError: its directory is another user's.
    """
    pids = _workers(view)
    if wanted.worker is not None:
        if wanted.worker not in pids:
            raise PoolError(
                f"The job has no worker {wanted.worker} now.",
                hint=f"It has {', '.join(map(str, sorted(pids))) or 'none'}.",
            )
        pids = {wanted.worker: pids[wanted.worker]}
    if not pids:
        raise PoolError("The job has no workers now.", hint="Ask again when it runs.")
    profiles = view.layout.profiles
    until = time.time() + wanted.seconds + PATIENCE
    request = Request(
        token_hex(8),
        wanted.hz,
        wanted.seconds,
        wanted.tasks,
        wanted.worker,
        wanted.action,
        until,
    )
    try:
        request.write(profiles)
    except OSError as error:
        raise StoreUnwritableError(
            f"{profiles} cannot be written ({error.strerror}), so the workers cannot be asked.",
            hint="Ask as the user whose job it is, or as root.",
        ) from error
    try:
        return _await_answers(request, profiles, pids, until, waiting)
    finally:
        request.remove(profiles)


def _await_answers(
    request: Request,
    profiles: Path,
    pids: dict[int, int],
    until: float,
    waiting: Callable[[float], None] | None,
) -> Collected:
    began = time.time()
    while time.time() < until:
        time.sleep(_POLL)
        if all(
            request.answer(profiles, slot).exists() or not _can_answer(pid)
            for slot, pid in pids.items()
        ):
            break
        if waiting is not None:
            waiting(min(1.0, (time.time() - began) / request.seconds))
    stretches = []
    silent = {}
    for slot, pid in sorted(pids.items()):
        try:
            stretches.append(Stretch.decode(request.answer(profiles, slot).read_bytes()))
        except FileNotFoundError:
            silent[slot] = _why_silent(pid, begun=request.begun(profiles, slot).exists())
        except (OSError, ValueError, KeyError, TypeError) as error:
            silent[slot] = f"its answer cannot be read ({error})"
    return Collected(stretches, silent)


def _why_silent(pid: int, *, begun: bool) -> str:
    state = _process_state(pid)
    if state in {"", "Z", "X"}:
        return "it has ended"
    if state in {"T", "t"}:
        return "it is stopped (SIGSTOP, or a debugger)"
    if begun:
        return "it has begun, and code that holds the interpreter's lock keeps it from going on"
    return "code that holds the interpreter's lock keeps it from looking"


def _process_state(pid: int) -> str:
    """The state of a process as the kernel names it; empty if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return ""


def _can_answer(pid: int) -> bool:
    return _process_state(pid) not in {"", "Z", "X", "T", "t"}


def _workers(view: StateView) -> dict[int, int]:
    """The pid of each worker of a running job, by slot."""
    status = view.status() if view.launcher_pid() is not None else None
    if status is None:
        raise PoolError("The job does not run.", hint="Look at what was recorded: --last 1h.")
    return {
        worker["slot"]: worker["pid"] for worker in status["workers"] if worker["pid"] is not None
    }


def recorded(
    view: StateView, since: float, until: float, worker: int | None = None
) -> list[Stretch]:
    """What workers have recorded between two moments, in seconds since the epoch.

    Raises:
        UsageError: nothing is recorded of that time.
    """
    found = [
        stretch
        for path in sorted(view.layout.profiles.glob("worker-*.jsonl"))
        for stretch in stretches_in(path)
        if stretch.began + stretch.seconds >= since
        and stretch.began <= until
        and worker in (None, stretch.slot)
    ]
    if not found:
        raise UsageError(
            "Nothing is recorded of that time.",
            hint="Workers record every ten seconds, unless the option profile-rate is 0.",
        )
    return found


def joined(stretches: Iterable[Stretch], mode: str, action: str = "") -> Profile:
    """One profile of several stretches: of `mode` "wall", "cpu" or "await"."""
    profile = Profile()
    root = f"action {action}"
    for stretch in stretches:
        part = {"wall": stretch.wall, "cpu": stretch.cpu, "await": stretch.waits}[mode]
        for stack, seconds in part.seconds.items():
            if not action or (stack and stack[0].name == root):
                profile.add(stack, seconds)
    return profile
