"""Asks the workers of a job to look at themselves, and says of those that do not answer why."""

from __future__ import annotations

import errno
import time
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ...agent.errors import PoolError, StoreUnwritableError
from ...worker.profiling.recording import Request
from .processes import state_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ...store.state.directory import StateView

__all__ = ["Answers", "Silence", "Worker", "ask", "workers_of"]

PATIENCE: Final = 5.0
"""Seconds that a worker may be late with its answer."""
BEGIN_SECONDS: Final = 4.0
"""A worker that has not begun by then is not waited for: it looks for requests once a second."""
_POLL: Final = 0.05
_CANNOT_ANSWER: Final = frozenset({"", "Z", "X", "T", "t"})


class Worker(NamedTuple):
    """A worker as the status of its pool names it.

    Attributes:
        slot, pid: of its process.
        status: all that the status says.
    """

    slot: int
    pid: int
    status: dict[str, Any]


class Silence(NamedTuple):
    """Why a worker has not answered.

    Attributes:
        reason: in words.
        lives: whether one can look at it from outside.
    """

    reason: str
    lives: bool


class Answers(NamedTuple):
    """What workers have answered.

    Attributes:
        found: by slot.
        silent: why others have not, as far as that can be seen.
    """

    found: dict[int, bytes]
    silent: dict[int, Silence]


def workers_of(view: StateView, slot: int | None = None) -> dict[int, Worker]:
    """The workers of a running job that have a process, by slot; or the one that is named.

    Raises:
        PoolError: the job does not run, or has no such worker now.
    """
    status = view.status() if view.launcher_pid() is not None else None
    if status is None:
        raise PoolError("The job does not run.", hint="Look at what was recorded: --last 1h.")
    found = {
        worker["slot"]: Worker(worker["slot"], worker["pid"], worker)
        for worker in status["workers"]
        if worker["pid"] is not None
    }
    if slot is not None:
        if slot not in found:
            raise PoolError(
                f"The job has no worker {slot} now.",
                hint=f"It has {', '.join(map(str, sorted(found))) or 'none'}.",
            )
        return {slot: found[slot]}
    if not found:
        raise PoolError("The job has no workers now.", hint="Ask again when it runs.")
    return found


def ask(
    view: StateView,
    workers: dict[int, Worker],
    *,
    patience: float = PATIENCE,
    waiting: Callable[[float], None] | None = None,
    collect: Callable[[Request, Path], None] | None = None,
    **request: Any,
) -> Answers:
    """Ask workers, and wait for their answers.

    Args:
        view: the state directory.
        workers: whom to ask.
        patience: how late an answer may be.
        waiting: called now and then with the share (0 to 1) of the time that has passed.
        collect: called before the answers are removed, with the request and their directory.
        request: what is asked for, as `Request` has it.

    Raises:
        StoreUnwritableError: the directory cannot be written: it is another user's, or full.
    """
    profiles = view.layout.profiles
    seconds = request.pop("seconds", 0.0)
    until = time.time() + seconds + patience
    slot = next(iter(workers)) if len(workers) == 1 else None
    asked = Request(token_hex(8), seconds=seconds, slot=slot, until=until, **request)
    try:
        asked.write(profiles)
    except OSError as error:
        asked.remove(profiles)
        raise StoreUnwritableError(
            f"{profiles} cannot be written ({error.strerror}), so the workers cannot be asked.",
            hint="Free some space there."
            if error.errno in {errno.ENOSPC, errno.EDQUOT}
            else "Ask as the user whose job it is, or as root.",
        ) from error
    try:
        answers = _await_answers(asked, profiles, workers, waiting)
        if collect is not None:
            collect(asked, profiles)
        return answers
    finally:
        asked.remove(profiles)


def _await_answers(
    request: Request,
    profiles: Path,
    workers: dict[int, Worker],
    waiting: Callable[[float], None] | None,
) -> Answers:
    began = time.time()
    while time.time() < request.until:
        is_late = time.time() - began > BEGIN_SECONDS
        if not any(
            _may_answer(request, profiles, worker, is_late=is_late) for worker in workers.values()
        ):
            break
        if waiting is not None:
            waiting(min(1.0, (time.time() - began) / max(request.seconds, 0.001)))
        time.sleep(_POLL)
    found = {}
    silent = {}
    for slot, worker in sorted(workers.items()):
        try:
            found[slot] = request.answer(profiles, slot).read_bytes()
        except FileNotFoundError:
            begun = request.begun(profiles, slot).exists()
            silent[slot] = _why_silent(worker.pid, begun=begun)
        except OSError as error:
            silent[slot] = Silence(f"its answer cannot be read ({error.strerror})", lives=True)
    return Answers(found, silent)


def _may_answer(request: Request, profiles: Path, worker: Worker, *, is_late: bool) -> bool:
    """Whether an answer of a worker is still to come."""
    if request.answer(profiles, worker.slot).exists():
        return False
    if is_late and not request.begun(profiles, worker.slot).exists():
        return False
    return state_of(worker.pid) not in _CANNOT_ANSWER


def _why_silent(pid: int, *, begun: bool) -> Silence:
    state = state_of(pid)
    if state in {"", "Z", "X"}:
        return Silence("it has ended", lives=False)
    if state in {"T", "t"}:
        return Silence("it is stopped (SIGSTOP, or a debugger)", lives=True)
    if begun:
        return Silence(
            "it has begun, and code that holds the interpreter's lock keeps it from going on",
            lives=True,
        )
    return Silence("code that holds the interpreter's lock keeps it from looking", lives=True)
