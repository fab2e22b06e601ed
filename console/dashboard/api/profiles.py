"""Profiles: of what workers have recorded, with differences, and taken now."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from ....agent.errors import UsageError
from ...profiles.collecting import Wanted, ask_workers, joined, recorded
from ...profiles.flame_graph import as_data

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....store.state.directory import StateView
    from ....worker.profiling.profile import Profile
    from ....worker.profiling.recording import Stretch
    from ..endpoints.replies import Asked
    from ..jobs import ShownJob

__all__ = ["recorded_profile", "sample_profile"]

_MODES: Final = ("wall", "cpu", "await")
_LONGEST: Final = 7200
_LONGEST_NOW: Final = 60


def recorded_profile(job: ShownJob, asked: Asked) -> dict[str, Any]:
    """What workers have recorded in the last seconds; `against`: compared with so long ago.

    Where nothing was recorded, the profile is empty; if that is so of the time to compare with, it
    is not compared.
    """
    last = asked.number("last", 600, _LONGEST) or 600
    mode, action = _mode(asked.text("mode"), recorded_only=True), asked.text("action") or ""
    worker = _worker(asked.text("worker"))
    ago = asked.text("against")
    now = time.time()
    before: Profile | None = None
    with job.view() as view:
        found = _recorded(view, now - last, now, worker)
        if ago is not None:
            back = asked.number("against", 0, _LONGEST)
            earlier = _recorded(view, now - back - last, now - back, worker)
            before = joined(earlier, mode, action) if earlier else None
    return _answer(found, mode, action, before)


def _recorded(view: StateView, since: float, until: float, worker: int | None) -> list[Stretch]:
    """What workers have recorded between two moments; nothing, if they have not."""
    try:
        return recorded(view, since, until, worker)
    except UsageError:
        return []


def sample_profile(job: ShownJob, asked: Asked) -> dict[str, Any]:
    """Have the workers look closely for some seconds."""
    body = asked.body
    seconds = body.get("seconds", 5)
    if not isinstance(seconds, (int, float)) or not 0 < seconds <= _LONGEST_NOW:
        raise UsageError(f"A profile takes more than 0 and up to {_LONGEST_NOW} seconds.")
    mode, action = _mode(body.get("mode")), str(body.get("action") or "")
    wanted = Wanted(
        float(seconds),
        100.0,
        _worker(body.get("worker")),
        action,
        tasks=mode == "await",
        cpu=mode == "cpu",
    )
    with job.view() as view:
        found, silent, outside = ask_workers(view, wanted)
    return {
        **_answer(found, mode, action, None),
        "silent": {str(slot): why for slot, why in silent.items()},
        "outside": {str(slot): why for slot, why in outside.items()},
    }


def _answer(
    found: Sequence[Stretch], mode: str, action: str, before: Profile | None
) -> dict[str, Any]:
    profile = joined(found, mode, action)
    return {
        **as_data(profile, before),
        "mode": mode,
        "samples": sum(stretch.count for stretch in found),
        "workers": sorted({stretch.slot for stretch in found}),
        "from": min((stretch.began for stretch in found), default=None),
        "to": max((stretch.began + stretch.seconds for stretch in found), default=None),
    }


def _mode(text: Any, *, recorded_only: bool = False) -> str:
    mode = text or "wall"
    if mode not in _MODES:
        raise UsageError(f"{str(mode)[:40]!r} is no mode of profiles: {', '.join(_MODES)}.")
    if recorded_only and mode == "await":
        raise UsageError("What tasks wait for is not recorded.", hint="Take a profile now.")
    return str(mode)


def _worker(given: Any) -> int | None:
    if given is None or given == "":
        return None
    try:
        return int(given)
    except (TypeError, ValueError):
        raise UsageError(f"{str(given)[:40]!r} is no worker.") from None
