"""The stacks of a job's workers: their own answer, or what can be seen from outside.

A worker answers by its profiler's thread, which knows tasks, actions and keys. One that does not is
stuck in C code that holds the interpreter's lock, or is stopped. Then py-spy reads its stacks from
outside; without py-spy, or where the kernel forbids that, SIGUSR2 has `faulthandler` write them in
the worker itself. A stopped worker handles no signal.
"""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from ...agent.errors import TamiasError
from ...launcher.workers.procfs import catches
from ..workers.asking import ask, workers_of
from ..workers.processes import is_worker, kernel_threads, state_of, state_words
from ..workers.py_spy import dump
from .stacks import WorkerStacks, threads_of_dump, threads_of_py_spy

if TYPE_CHECKING:
    from pathlib import Path

    from ...store.state.directory import StateView
    from ..workers.asking import Silence, Worker

__all__ = ["stacks_of"]

PATIENCE: Final = 3.0
"""Seconds that a worker may take: it looks for requests once a second."""
SIGNAL_SECONDS: Final = 2.0
_POLL: Final = 0.05


def stacks_of(
    view: StateView, slot: int | None = None, *, patience: float = PATIENCE, native: bool = False
) -> list[WorkerStacks]:
    """The stacks of the workers of a running job, or of one; by slot.

    This takes as long as `patience`, and a few seconds more for each that does not answer. `native`
    has frames of C shown, too, which stops the worker for a moment.

    Raises:
        PoolError: the job does not run, or has no such worker now.
    """
    workers = workers_of(view, slot)
    silent: dict[int, Silence | None] = dict.fromkeys(workers)
    answered: dict[int, dict[str, Any]] = {}
    notes: list[str] = []
    if not native:
        try:
            answers = ask(view, workers, patience=patience, kind="stacks", hz=1.0)
        except TamiasError as error:
            notes.append(error.args[0])
        else:
            silent = dict(answers.silent)
            for number, answer in answers.found.items():
                try:
                    found = json.loads(answer)
                    answered[number] = {**found, "threads": found["threads"]}
                except (ValueError, KeyError, TypeError):
                    silent[number] = None
    return [
        _answered(worker, answered[number])
        if number in answered
        else _from_outside(view, worker, silent.get(number), notes, native=native)
        for number, worker in sorted(workers.items())
    ]


def _answered(worker: Worker, answer: dict[str, Any]) -> WorkerStacks:
    found = WorkerStacks.of(worker, "worker", state_words(state_of(worker.pid)))
    found.pid = answer["pid"]
    found.threads = answer["threads"]
    found.tasks = answer["tasks"]
    if answer["more_tasks"]:
        found.notes.append(f"and {answer['more_tasks']:,} more tasks")
    return found


def _from_outside(
    view: StateView, worker: Worker, silence: Silence | None, notes: list[str], *, native: bool
) -> WorkerStacks:
    state = state_of(worker.pid)
    found = WorkerStacks.of(worker, "", state_words(state))
    found.notes += notes
    if silence is not None:
        found.notes.append(f"it gave no answer: {silence.reason}")
    if not is_worker(worker.pid, worker.slot):
        found.state = "ended"
        found.executing = []
        return found
    found.kernel = kernel_threads(worker.pid)
    try:
        found.threads = threads_of_py_spy(dump(worker.pid, worker.slot, native=native))
        found.source = "py-spy"
    except (TamiasError, ValueError) as error:
        hint = getattr(error, "hint", "")
        found.notes.append(" ".join(filter(None, (f"{error.args[0]}", hint))))
        _ask_by_signal(view.layout.stacks(worker.slot), worker, state, found)
    return found


def _ask_by_signal(path: Path, worker: Worker, state: str, found: WorkerStacks) -> None:
    """Have a worker write its stacks, by SIGUSR2."""
    if state in {"T", "t"}:
        found.notes.append("a stopped process handles no signal, so it was not asked by SIGUSR2")
        return
    try:
        descriptor = os.pidfd_open(worker.pid)
    except OSError:
        return
    try:
        # The descriptor names this very process from here on, whatever its number is used for.
        is_meant = is_worker(worker.pid, worker.slot) and catches(worker.pid, signal.SIGUSR2)
        if not is_meant:
            found.notes.append("it has no handler of SIGUSR2")
            return
        before = _size(path)
        signal.pidfd_send_signal(descriptor, signal.SIGUSR2)
    except OSError as error:
        found.notes.append(f"SIGUSR2 cannot be sent: {error.strerror}")
        return
    finally:
        os.close(descriptor)
    text = _written(path, before)
    found.threads, found.text_of_tasks = threads_of_dump(text)
    if found.threads:
        found.source = "signal"
    else:
        found.notes.append("SIGUSR2 has brought no stacks")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _written(path: Path, before: int) -> str:
    """What a worker writes into its file from now on; the launcher may empty that meanwhile."""
    until = time.monotonic() + SIGNAL_SECONDS
    text, size = "", -1
    while time.monotonic() < until:
        time.sleep(_POLL)
        now = _size(path)
        if now < before:
            before = 0
        with suppress(OSError), path.open("rb") as file:
            file.seek(before)
            text = file.read(1 << 20).decode(errors="replace")
        if "End of stacks." in text or (text and now == size):
            break
        size = now
    return text
