"""Profiles as text: the functions and the actions that have taken most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...worker.profiling.sampler import IDLE
from .formats import frame_text

if TYPE_CHECKING:
    from ...worker.profiling.profile import Frame, Profile

__all__ = ["as_table"]

_SHOWN: Final = 15


def as_table(found: Profile, title: str, before: Profile | None = None, unit: str = "s") -> str:
    """The functions that have taken most, of seconds ("s") or bytes ("B").

    Args:
        found: the profile.
        title: the first line.
        before: an older one, whose shares are a column of their own.
        unit: of what the profile has.
    """
    busy = found.without(IDLE)
    lines = [title]
    total = busy.total
    if not total:
        return f"{title}\n{_nothing(found, unit)}\n"
    if unit == "B":
        lines.append(f"{total / (1 << 20):,.1f} MiB")
    elif found.total:
        lines.append(f"busy {100 * total / found.total:.0f} % of the time of all threads")
    own, inclusive = busy.own(), busy.inclusive()
    old_busy = before.without(IDLE) if before is not None else None
    old = old_busy.own() if old_busy is not None else {}
    old_total = (old_busy.total if old_busy is not None else 0.0) or 1.0
    lines += [
        "",
        "   own   with inner  function"
        if before is None
        else "   own  before  with inner  function",
    ]
    for frame in _largest(own, total):
        shares = f"{100 * own[frame] / total:5.1f} %"
        if before is not None:
            shares += f" {100 * old.get(frame, 0.0) / old_total:5.1f} %"
        lines.append(f"{shares}  {100 * inclusive[frame] / total:8.1f} %  {frame_text(frame)}")
    actions = {frame: value for frame, value in inclusive.items() if not frame.file}
    if actions:
        lines += ["", "   time  of" if unit == "s" else "   size  of"]
    for frame in _largest(actions, total):
        lines.append(f"{100 * actions[frame] / total:5.1f} %  {frame.name}")
    return "\n".join(lines) + "\n"


def _largest(values: dict[Frame, float], total: float) -> list[Frame]:
    """The frames with the largest values, without those that would be shown as 0.0 %."""
    shown = [frame for frame, value in values.items() if value >= total / 2000]
    return sorted(shown, key=lambda each: -values[each])[:_SHOWN]


def _nothing(found: Profile, unit: str) -> str:
    if unit == "B":
        return "nothing was allocated that is held"
    if found:
        return "nothing was executed: the workers have waited for work"
    return "nothing of that was executed"
