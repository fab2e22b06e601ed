"""Naming a run in the beacon while one of its coroutines steps.

The beacon (`beacon.py`) names the input whose code is executed, so that a death has a suspect. For
a plain action the engine writes it down before the call. An asynchronous one is executed in steps,
between which other runs have theirs, and who steps when is the event loop's business. So each
coroutine of a run is wrapped into something that looks like one to the loop and says whose turn it
is, at each step: the action itself, and, since tasks inherit the context of whoever makes them,
every task that it starts (`gather`, `TaskGroup`, ...). It costs some tenths of a microsecond per
step, and only asynchronous actions pay. Callbacks and threads are not named.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Coroutine
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Generator

_word: ContextVar[int] = ContextVar("tamias-run", default=0)
"""What the beacon says of the run that the current task belongs to: its offset + 1; 0 for none."""


class Stepping(Coroutine[Any, Any, Any]):
    """A coroutine of the run of an input.

    Everything that a debugger may want to know of a coroutine is that of the one inside.
    """

    __slots__ = ("__weakref__", "_beacon", "_send", "coroutine", "word")

    def __init__(self, coroutine: Coroutine[Any, Any, Any], beacon: memoryview, word: int) -> None:
        self.coroutine = coroutine
        self.word = word
        self._beacon = beacon
        self._send = coroutine.send

    def send(self, value: Any) -> Any:
        """One step."""
        self._beacon[0] = self.word
        try:
            return self._send(value)
        finally:
            self._beacon[0] = 0

    def throw(self, *error: Any) -> Any:
        """One step, which begins with an exception."""
        self._beacon[0] = self.word
        try:
            return self.coroutine.throw(*error)
        finally:
            self._beacon[0] = 0

    def close(self) -> None:
        """End it."""
        self.coroutine.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self.coroutine.__await__()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.coroutine, name)


class TimedStepping(Stepping):
    """The same where runs have a time limit: the beacon also shows since when."""

    __slots__ = ()

    def send(self, value: Any) -> Any:
        """As `Stepping.send`."""
        beacon = self._beacon
        # The time first, or it would be another's.
        beacon[1] = time.monotonic_ns()
        beacon[3] = 1
        beacon[0] = self.word
        try:
            return self._send(value)
        finally:
            beacon[0] = 0
            beacon[3] = 0

    def throw(self, *error: Any) -> Any:
        """As `Stepping.throw`."""
        beacon = self._beacon
        beacon[1] = time.monotonic_ns()
        beacon[3] = 1
        beacon[0] = self.word
        try:
            return self.coroutine.throw(*error)
        finally:
            beacon[0] = 0
            beacon[3] = 0


class TaskFactory:
    """Makes the tasks of a worker's event loop."""

    def __init__(self, beacon: memoryview, *, timed: bool) -> None:
        """`timed` tells whether runs have a time limit."""
        self._beacon = beacon
        self._kind = TimedStepping if timed else Stepping

    def __call__(
        self, loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any
    ) -> asyncio.Task[Any]:
        """A task, named if the one who starts it is."""
        word = _word.get()
        if word and asyncio.iscoroutine(coroutine):
            coroutine = self._kind(coroutine, self._beacon, word)
        return asyncio.Task(coroutine, loop=loop, **options)

    def start(
        self, loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, None], offset: int
    ) -> asyncio.Task[None]:
        """Start the task that performs an action of the run of an input."""
        token = _word.set(offset + 1)
        try:
            return loop.create_task(coroutine)
        finally:
            _word.reset(token)


def offset_of_task(task: asyncio.Task[Any]) -> int | None:
    """The input whose run a task belongs to."""
    coroutine = task.get_coro()
    return coroutine.word - 1 if isinstance(coroutine, Stepping) else None


def has_begun(task: asyncio.Task[Any]) -> bool:
    """Whether a task has had its first step."""
    return inspect.getcoroutinestate(cast("Any", task.get_coro())) != inspect.CORO_CREATED
