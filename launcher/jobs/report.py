"""The report of one run of a job."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ...store.waiting.reading import WaitingCounts
from .exit_codes import DEAD_LETTERS, DONE, INTERRUPTED, WAITING


@dataclass(slots=True)
class Report:
    """The result of one run of a job. Totals are over all runs with its state directory."""

    finished: bool
    """False if it was interrupted; the same command resumes it."""
    events: int
    outputs: int
    dead_letters: int
    ignored: int
    """Inputs that failed and were ignored, as `on-error` asks; in this run."""
    retries: int
    """Attempts beyond an input's first, in this run."""
    deaths: int
    """Workers that died, in this run."""
    resumed_at: int
    """Inputs that earlier runs had finished."""
    seconds: float
    state: str
    log: str = ""
    """The file with what the workers have printed; empty if they printed nothing."""
    requeued: int = 0
    """Inputs sent again because their worker died, in this run: most had not begun."""
    failed: int = 0
    """Inputs that have failed for good, in this life."""
    failures: dict[str, list[Any]] = field(default_factory=dict)
    """As `PoolStatus.failures`."""
    notices: dict[str, int] = field(default_factory=dict)
    """As `PoolStatus.notices`."""
    left: str = ""
    """Why the last line of the input was left for the next life; empty if it was not."""
    waiting_runs: int = 0
    """Runs that are suspended; see `waiting`."""
    waiting_inputs: int = 0
    """Inputs that are kept behind them."""
    timers: int = 0
    """Events that are scheduled."""
    questions: int = 0
    """Questions that suspended runs have asked."""
    next_due: float | None = None
    """When the next of them is due, in seconds since the epoch; None if none is by the clock."""
    changed: list[str] = field(default_factory=list)
    """What has changed since earlier lives of the job: files of the agent's code, settings."""
    metrics: dict[str, Any] = field(default_factory=dict)

    @property
    def waiting(self) -> WaitingCounts:
        """What still waits: true if there is anything, and then resuming the job goes on with it.

        Memory, outputs and dead letters are those of what has been done.
        """
        return WaitingCounts(
            self.waiting_runs, self.waiting_inputs, self.timers, self.questions, self.next_due
        )

    @property
    def exit_code(self) -> int:
        """The exit code of a finished or interrupted job."""
        if not self.finished:
            return INTERRUPTED
        if self.waiting:
            return WAITING
        return DEAD_LETTERS if self.dead_letters or self.left else DONE
