"""Where a worker stands still: the stacks that it has written, in words.

`faulthandler` writes the stack of each thread, the most recent call first. The event loop's thread
is the current one. The function of the action is the last frame before the first one of tamias.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Final

_FRAME: Final = re.compile(r'  File "(.*)", line (\d+) in (.*)')
_CALLER: Final = f"{Path(__file__).parents[2] / 'worker'}/"
"""Where the code is that calls actions."""
_LOOP: Final = f"{Path(asyncio.__file__).parent}/"
"""The event loop, which calls it: compiled code has no frames."""
_MOST: Final = 30
"""Lines of a stack that are reported."""


def held_stack(text: str) -> list[str]:
    """Return the stack of the event loop's thread, the most recent call first; or nothing.

    Args:
        text: what `faulthandler` has written.
    """
    _, found, rest = text.rpartition("Current thread ")
    if not found:
        return []
    lines = rest.splitlines()[1:]
    frames: list[str] = []
    for line in lines:
        if not _FRAME.match(line):
            break
        frames.append(line)
    return frames[:_MOST]


def own_frames(stack: list[str]) -> list[str]:
    """Return the part of the stack that is the action's, from its function on; all if none is."""
    for number, line in enumerate(stack):
        if _is_in(line, _CALLER):
            while number and _is_in(stack[number - 1], _LOOP):
                number -= 1  # noqa: PLW2901 (the frame above that one)
            return stack[:number] or stack
    return stack


def _is_in(line: str, folder: str) -> bool:
    frame = _FRAME.match(line)
    return frame is not None and frame[1].startswith(folder)


def held_place(stack: list[str]) -> str:
    """Return the function of the action, and where it is now; empty if it is not found."""
    frames = [frame for frame in map(_FRAME.match, own_frames(stack)) if frame is not None]
    if not frames or frames[0][1].startswith(_CALLER):
        return ""
    now, function = (
        f"{frame[3]} ({Path(frame[1]).name}:{frame[2]})" for frame in (frames[0], frames[-1])
    )
    return f"in {function}" + (f", now in {now}" if len(frames) > 1 else "")
