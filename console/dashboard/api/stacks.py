"""What the threads and tasks of a worker do now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ...stacks.collecting import stacks_of
from ..endpoints.replies import NotThereError, number_in

if TYPE_CHECKING:
    from ..endpoints.replies import Asked
    from ..jobs import ShownJob

__all__ = ["worker_stacks"]

_MOST_WORKERS: Final = 10_000


def worker_stacks(job: ShownJob, asked: Asked) -> dict[str, Any]:
    """The stacks of a worker, also of one that is stuck or stopped.

    Raises:
        PoolError: the job does not run.
    """
    slot = number_in(asked.path["slot"], "worker", 0, _MOST_WORKERS)
    with job.view() as view:
        found = stacks_of(view, slot)
    if not found:
        raise NotThereError(f"The job has no worker {slot} now.")
    return {**found[0].to_json(), "text": found[0].text()}
