"""`tamias status`: shows whether a job runs, and its last status."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...console.values.json_text import json_line
from ...launcher.pool.at_end import describe_waiting
from ...launcher.pool.status import PoolStatus
from ...store import clock
from ...store.state.reader import StoreReader
from ...store.state.waiting import waiting_counts
from ...store.waiting.reading import WaitingCounts
from ..environment_flags import described, shown_environment
from ..text import count, duration, output_console, rate, shown, write_line
from ..views.estimate import Estimate
from ..views.picture import picture

if TYPE_CHECKING:
    from ...store.state.directory import StateView

_WIDEST = 100
"""The largest width."""
_OVER = ("finished", "interrupted", "failed")


def status(
    state: Annotated[Path, typer.Argument(metavar="STATE_DIR", readable=False)],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Show whether a job is running, and how it stands."""
    with StoreReader(state) as reader:
        view = reader.view
        pid = view.launcher_pid()
        last = _last(view)
        waiting = waiting_counts(reader) if pid is None else WaitingCounts()
        if as_json:
            write_line(json_line(_record(view, pid, last, waiting)))
        else:
            _print(view, pid, last)
            if waiting:
                output_console().print(describe_waiting(waiting, clock.now()), markup=False)
    return 0


def _last(view: StateView) -> PoolStatus | None:
    """Return the last status; None if there is none, or if another version wrote it."""
    try:
        content = view.status()
        return None if content is None else PoolStatus.from_json(content)
    except (TypeError, KeyError):
        return None


def _record(
    view: StateView, pid: int | None, last: PoolStatus | None, waiting: WaitingCounts
) -> dict[str, Any]:
    record: dict[str, Any] = {
        "state": str(view.path),
        "agent": view.manifest.agent,
        "running": pid is not None,
        "launcher": pid,
    }
    environment = shown_environment(view.manifest.job)
    if environment:
        record["environment"] = environment
    if last is not None:
        record.update(asdict(last))
        for content, worker in zip(record["workers"], last.workers, strict=True):
            content["queued"] = worker.queued
        if pid is None:
            record["workers"] = []
            record["rate"] = 0.0
    if pid is None:  # an answer may have been given since the last status
        record["waiting_runs"] = waiting.runs
        record["waiting_inputs"] = waiting.inputs
        record["timers"] = waiting.timers
        record["questions"] = waiting.questions
        record["next_due"] = waiting.next
    return record


def _print(view: StateView, pid: int | None, last: PoolStatus | None) -> None:
    console = output_console()
    console.print(f"{view.manifest.agent} in {shown(view.path)}", markup=False)
    if last is not None and last.core:
        console.print(f"the core of tamias is {last.core}", markup=False)
    environment = shown_environment(view.manifest.job)
    if environment:
        console.print(f"workers have {described(environment)}", markup=False)
    if pid is None:
        console.print(_ended(last), markup=False)
    elif last is None or last.pid != pid:
        console.print(f"starting (launcher pid {pid})", markup=False)
    else:
        console.print(
            f"{last.phase} (launcher pid {pid}) for {duration(last.elapsed)}", markup=False
        )
        estimate = Estimate()
        estimate.update(last)
        width = min(console.width, _WIDEST)
        console.print(picture(last, estimate, "", console.size.height), width=width)


def _ended(last: PoolStatus | None) -> str:
    if last is None:
        return "not running"
    when = duration(max(0.0, time.time() - last.started - last.elapsed))
    # A launcher that was killed has not recorded its end.
    how = last.phase if last.phase in _OVER else "killed"
    parts = [f"{how} {when} ago", f"{count(last.events, 'input')} done"]
    if last.deaths:
        parts.append(count(last.deaths, "worker death"))
    if how == "finished" and last.elapsed:
        parts.append(f"took {duration(last.elapsed)}")
    elif last.rate:
        parts.append(rate(last.rate))
    return ", ".join(parts)
