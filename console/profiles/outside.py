"""Profiles that py-spy has taken from outside, as those that workers take of themselves.

py-spy knows no actions. The function of an action is the one that the engine has called; which
action that is, the worker's own record says, as far as it has been executed before.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Final

from ...worker.profiling.profile import Frame, Profile
from ...worker.profiling.recording import Stretch, stretches_in
from ...worker.profiling.sampler import ACTION, IDLE, WORKER
from ..workers.frames import PROFILER, begins_action, is_waiting
from ..workers.py_spy import record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ..workers.asking import Worker

__all__ = ["actions_in", "profile_of_raw", "stretch_from_outside"]

_FRAME: Final = re.compile(r"(.*) \((.*?)(?::(\d+))?\)$")
Place = tuple[str, int]
"""A function: its file, and the line where it begins."""


def stretch_from_outside(
    worker: Worker,
    record_file: Path,
    *,
    seconds: float,
    hz: float,
    native: bool,
    cpu: bool,
    waiting: Callable[[float], None] | None = None,
) -> Stretch:
    """Have py-spy look at a worker for some seconds.

    With `cpu`, only at threads that use a processor. Raises what `py_spy.record` does.
    """
    actions = actions_in(record_file)
    began = time.time()
    text = record(
        worker.pid,
        worker.slot,
        seconds=seconds,
        hz=hz,
        native=native,
        idle=not cpu,
        waiting=waiting,
    )
    found, count = profile_of_raw(text, hz, actions)
    generation = int(worker.status.get("generation") or 0)
    parts = (Profile(), found) if cpu else (found, Profile())
    return Stretch(began, seconds, worker.slot, worker.pid, generation, count, *parts, Profile())


def actions_in(record_file: Path) -> dict[Place, str]:
    """The actions whose functions a worker has seen in its own record, by the function's place."""
    found = {}
    for stretch in stretches_in(record_file):
        for stack in stretch.wall.seconds:
            if len(stack) > 1 and stack[0].name.startswith(ACTION):
                found[stack[1].file, stack[1].line] = stack[0].name.removeprefix(ACTION)
    return found


def profile_of_raw(text: str, hz: float, actions: Mapping[Place, str]) -> tuple[Profile, int]:
    """The profile in py-spy's lines, and the number of samples."""
    profile = Profile()
    counts: dict[str, int] = {}
    for line in text.splitlines():
        stack, _, number = line.rpartition(" ")
        thread, *frames = stack.split(";")
        if not number.isdigit() or thread.endswith(f": {PROFILER}"):
            continue
        counts[thread] = counts.get(thread, 0) + int(number)
        profile.add(_stack(thread, [_frame(each) for each in frames], actions), int(number) / hz)
    return profile, max(counts.values(), default=0)


def _frame(text: str) -> Frame:
    found = _FRAME.match(text)
    if found is None:
        return Frame(text)
    return Frame(found[1], found[2], int(found[3] or 0))


def _stack(thread: str, frames: list[Frame], actions: Mapping[Place, str]) -> tuple[Frame, ...]:
    """A stack as samplers write it: an action, the worker, or a thread outermost."""
    name = thread.rpartition(": ")[2]
    is_main = name == "MainThread"
    for place in range(len(frames) - 1, -1, -1):
        frame = frames[place]
        action = actions.get((frame.file, frame.line))
        if action is not None:
            return (Frame(f"{ACTION}{action}"), *frames[place:])
        before = frames[place - 1]
        if place and begins_action(before.name, before.file, frame.file):
            function = frame.name.rpartition(".")[2]
            if is_main or not before.file.endswith("thread_pool.py"):
                return (Frame(f"{ACTION}{function}"), *frames[place:])
            break  # a durable function on a thread; its action is not known
    root = Frame(WORKER) if is_main else Frame(f"(thread {name})")
    python = [frame for frame in frames if frame.file.endswith(".py")]
    if not python or is_waiting(python[-1].name):
        return (Frame(IDLE),) if is_main else (Frame(IDLE), root)
    return (root, *frames)
