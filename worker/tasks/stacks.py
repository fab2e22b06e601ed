"""Stacks of a worker's threads and tasks, as text.

SIGUSR2 asks for them; the launcher sends it before it kills a worker that hangs. Stacks of threads
are written by `faulthandler`, in C, from inside the signal handler: that works even if the
interpreter is stuck in a C function. Tasks are Python objects, so a second handler, in Python,
writes those; it runs at the interpreter's next instruction, if there is one. A task that waits has
no stack. It is a chain of coroutines, each of which awaits the next, and the last awaits something
else: a future, a lock, a sleep.
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
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ...store.records.offsets import offset_of
from ..own_code import OWN_FOLDERS
from .tracking import TrackedCoroutine, offset_of_task

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import TextIOWrapper

_set_handler: Final = signal.signal
"""As it is before the agent is imported, which may replace it."""
MOST_TASKS: Final = 64
"""How many tasks are written."""
LONGEST_WAITED: Final = 200
"""How many characters of the awaited object are written."""
END: Final = "End of stacks.\n"


@contextmanager
def stacks_on_request(path: Path, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """In this block a crash or SIGUSR2 writes stacks into the file, which is emptied first."""
    path.write_bytes(b"")
    with path.open("a", encoding="utf-8") as file:  # the launcher may empty it
        faulthandler.enable(file)
        # faulthandler's handler runs first; the interpreter runs this one later.
        _set_handler(signal.SIGUSR2, lambda *_: _write_tasks(file, loop))
        faulthandler.register(signal.SIGUSR2, file, all_threads=True, chain=True)
        try:
            yield
        finally:
            faulthandler.unregister(signal.SIGUSR2)
            _set_handler(signal.SIGUSR2, signal.SIG_IGN)
            faulthandler.disable()


@contextmanager
def stacks_in_log() -> Iterator[None]:
    """The same while the agent is imported: threads only, into stderr, which is the pool's log."""
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR2, all_threads=True)
    try:
        yield
    finally:
        faulthandler.unregister(signal.SIGUSR2)
        _set_handler(signal.SIGUSR2, signal.SIG_IGN)
        faulthandler.disable()


def _write_tasks(file: TextIOWrapper, loop: asyncio.AbstractEventLoop) -> None:
    """Write the tasks' stacks; must not raise, since it runs between any two instructions."""
    try:
        text = tasks_text(asyncio.all_tasks(loop))
        os.write(file.fileno(), f"\n{text}{END}".encode(errors="backslashreplace"))
    except Exception:  # noqa: BLE001, S110 (the stacks are an extra)
        pass


def tasks_text(tasks: set[asyncio.Task[Any]]) -> str:
    """The stacks of the tasks that belong to runs, by offset, and then of all others."""
    named = [(offset_of_task(task), task) for task in tasks]
    others = [task for offset, task in named if offset is None]
    of_runs = sorted(
        (offset, task.get_name(), task) for offset, task in named if offset is not None
    )
    listed = [task for _, _, task in of_runs] + others
    text = "".join(task_text(task) + "\n" for task in listed[:MOST_TASKS])
    more = len(listed) - MOST_TASKS
    return f"{text}... and {more:,} more tasks\n" if more > 0 else text


def task_text(task: asyncio.Task[Any]) -> str:
    """A task's stack, the most recent call last, and the object that it waits for."""
    offset = offset_of_task(task)
    whose = "" if offset is None else f" of input {offset_of(offset)}"
    lines = [f"Task {task.get_name()!r}{whose} (most recent call last):\n"]
    frames, waited = chain_of(task.get_coro())
    for frame in frames:
        code = frame.f_code
        lines.append(f'  File "{code.co_filename}", line {frame.f_lineno}, in {code.co_name}\n')
        source = linecache.getline(code.co_filename, frame.f_lineno, frame.f_globals).strip()
        if source:
            lines.append(f"    {source}\n")
    # The last coroutine often awaits a future's iterator, whose text is of no use.
    waited = getattr(task, "_fut_waiter", None) or waited
    if waited is not None:
        lines.append(f"  waits for {_short(waited)}\n")
    return "".join(lines)


def waited_for(task: asyncio.Task[Any]) -> str:
    """The innermost function of user code in which a task waits, or nothing."""
    frames, _ = chain_of(task.get_coro())
    for frame in reversed(frames):
        path = Path(frame.f_code.co_filename)
        if path.parent.name != "asyncio" and not str(path).startswith(OWN_FOLDERS):
            return f"in {frame.f_code.co_name} ({path.name}:{frame.f_lineno})"
    return ""


def chain_of(coroutine: Any) -> tuple[list[Any], Any]:
    """The frames of a chain of coroutines, and the object that the last of them awaits."""
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
    except Exception:  # noqa: BLE001 (a class of the user's may raise anything)
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
            if stack[-1].name != "_serve":  # an idle thread
                lines = "".join(traceback.format_list(stack))
                text += f"Thread {thread.name!r} (most recent call last):\n{lines}\n"
    return text
