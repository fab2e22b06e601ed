"""What one life of a job has done."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .exit_codes import DEAD_LETTERS, DONE, INTERRUPTED


@dataclass(slots=True)
class Report:
    """The result of one life of a job. Totals are over all lives."""

    finished: bool
    """False when it was interrupted; the same command carries on."""
    events: int
    outputs: int
    dead_letters: int
    ignored: int
    """Inputs that failed and were passed over, as `on-error` wanted it; in this life."""
    retries: int
    """Attempts beyond an input's first, in this life."""
    deaths: int
    """Workers that died, in this life."""
    resumed_at: int
    """Inputs that earlier lives had done."""
    seconds: float
    state: str
    metrics: dict[str, Any] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """The exit code of a job that has an end."""
        if not self.finished:
            return INTERRUPTED
        return DEAD_LETTERS if self.dead_letters else DONE
