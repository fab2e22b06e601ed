"""Shows a running job on stderr: a live picture on a terminal, log lines elsewhere.

The pool's loop updates both, a few times a second; there is no thread. What the launcher logs (the
death of a worker, for example) appears between, in order.
"""

from __future__ import annotations

import logging
import sys
import time
from typing import TYPE_CHECKING

from rich.live import Live

from ..text import count, duration, error_console, rate
from .estimate import Estimate
from .picture import picture

if TYPE_CHECKING:
    from rich.console import Console
    from typing_extensions import Self

    from ...launcher.jobs.file_job import JobSpec
    from ...launcher.pool.status import PoolStatus

LINE_SECONDS = 5.0
"""The time between two lines, if there is no terminal."""


class Watcher:
    """Shows nothing: the base of the other watchers."""

    def show(self, status: PoolStatus) -> None:
        """Show a status of the pool."""

    def print_line(self, text: str) -> None:
        """Print a line for the user."""

    def __enter__(self) -> Self:
        self._handler = _WatcherHandler(self)
        log = logging.getLogger("tamias")
        log.addHandler(self._handler)
        self._propagated, log.propagate = log.propagate, False
        logging.getLogger("tamias.environments").setLevel(
            logging.INFO
        )  # making one can take minutes
        return self

    def __exit__(self, *_: object) -> None:
        log = logging.getLogger("tamias")
        log.removeHandler(self._handler)
        log.propagate = self._propagated


class _WatcherHandler(logging.Handler):
    """Passes the launcher's log lines to a watcher."""

    def __init__(self, watch: Watcher) -> None:
        super().__init__()
        self._watch = watch

    def emit(self, record: logging.LogRecord) -> None:
        """As `logging.Handler.emit`."""
        self._watch.print_line(record.getMessage())


class _LinePrinter(Watcher):
    """The common part of the watchers that print lines."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._is_drain_reported = False

    def print_line(self, text: str) -> None:
        """Print a line with the time of day."""
        self._console.print(f"{time.strftime('%H:%M:%S')} {text}", markup=False)

    def _report_drain(self, status: PoolStatus) -> None:
        if status.phase == "draining" and not self._is_drain_reported:
            self._is_drain_reported = True
            self.print_line(status.describe_drain())


class LineWatcher(_LinePrinter):
    """Prints a line every few seconds."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._estimate = Estimate()
        self._next = time.monotonic() + LINE_SECONDS
        self._phase = ""

    def show(self, status: PoolStatus) -> None:
        """As `Watcher.show`."""
        self._report_drain(status)
        self._estimate.update(status)
        now = time.monotonic()
        if now >= self._next and status.phase in ("starting", "running"):
            self._next = now + LINE_SECONDS
            self.print_line(progress(status, self._estimate))


class PictureWatcher(_LinePrinter):
    """Redraws a picture all the time, and removes it in the end."""

    def __init__(self, console: Console, title: str) -> None:
        super().__init__(console)
        self._title = title
        self._estimate = Estimate()
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def show(self, status: PoolStatus) -> None:
        """As `Watcher.show`."""
        self._report_drain(status)
        self._estimate.update(status)
        max_lines = self._console.size.height - 1
        self._live.update(picture(status, self._estimate, self._title, max_lines), refresh=True)

    def __enter__(self) -> Self:
        self._live.start()
        self._console.show_cursor()  # or it would stay hidden if this process is killed
        return super().__enter__()

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        self._live.stop()


def progress(status: PoolStatus, estimate: Estimate) -> str:
    """Describe the progress of a pool in a line."""
    parts = [f"{count(status.events, 'input')} done"]
    if estimate.done is not None:
        parts[0] += f" ({estimate.done:.0%})"
    parts.append(rate(status.rate))
    if estimate.seconds_left is not None:
        parts.append(f"{duration(estimate.seconds_left)} left")
    waiting = status.waiting_runs + status.waiting_inputs
    if waiting:
        parts.append(f"{waiting:,} waiting")
    ready = sum(worker.state == "ready" for worker in status.workers)
    parts.append(f"{ready} of {count(len(status.workers), 'worker')} ready")
    for number, one, many in (
        (status.retries, "retry", "retries"),
        (status.deaths, "worker death", ""),
        (status.requeued, "requeued", "requeued"),
        (status.dead_letters, "dead letter", ""),
    ):
        if number:
            parts.append(count(number, one, many))
    if status.degraded:
        parts.append(f"degraded ({status.degraded})")
    return ", ".join(parts)


def watcher(spec: JobSpec, *, quiet: bool) -> Watcher:
    """Return the watcher that suits stderr."""
    if quiet:
        return Watcher()
    mixed = spec.output == "-" and sys.stdout.isatty()  # a picture would be mixed with the outputs
    return LineWatcher(error_console()) if mixed else program_watcher(spec.agent)


def program_watcher(title: str) -> Watcher:
    """Return the watcher that suits stderr, for a job that writes nothing to stdout itself."""
    console = error_console()
    if console.is_terminal and not console.is_dumb_terminal:
        return PictureWatcher(console, title)
    return LineWatcher(console)
