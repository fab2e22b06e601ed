"""Tells frames of tamias around an action, wherever tamias lies in a worker's environment."""

from __future__ import annotations

from typing import Any, Final

__all__ = ["PROFILER", "begins_action", "frames_of_action", "is_waiting"]

_CALLERS: Final = {
    "_run_simply": "/worker/engine/engine.py",
    "perform_first": "/worker/tasks/action_coroutine.py",
    "_step": "/worker/tasks/action_coroutine.py",
}
_SEVERAL: Final = ("/worker/engine/run_driver.py", "/worker/tasks/thread_pool.py")
"""Files in which `_call` is such a function."""
_WAITING: Final = ("select", "_worker", "wait", "_serve", "run_until_complete", "_run_once")


def is_waiting(function: str) -> bool:
    """Whether a thread whose innermost function this is waits for work, if it is in no action."""
    return function.rpartition(".")[2] in _WAITING


PROFILER: Final = "tamias-profiler"
"""The name of the thread that answers; it is not shown."""


def begins_action(caller: str, caller_file: str, file: str) -> bool:
    """Whether a function in `file` is one of an action, by the function that has called it.

    Functions of durable calls on threads count, too.
    """
    name = caller.rpartition(".")[2]
    ends = _SEVERAL if name == "_call" else (_CALLERS.get(name, "?"),)
    for end in ends:
        if caller_file.endswith(end):
            root = caller_file.removesuffix(end)
            return not file.startswith((f"{root}/worker/", f"{root}/store/"))
    return False


def frames_of_action(frames: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The frames from the action's function on, the outermost first; all if there is no action."""
    for place in range(len(frames) - 1, 0, -1):
        before = frames[place - 1]
        if begins_action(before["function"], before["file"], frames[place]["file"]):
            return frames[place:]
    return frames
