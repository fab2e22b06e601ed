"""A task that costs nothing as long as nothing but its identity is asked for.

While a coroutine is stepped without a task, `asyncio.current_task()` still has to return one that
may be kept: a time limit cancels it later, a `TaskGroup` and libraries such as anyio compare it. An
`UnstartedTask` is such an object before its constructor has run. It runs when the coroutine turns
out to wait, or at the first use of any attribute: the same object is an ordinary task from then on.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from contextvars import Context
    from typing import Final, TypeAlias

    Beginning: TypeAlias = tuple[Coroutine[Any, Any, None], asyncio.AbstractEventLoop]

TASKS_HAVE_CONTEXT: Final = sys.version_info >= (3, 11)
"""Whether a task can be given its context."""


class StartedTask(asyncio.Task[None]):
    """A task that was unstarted."""

    __slots__ = ()


class UnstartedTask(asyncio.Task[None]):
    """A task whose constructor has not run; any use of it runs that."""

    __slots__ = ()

    def __getattribute__(self, name: str) -> Any:
        start_task(self)
        return getattr(self, name)


def unstarted_task(
    coroutine: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop
) -> UnstartedTask:
    """Make a task of a coroutine, whose `context` is the task's when it is started."""
    task: UnstartedTask = UnstartedTask.__new__(UnstartedTask)
    object.__setattr__(task, "beginning", (coroutine, loop))
    return task


def start_task(task: asyncio.Task[None]) -> None:
    """Have the event loop step the task from its next turn on; does nothing if it does already."""
    if type(task) is not UnstartedTask:
        return
    beginning: Beginning = object.__getattribute__(task, "beginning")
    coroutine, loop = beginning
    context: Context = coroutine.context  # type: ignore[attr-defined]
    object.__setattr__(task, "__class__", StartedTask)
    if sys.version_info >= (3, 11):
        asyncio.Task.__init__(task, coroutine, loop=loop, context=context)
    else:
        asyncio.Task.__init__(task, coroutine, loop=loop)
