"""Retries dead letters of a job that another process runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ...store.state.directory import StateDirectory
from ..control.client import send_request
from .live_retries import MOST_NAMED

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_LISTS: Final = ("succeeded", "failed", "untried", "malformed", "waiting")


def is_running(state: Path) -> bool:
    """Whether a launcher uses the state directory."""
    with StateDirectory.view(state) as view:
        return view.launcher_pid() is not None


def retry_while_running(state: Path, numbers: Sequence[int] | None) -> dict[str, Any]:
    """Have a running job retry dead letters, wait until all have ended, and return its answer.

    Args:
        state: its state directory.
        numbers: the offsets of the letters; None for all.

    Raises:
        UsageError: one of them does not exist.
        TamiasError: as `send_request`.
    """
    report: dict[str, Any] = {"finished": True, **{name: [] for name in _LISTS}}
    parts: list[Sequence[int] | None] = [None]
    if numbers is not None:
        parts = [
            numbers[first : first + MOST_NAMED] for first in range(0, len(numbers), MOST_NAMED)
        ]
    for part in parts:
        arguments = {} if part is None else {"numbers": list(part)}
        answer = send_request(state, "retry", arguments)
        report["finished"] = report["finished"] and answer["finished"]
        for name in _LISTS:
            report[name] += answer[name]
    return report
