"""Tells frames of tamias around an action, wherever tamias lies in a worker's environment."""

from __future__ import annotations

from typing import Any, Final

__all__ = ["PROFILER", "calls_action", "frames_of_action", "is_waiting"]

_CALLERS: Final = {
    "_run_simply": "/worker/engine/engine.py",
    "_perform": "/worker/engine/async_actions.py",
}
_SEVERAL: Final = ("/worker/engine/run_driver.py", "/worker/tasks/thread_pool.py")
"""Files in which `_call` is such a function."""
_WAITING: Final = ("select", "_worker", "wait", "_serve", "run_until_complete", "_run_once")


def is_waiting(function: str) -> bool:
    """Whether a thread whose innermost function this is waits for work, if it is in no action."""
    return function.rpartition(".")[2] in _WAITING


PROFILER: Final = "tamias-profiler"
"""The name of the thread that answers; it is not shown."""


def calls_action(function: str, file: str) -> bool:
    """Whether this function of tamias calls functions of actions."""
    name = function.rpartition(".")[2]
    if name == "_call":
        return file.endswith(_SEVERAL)
    return name in _CALLERS and file.endswith(_CALLERS[name])


def frames_of_action(frames: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The frames from the action's function on, the outermost first; all if there is no action."""
    for place in range(len(frames) - 1, 0, -1):
        before = frames[place - 1]
        if calls_action(before["function"], before["file"]):
            return frames[place:]
    return frames
