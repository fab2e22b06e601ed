"""All that the page can ask for, by address."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from . import (
    dead_letters,
    generations,
    keys,
    limits,
    logs,
    memory,
    overview,
    profiles,
    questions,
    runs,
    sets,
    stacks,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..endpoints.replies import Asked
    from ..jobs import ShownJob

__all__ = ["ROUTES", "JobRoute", "Pace"]


class Pace(Enum):
    """What a request waits for."""

    QUICK = "files"
    SLOW = "many files, or a child process"
    WAITING = "the pool, or its workers"


class JobRoute(NamedTuple):
    """What can be asked of a job.

    Attributes:
        path: behind the job's id.
        work: does it, in a thread.
        method: "GET", or "POST" for what changes something.
        pace: what it waits for; requests of one pace do not hold up those of another.
    """

    path: str
    work: Callable[[ShownJob, Asked], Any]
    method: str = "GET"
    pace: Pace = Pace.QUICK


ROUTES: Final = (
    JobRoute("status", overview.job_status),
    JobRoute("keys", keys.key_list),
    JobRoute("keys/{token}", memory.key_memory, pace=Pace.SLOW),
    JobRoute("keys/{token}/sets/{name:path}", sets.items_of_key),
    JobRoute("sets", sets.shared_sets),
    JobRoute("sets/{name:path}", sets.shared_items),
    JobRoute("dead-letters", dead_letters.letter_list),
    JobRoute("dead-letters/retry", dead_letters.retry, "POST", pace=Pace.WAITING),
    JobRoute("dead-letters/{number}", dead_letters.one_letter, pace=Pace.SLOW),
    JobRoute("questions", questions.question_list, pace=Pace.SLOW),
    JobRoute("questions/{token}/answer", questions.answer, "POST", pace=Pace.WAITING),
    JobRoute("profile", profiles.recorded_profile, pace=Pace.SLOW),
    JobRoute("profile", profiles.sample_profile, "POST", pace=Pace.WAITING),
    JobRoute("runs", runs.run_list, pace=Pace.SLOW),
    JobRoute("runs/{id}", runs.one_run, pace=Pace.SLOW),
    JobRoute("logs", logs.log_lines),
    JobRoute("limits", limits.limit_list),
    JobRoute("generations", generations.generation_list),
    JobRoute("stacks/{slot}", stacks.worker_stacks, pace=Pace.WAITING),
    JobRoute("reload", generations.reload, "POST", pace=Pace.WAITING),
    JobRoute("rollback", generations.rollback, "POST", pace=Pace.WAITING),
    JobRoute("scale", generations.scale, "POST", pace=Pace.WAITING),
    JobRoute("workers/{slot}/swap", generations.swap, "POST", pace=Pace.WAITING),
)
