"""Runs as the event log has them, the latest first, and one of them as a tree."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from ....agent.errors import UsageError
from ...traces.reading import find_run, runs_in
from ..endpoints.replies import NotThereError
from ..endpoints.tokens import key_in, token_of

if TYPE_CHECKING:
    from ...traces.steps import TracedRun
    from ..endpoints.replies import Asked
    from ..jobs import ShownJob

__all__ = ["one_run", "run_list"]

_MOST: Final = 500
_SECONDS: Final = 5.0
"""For which one answer searches the log."""
_LARGEST: Final = (1 << 63) - 1
_LONGEST_LAST: Final = 366 * 86_400


def run_list(job: ShownJob, asked: Asked) -> dict[str, Any]:
    """Runs behind a place; of a key (`token`, or its text `key`), or of an input (`offset`).

    `incomplete` says that the log has more than could be searched in time.
    """
    limit = asked.limit(_MOST)
    until_moment, after_id = _place(asked.text("after"))
    token, last = asked.text("token"), asked.number("last", 0, _LONGEST_LAST)
    found = runs_in(
        job.existing_path(),
        key=asked.text("key") if token is None else key_in(token),
        offset=asked.number("offset", 0, _LARGEST) if asked.text("offset") else None,
        failed=asked.text("failed") in ("1", "true"),
        last=last or None,
    )
    until = time.monotonic() + _SECONDS
    rows: list[dict[str, Any]] = []
    place = ""
    is_behind = not after_id
    for run in found:
        if time.monotonic() > until:
            return {"runs": rows, "next": None, "incomplete": True}
        ended = run.began + run.seconds
        if not is_behind and ended >= until_moment:
            is_behind = run.id == after_id
            continue
        is_behind = True
        if len(rows) >= limit:
            return {"runs": rows, "next": place, "incomplete": False}
        rows.append(_row(run))
        place = f"{ended!r}:{run.id}"
    return {"runs": rows, "next": None, "incomplete": False}


def one_run(job: ShownJob, asked: Asked) -> dict[str, Any]:
    """One run, with all that it has done as a tree."""
    run = find_run(job.existing_path(), str(asked.path["id"]))
    if run is None:
        raise NotThereError(
            "This run is not in the event log now.", hint="Its place may have been used again."
        )
    return {**_row(run), "roots": [root.to_json() for root in run.roots]}


def _place(text: str | None) -> tuple[float, str]:
    """When the last run that was shown had ended, and its id; runs may end at the same moment."""
    if text is None:
        return 0.0, ""
    moment, _, identity = text.partition(":")
    try:
        return float(moment), identity
    except ValueError:
        raise UsageError(f"{text[:60]!r} is no place in a list.") from None


def _row(run: TracedRun) -> dict[str, Any]:
    return {
        **run.summary(),
        "offset": str(run.offset),
        "token": token_of(run.encoded_key) if run.encoded_key else None,
    }
