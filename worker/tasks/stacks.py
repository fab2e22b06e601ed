"""What a worker is doing, as text: the stacks of its threads and of its tasks.

SIGUSR2 asks for them, and so does the launcher with it before it kills a worker that hangs.
Threads are written by `faulthandler`, in C, from inside the signal: that works even if the
interpreter is stuck in a C function. Tasks are Python objects, so a second handler, in Python,
writes those; it runs as soon as the interpreter comes to its next instruction, if it ever does. A
task that waits has no stack of its own. It is a chain of coroutines each of which awaits the next,
down to something that is not one: a future, a lock, a sleep.
"""

from __future__ import annotations

import asyncio
import faulthandler
import linecache
import os
import signal
import sys
import threading
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from ...store.records.offsets import offset_of
from .tracking import TrackedCoroutine, offset_of_task

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import TextIOWrapper
    from pathlib import Path

MOST_TASKS: Final = 64
"""Tasks that are written out."""
LONGEST_WAITED: Final = 200
"""Characters of what a task waits for."""
END: Final = "End of stacks.\n"


@contextmanager
def stacks_on_request(path: Path, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """While this lasts, a crash or SIGUSR2 writes stacks into the file, which begins empty."""
    with path.open("w", encoding="utf-8") as file:
        faulthandler.enable(file)
        # faulthandler's handler goes first and calls this one, which the interpreter runs later.
        signal.signal(signal.SIGUSR2, lambda *_: _write_tasks(file, loop))
        faulthandler.register(signal.SIGUSR2, file, all_threads=True, chain=True)
        try:
            yield
        finally:
            faulthandler.unregister(signal.SIGUSR2)
            signal.signal(signal.SIGUSR2, signal.SIG_IGN)
            faulthandler.disable()


@contextmanager
def stacks_in_log() -> Iterator[None]:
    """The same while the agent is imported: into stderr, which is the pool's log, and no tasks."""
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR2, all_threads=True)
    try:
        yield
    finally:
        faulthandler.unregister(signal.SIGUSR2)
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)
        faulthandler.disable()


def _write_tasks(file: TextIOWrapper, loop: asyncio.AbstractEventLoop) -> None:
    """Write the tasks' stacks; called between any two instructions, so it must not raise."""
    try:
        text = tasks_text(asyncio.all_tasks(loop))
        os.write(file.fileno(), f"\n{text}{END}".encode(errors="backslashreplace"))
    except Exception:  # noqa: BLE001, S110 (it was a try)
        pass


def tasks_text(tasks: set[asyncio.Task[Any]]) -> str:
    """The stacks of the tasks that belong to runs, by offset, and then of all others."""
    named = [(offset_of_task(task), task) for task in tasks]
    ours = [task for offset, task in named if offset is None]
    theirs = sorted((offset, task.get_name(), task) for offset, task in named if offset is not None)
    listed = [task for _, _, task in theirs] + ours
    text = "".join(task_text(task) + "\n" for task in listed[:MOST_TASKS])
    more = len(listed) - MOST_TASKS
    return f"{text}... and {more:,} more tasks\n" if more > 0 else text


def task_text(task: asyncio.Task[Any]) -> str:
    """A task's stack, the most recent call last, and what it waits for."""
    offset = offset_of_task(task)
    whose = "" if offset is None else f" of input {offset_of(offset)}"
    lines = [f"Task {task.get_name()!r}{whose} (most recent call last):\n"]
    frames, waited = _chain(task.get_coro())
    for frame in frames:
        code = frame.f_code
        lines.append(f'  File "{code.co_filename}", line {frame.f_lineno}, in {code.co_name}\n')
        source = linecache.getline(code.co_filename, frame.f_lineno, frame.f_globals).strip()
        if source:
            lines.append(f"    {source}\n")
    # What the last of the chain awaits is often only a future's iterator, which says nothing.
    waited = getattr(task, "_fut_waiter", None) or waited
    if waited is not None:
        lines.append(f"  waits for {_short(waited)}\n")
    return "".join(lines)


def _chain(coroutine: Any) -> tuple[list[Any], Any]:
    """The frames of a coroutine and of what it awaits, and what the last of them waits for."""
    frames = []
    while coroutine is not None:
        if isinstance(coroutine, TrackedCoroutine):
            coroutine = coroutine.coroutine
        for prefix, following in (("cr", "await"), ("gi", "yieldfrom"), ("ag", "await")):
            if hasattr(coroutine, f"{prefix}_frame"):
                frame = getattr(coroutine, f"{prefix}_frame")
                if frame is not None:
                    frames.append(frame)
                coroutine = getattr(coroutine, f"{prefix}_{following}")
                break
        else:
            return frames, coroutine
    return frames, None


def _short(waited: Any) -> str:
    try:
        text = repr(waited)
    except Exception:  # noqa: BLE001 (it may be anybody's)
        text = f"<{type(waited).__name__}>"
    return text if len(text) <= LONGEST_WAITED else text[:LONGEST_WAITED] + "..."


def busy_threads_text() -> str:
    """The stacks of the pools' threads that execute a function now."""
    frames = sys._current_frames()  # noqa: SLF001 (documented)
    text = ""
    for thread in threading.enumerate():
        frame = frames.get(thread.ident or 0)
        if frame is not None and thread.name.startswith(("tamias-call", "tamias-action")):
            stack = traceback.extract_stack(frame)
            if stack[-1].name != "_worker":  # which waits for work
                lines = "".join(traceback.format_list(stack))
                text += f"Thread {thread.name!r} (most recent call last):\n{lines}\n"
    return text
