"""The list of jobs, and how each of them stands."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ....agent.errors import StoreError
from ....launcher.metrics.series import series_of
from ....store.state.waiting import waiting_counts
from ..history import queued_in

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ....store.state.reader import StoreReader
    from ..endpoints.replies import Asked
    from ..jobs import ShownJob, ShownJobs

__all__ = ["job_list", "job_status", "status_of"]


def job_list(jobs: ShownJobs) -> list[dict[str, Any]]:
    """All jobs."""
    shown = jobs.all()
    names = _names([job.path for job in shown])
    return [{**job.summary(), "name": name} for job, name in zip(shown, names, strict=True)]


def _names(paths: Sequence[Path]) -> list[str]:
    """The fewest last parts of each path that no other one ends with."""
    names = []
    for path in paths:
        others = [other.parts for other in paths if other != path]
        size = 1
        while any(other[-size:] == path.parts[-size:] for other in others):
            size += 1
        names.append("/".join(path.parts[-size:]))
    return names


def job_status(job: ShownJob, _: Asked) -> dict[str, Any]:
    """How a job stands; of one at rest, how it stood at its end."""
    return status_of(job)


def status_of(job: ShownJob) -> dict[str, Any]:
    """The last status of a job, with what is known of it besides.

    Raises:
        StoreError: the state directory cannot be read.
    """
    with job.reader() as reader:
        view = reader.view
        pid = view.launcher_pid()
        record: dict[str, Any] = {
            **(view.status() or {}),
            "state": str(view.path),
            "agent": view.manifest.agent,
            "shards": view.manifest.shards,
            "durability": view.manifest.durability,
            "service": "service" in view.manifest.job,
            "flink": view.manifest.job.get("flink"),
            "running": pid is not None,
            "launcher": pid,
            "at": time.time(),
        }
        record["series"] = series_of(record)
        if pid is None:
            record.update(workers=[], rate=0.0)
        else:
            for worker in record.get("workers", ()):
                worker["queued"] = queued_in(worker)
        try:
            record["dead_letters_kept"] = reader.counts()["dead"]
            if pid is None:
                record.update(_at_rest(reader))
        except StoreError as error:  # a shard is damaged: the rest can be shown nevertheless
            record["store_error"] = error.message
    return record


def _at_rest(reader: StoreReader) -> dict[str, Any]:
    """What waits; an answer may have been given since the last status."""
    waiting = waiting_counts(reader)
    return {
        "waiting_runs": waiting.runs,
        "waiting_inputs": waiting.inputs,
        "timers": waiting.timers,
        "questions": waiting.questions,
        "next_due": waiting.next,
    }
