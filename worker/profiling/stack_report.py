"""The stacks of all threads and tasks of this process, as JSON, with the run that each works for.

No code of the user's is executed for it: of what a task waits for, only the type is named, since a
`repr` may be anything.
"""

from __future__ import annotations

import asyncio
import linecache
import os
import sys
import threading
from typing import TYPE_CHECKING, Any, Final

from ...store.records.offsets import offset_of
from ..tasks.stacks import chain_of
from .sampler import ACTION, IDLE

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import FrameType

    from .owners import Owner, Owners
    from .sampler import Sampler

__all__ = ["stack_report"]

MOST_TASKS: Final = 500
MOST_FRAMES: Final = 100
_ATTEMPTS: Final = 5
"""How often the set of tasks is read while the loop changes it."""


def stack_report(
    sampler: Sampler, owners: Owners, loop: asyncio.AbstractEventLoop
) -> dict[str, Any]:
    """Threads and tasks: names, frames (the outermost first), the offset, action and key of each.

    The thread that calls this is left out. `more_tasks` counts the tasks that are not listed.
    """
    tasks = _tasks_of(loop)
    listed = sorted(tasks, key=lambda task: task.get_name())[:MOST_TASKS]
    return {
        "threads": list(_threads(sampler, owners)),
        "tasks": [_task(task, owners.of_task(task)) for task in listed],
        "more_tasks": len(tasks) - len(listed),
    }


def _threads(sampler: Sampler, owners: Owners) -> Iterable[dict[str, Any]]:
    own, main = threading.get_ident(), threading.main_thread().ident
    known = {thread.ident: thread for thread in threading.enumerate()}
    frames = sys._current_frames()  # noqa: SLF001 (documented)
    for ident, frame in sorted(frames.items(), key=lambda item: item[0] != main):
        if ident == own:
            continue
        thread = known.get(ident)
        name = "?" if thread is None else thread.name
        owner = owners.of_thread(ident)
        root = sampler.stack_of(frame, "" if ident == main else name, owner)[0].name
        yield {
            "name": name,
            "native_id": os.getpid() if ident == main else getattr(thread, "native_id", None),
            "idle": root == IDLE,
            **_owner(owner if root.startswith(ACTION) else None),
            "frames": [_frame(each) for each in _chain(frame)],
        }


def _tasks_of(loop: asyncio.AbstractEventLoop) -> list[asyncio.Task[Any]]:
    for _ in range(_ATTEMPTS):
        try:
            return list(asyncio.all_tasks(loop))
        except RuntimeError:  # it has changed meanwhile
            continue
    return []


def _task(task: asyncio.Task[Any], owner: Owner | None) -> dict[str, Any]:
    frames, waited = chain_of(task.get_coro())
    waited = getattr(task, "_fut_waiter", None) or waited
    return {
        "name": task.get_name(),
        **_owner(owner),
        "frames": [_frame(each) for each in frames[-MOST_FRAMES:]],
        "waits_for": _kind(waited),
    }


def _owner(owner: Owner | None) -> dict[str, Any]:
    if owner is None:
        return {"offset": None, "action": "", "key": ""}
    return {
        "offset": offset_of(owner.offset),
        "action": owner.action,
        "key": owner.key_text,
    }


def _chain(frame: FrameType | None) -> list[FrameType]:
    """A frame and those that have called it, the outermost first."""
    found: list[FrameType] = []
    while frame is not None and len(found) < MOST_FRAMES:
        found.append(frame)
        frame = frame.f_back
    return found[::-1]


def _frame(frame: FrameType) -> dict[str, Any]:
    code, line = frame.f_code, frame.f_lineno or 0
    return {
        "function": getattr(code, "co_qualname", code.co_name),  # from Python 3.11 on
        "file": code.co_filename,
        "line": line,
        "source": linecache.getline(code.co_filename, line).strip()[:200],
    }


def _kind(waited: object) -> str:
    if waited is None:
        return ""
    if isinstance(waited, asyncio.Task):
        return f"task {waited.get_name()!r}"
    kind = type(waited)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return f"{module}{kind.__qualname__}"
