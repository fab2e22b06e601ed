"""Draws a job for a terminal: a progress bar, the counts, a line for each worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ..text import count, duration, rate
from .fitting import Column, FittingLine, FittingTable
from .summary import failures

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

    from ...launcher.pool.status import PoolStatus, WorkerStatus
    from .estimate import Estimate

_COLOURS = {"ready": "green", "starting": "yellow", "asked": "yellow", "down": "red"}
_NARROW = 60
_OTHER_LINES = 5
"""Lines of the picture besides those of workers."""


def picture(status: PoolStatus, estimate: Estimate, title: str, max_lines: int) -> RenderableType:
    """Return the picture, in at most `max_lines` lines; the title may be empty."""
    held = _held(status.workers)[: max(0, max_lines - _OTHER_LINES - 1)]
    return Group(
        _Head(status, estimate, title),
        _counts(status),
        *_problems(status),
        *held,
        _workers(status.workers, max(1, max_lines - _OTHER_LINES - len(held))),
    )


def _held(workers: list[WorkerStatus]) -> list[Text]:
    """Return a line for each worker whose event loop stands still."""
    return [
        Text(f"worker {worker.slot} {worker.held}", "red", no_wrap=True, overflow="ellipsis")
        for worker in workers
        if worker.held
    ]


def _state(worker: WorkerStatus) -> Text:
    if worker.held:
        return Text("held" if worker.held.startswith("held") else "waits", "red")
    return Text(worker.state, _COLOURS.get(worker.state, ""))


class _Head:
    """The first line: title, bar, rate and time; only the numbers if the terminal is narrow."""

    def __init__(self, status: PoolStatus, estimate: Estimate, title: str) -> None:
        self._status = status
        self._estimate = estimate
        self._title = title

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        if options.max_width >= _NARROW:
            yield _head(self._status, self._estimate, self._title)
            return
        done = self._estimate.done
        parts = [] if done is None else [Text(f"{int(done * 100)}%")]
        parts += [Text(rate(self._status.rate)), Text(_left(self._status, self._estimate))]
        yield FittingLine(parts)


def _head(status: PoolStatus, estimate: Estimate, title: str) -> RenderableType:
    line = Table.grid(padding=(0, 2), expand=True)
    cells: list[RenderableType] = []
    if title:
        line.add_column(no_wrap=True, overflow="ellipsis", ratio=2)
        cells.append(Text(title, style="bold"))
    if estimate.done is not None:
        line.add_column(ratio=3)
        line.add_column(justify="right", no_wrap=True)
        cells += [
            ProgressBar(total=1.0, completed=estimate.done),
            Text(f"{int(estimate.done * 100)}%"),
        ]
    line.add_column(justify="right", no_wrap=True)
    line.add_column(justify="right", no_wrap=True)
    cells += [Text(rate(status.rate)), Text(_left(status, estimate))]
    line.add_row(*cells)
    return line


def _left(status: PoolStatus, estimate: Estimate) -> str:
    if status.phase != "running":
        return status.phase
    if estimate.seconds_left is None:
        return duration(status.elapsed)
    return f"{duration(estimate.seconds_left)} left"


def _counts(status: PoolStatus) -> RenderableType:
    parts = [Text(f"{status.events:,} done"), Text(count(status.outputs, "output"))]
    waiting = status.waiting_runs + status.waiting_inputs
    if waiting:
        parts.append(Text(f"{waiting:,} waiting", "cyan"))
    for number, one, many, style in (
        (status.retries, "retry", "retries", "yellow"),
        (status.deaths, "death", "", "yellow"),
        (status.dead_letters, "dead letter", "", "red"),
    ):
        parts.append(Text(count(number, one, many or f"{one}s"), style if number else "dim"))
    if status.requeued:
        parts.append(Text(f"{status.requeued:,} requeued", "yellow"))
    if status.degraded:
        parts.append(Text(f"degraded: {status.degraded}", "red"))
    return FittingLine(parts)


def _problems(status: PoolStatus) -> list[RenderableType]:
    """A line on the most frequent failure, if there is any."""
    lines = failures(status.failures)[:1]
    return [Text(line, "red", no_wrap=True, overflow="ellipsis") for line in lines]


def _workers(workers: list[WorkerStatus], max_rows: int) -> RenderableType:
    table = FittingTable(
        [
            Column("worker"),
            Column("pid", is_number=True, rank=1),
            Column("state   "),
            Column("running", is_number=True, rank=2),
            Column("queued", is_number=True, rank=3),
            Column("starts", is_number=True, rank=4),
        ]
    )
    shown = workers if len(workers) <= max_rows else workers[: max_rows - 1]
    for worker in shown:
        table.add_row(
            str(worker.slot),
            str(worker.pid or ""),
            _state(worker),
            f"{worker.running:,}",
            f"{worker.queued:,}",
            str(worker.incarnation),
        )
    if len(shown) < len(workers):
        table.add_row("...", "", f"{len(workers) - len(shown)} more")
    return table
