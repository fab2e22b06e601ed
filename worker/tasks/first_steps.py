"""Performs the first steps of the coroutines of actions, as `action_coroutine` says.

Of the object that such a step has in place of a task nothing may be used, not even its class by
``__class__``: that would make it a task.
"""

from __future__ import annotations

import asyncio
from asyncio.tasks import _enter_task, _leave_task  # documented, for other kinds of tasks
from contextvars import copy_context
from sys import getrefcount
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final
from weakref import getweakrefcount

from .action_coroutine import ActionCoroutine, awaiting
from .unstarted_task import UnstartedTask

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Coroutine

    from .action_coroutine import Ended
    from .executing import ExecutedRun
    from .tracking import StepTracker

# Compiled code finds what is Final sooner than what is imported.
_copy_context: Final[Any] = copy_context
_current_task: Final[Any] = asyncio.current_task
_enter: Final[Any] = _enter_task
_leave: Final[Any] = _leave_task
_references: Final[Any] = getrefcount
_weak_references: Final[Any] = getweakrefcount
_of_coroutine: Final[Any] = CoroutineType
_of_unstarted: Final[Any] = UnstartedTask


class FirstSteps:
    """Performs the first steps of the coroutines of a worker's actions."""

    def __init__(self, loop: AbstractEventLoop, tracker: StepTracker, ended: Ended) -> None:
        """`ended` is called when one ends in a later step: as that of `ActionCoroutine`."""
        self._loop = loop
        self._tracker = tracker
        self._here = tracker.here
        self._base = copy_context()
        self._end = ended
        self._spare: ActionCoroutine | None = None
        """One that has ended in its first step, and that nothing refers to."""

    def _ended(self, number: int, result: Any, failure: BaseException | None) -> None:
        # What follows is not the action's: it does not begin in its context.
        self._base.copy().run(self._end, number, result, failure)

    def prepare(self, coroutine: Coroutine[Any, Any, Any], number: int) -> ActionCoroutine:
        """Prepare the first step of a coroutine, of the run of this number.

        Returns an object that has the task: the run's, until `perform` has returned.
        """
        if coroutine.__class__ is not _of_coroutine:  # it may be any object that can be awaited
            coroutine = awaiting(coroutine)
        stepped = self._spare
        if stepped is None:
            stepped = self._spare = ActionCoroutine(
                coroutine, self._tracker, number, loop=self._loop, ended=self._ended
            )
        else:
            stepped.coroutine = coroutine
            stepped.offset = number
        return stepped

    def perform(self, stepped: ActionCoroutine, executed: tuple[ExecutedRun, int]) -> Any:
        """Perform a first step; `executed` is the run, and the step to which the coroutine belongs.

        Returns its result, or `stepped` if the coroutine waits, which is to be started then. Raises
        what it has raised.
        """
        context = stepped.context = _copy_context()
        task = stepped.task
        references = _references(task)
        here, loop = self._here, self._loop
        outer, here.coroutine = here.coroutine, stepped
        outer_task = _current_task(loop)
        if outer_task is not None:
            _leave(loop, outer_task)
        _enter(loop, task)
        result: Any = None
        try:
            result = context.run(stepped.perform_first, executed)
        finally:
            _leave(loop, task)
            if outer_task is not None:
                _enter(loop, outer_task)
            here.coroutine = outer
            if result is stepped:
                self._spare = None
            elif (
                type(task) is not _of_unstarted  # `__class__` would start it
                or stepped.has_children
                or _references(task) > references
                or _weak_references(task)
            ):
                self._spare = None
                stepped.end_first()
            del task  # a traceback has this frame, and the next step counts references
        return result
