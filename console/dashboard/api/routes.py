"""All that the page can ask for, by address."""

from __future__ import annotations

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
    from ..jobs import Job

__all__ = ["ROUTES", "JobRoute"]


class JobRoute(NamedTuple):
    """What can be asked of a job.

    Attributes:
        path: behind the job's id.
        work: does it, in a thread.
        method: "GET", or "POST" for what changes something.
        takes_long: whether it may take much longer than reading a file.
    """

    path: str
    work: Callable[[Job, Asked], Any]
    method: str = "GET"
    takes_long: bool = False


ROUTES: Final = (
    JobRoute("status", overview.job_status),
    JobRoute("keys", keys.key_list),
    JobRoute("keys/{token}", memory.key_memory, takes_long=True),
    JobRoute("keys/{token}/sets/{name:path}", sets.items_of_key),
    JobRoute("sets", sets.shared_sets),
    JobRoute("sets/{name:path}", sets.shared_items),
    JobRoute("dead-letters", dead_letters.letter_list),
    JobRoute("dead-letters/retry", dead_letters.retry, "POST", takes_long=True),
    JobRoute("dead-letters/{number}", dead_letters.one_letter, takes_long=True),
    JobRoute("questions", questions.question_list, takes_long=True),
    JobRoute("questions/{token}/answer", questions.answer, "POST", takes_long=True),
    JobRoute("profile", profiles.recorded_profile, takes_long=True),
    JobRoute("profile", profiles.take_profile, "POST", takes_long=True),
    JobRoute("runs", runs.run_list, takes_long=True),
    JobRoute("runs/{id}", runs.one_run, takes_long=True),
    JobRoute("logs", logs.log_lines),
    JobRoute("limits", limits.limit_list),
    JobRoute("generations", generations.generation_list),
    JobRoute("stacks/{slot}", stacks.worker_stacks, takes_long=True),
    JobRoute("reload", generations.reload, "POST", takes_long=True),
    JobRoute("rollback", generations.rollback, "POST", takes_long=True),
    JobRoute("scale", generations.scale, "POST", takes_long=True),
    JobRoute("workers/{slot}/swap", generations.swap, "POST", takes_long=True),
)
