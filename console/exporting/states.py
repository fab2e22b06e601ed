"""Reads what is exported of a job: its last status, from the state directory.

The launcher writes the status a few times a second; reading it costs the pool nothing, and works as
well when no launcher runs. A state directory that does not exist yet is a job that does not run.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ...agent.errors import StoreError
from ...launcher.metrics.series import series_of
from ...store.files import read_json
from ...store.lease import Lease
from ...store.state.layout import StateLayout

if TYPE_CHECKING:
    from collections.abc import Sequence

_SUFFIX: Final = ".tamias"


@dataclass(frozen=True, slots=True)
class JobReading:
    """What one job's status had at a moment."""

    agent: str
    """The name of the job, the label `agent`."""
    running: bool
    """Whether a launcher uses the state directory."""
    age: float | None = None
    """Seconds since the status was written; None if there is none."""
    started: float = 0.0
    """When the pool has begun to count, in seconds since the epoch."""
    series: list[dict[str, Any]] = field(default_factory=list)
    """As `PoolStatus.series`."""
    problem: str = ""
    """Why the status cannot be read; empty if it can, or if there is none."""


class JobState:
    """The state directory of one job.

    Attributes:
        agent: the name of the job.
        path: its state directory.
    """

    def __init__(self, agent: str, path: Path) -> None:
        self.agent = agent
        self.path = path
        self._layout = StateLayout(path)
        self._seen: tuple[int, int, int] | None = None
        self._status: dict[str, Any] = {}

    def read(self) -> JobReading:
        """Read the status. Never raises a TamiasError or OSError."""
        running = Lease.is_held(self._layout.launcher_lock)
        try:
            written = self._refresh()
        except (StoreError, OSError) as error:
            return JobReading(self.agent, running, problem=str(error))
        if written is None:
            return JobReading(self.agent, running)
        problem = ""
        series = self._status.get("series")
        if series is None:
            try:
                series = series_of(self._status)
            except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
                problem = f"the status is damaged: {error!r}"
        started = self._status.get("started")
        return JobReading(
            self.agent,
            running,
            max(0.0, time.time() - written),
            float(started) if isinstance(started, (int, float)) else 0.0,
            series if isinstance(series, list) else [],
            problem,
        )

    def _refresh(self) -> float | None:
        """Read the file if it has changed; return when it was written, None if there is none."""
        path = self._layout.status
        try:
            found = os.stat(path)  # noqa: PTH116 (a string, or a path)
        except FileNotFoundError:
            self._seen, self._status = None, {}
            return None
        seen = (found.st_ino, found.st_mtime_ns, found.st_size)
        if seen != self._seen:
            self._status = read_json(path) or {}
            self._seen = seen
        return found.st_mtime


def job_states(paths: Sequence[Path], name: str = "") -> list[JobState]:
    """Return the jobs of some state directories, named after these.

    The name is that of the directory, without `.tamias`; if several have the same, it is the path.
    With `name`, it is this; for a single temporary directory, whose own name says nothing.
    """
    names = [name or _name_of(path) for path in paths]
    return [
        JobState(name if names.count(name) == 1 else str(path), path)
        for name, path in zip(names, paths, strict=True)
    ]


def _name_of(path: Path) -> str:
    name = Path(os.path.abspath(path)).name  # noqa: PTH100 (links are not followed)
    return name.removesuffix(_SUFFIX) or name
