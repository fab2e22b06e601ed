"""Shows the job of a program while `execute` runs: the option `progress`, and a word on Ctrl-C.

The pictures belong to the command line, a room above this one, and are found by entry point.
"""

from __future__ import annotations

import logging
from contextlib import nullcontext
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Final

from ...agent.errors import MissingExtraError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from ..pool.status import PoolStatus

PROGRESS_GROUP: Final = "tamias.progress"
"""The group of entry points; one is called with a title, and returns a context manager with a
method `show(status)`."""

_LOG: Final = logging.getLogger("tamias")


class InterruptReporter:
    """Logs that a signal was received, once; does nothing else."""

    def __init__(self) -> None:
        self._reported = False

    def show(self, status: PoolStatus) -> None:
        """Process a status of the pool."""
        if status.phase == "draining" and not self._reported:
            self._reported = True
            _LOG.warning("%s", status.describe_drain())


def program_watcher(title: str, *, progress: bool) -> AbstractContextManager[Any]:
    """Return what shows the job of a program: `show` is called with each status.

    Args:
        title: the name of the job.
        progress: whether the progress is shown on stderr, not only the end.

    Raises:
        MissingExtraError: nothing that shows the progress is installed.
    """
    if not progress:
        return nullcontext(InterruptReporter())
    for entry in entry_points(group=PROGRESS_GROUP):
        watcher: AbstractContextManager[Any] = entry.load()(title)
        return watcher
    raise MissingExtraError(
        "Nothing is installed that shows the progress.",
        hint="Install tamias again (pip install --force-reinstall tamias).",
    )
