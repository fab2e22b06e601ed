"""Which run's code is executed now.

Code that has no context of its own, such as the constructor of an event, belongs to the run whose
action is executed. A plain action is executed on the event loop's thread, one at a time, so the
thread has one attribute that names its run. Asynchronous actions take turns; the run of each is in
a context variable, which the tasks and threads inherit that the action starts.
"""

from __future__ import annotations

import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from ...agent.events.identity import EarlyOrigin


class ExecutedRun(Protocol):
    """A run, as the code that it executes needs it."""

    @property
    def number(self) -> int:
        """The run's number."""

    @property
    def step(self) -> int:
        """The number of the step that is performed."""

    @property
    def has_async_action(self) -> bool:
        """Whether the action that is executed is asynchronous."""

    def early_origin(self, step: int, place: bytes) -> EarlyOrigin:
        """The next origin of an event that is identified at a place before it is sent."""

    def random_origin(self, step: int) -> EarlyOrigin:
        """An origin of an event that is made inside a durable function."""


class ExecutingThread:
    """What a thread executes."""

    __slots__ = ("coroutine", "run")

    def __init__(self) -> None:
        self.run: ExecutedRun | None = None
        """The run whose plain action it executes."""
        self.coroutine: object | None = None
        """The tracked coroutine (`tracking`) that steps."""


offsets_of_threads: dict[int, int] = {}
"""The inputs for which the threads of pools execute functions, by the ident of the thread."""

_threads = threading.local()


def executing_thread() -> ExecutingThread:
    """What the current thread executes: the same object for all engines on it."""
    try:
        found: ExecutingThread = _threads.executing
    except AttributeError:
        found = _threads.executing = ExecutingThread()
    return found


_run: ContextVar[tuple[ExecutedRun, int] | None] = ContextVar("tamias-executed-run", default=None)

enter: Final = _run.set
"""Has what is started from now on in this context belong to a step of a run."""


def executed_run() -> tuple[ExecutedRun, int] | None:
    """The run of the task or thread that asks, and the step to which it belongs."""
    return _run.get()
