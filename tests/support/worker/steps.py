"""Steps of actions' coroutines, without an engine."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tamias.worker.metering.measures import UserTime
from tamias.worker.tasks.action_coroutine import ActionCoroutine
from tamias.worker.tasks.first_steps import FirstSteps
from tamias.worker.tasks.tracking import StepTracker, TaskFactory

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from tamias.agent.events.identity import EarlyOrigin
    from tamias.worker.beacon import Beacon


class SteppedRun:
    """A run of one asynchronous action."""

    has_async_action = True
    step = 0

    def __init__(self, number: int) -> None:
        self.number = number

    def early_origin(self, step: int, place: bytes) -> EarlyOrigin:
        """An origin that is the same for all events of a place."""
        return b"key", self.number, step + 1, 0, place

    def random_origin(self, step: int) -> EarlyOrigin:
        """An origin that is the same for all events."""
        return b"key", self.number, step + 1, 0, b"?"


class Steps:
    """Performs coroutines as an engine does it; to be made on a running event loop."""

    def __init__(self, beacon: Beacon, *, timed: bool = False) -> None:
        self._loop = asyncio.get_running_loop()
        self._tracker = StepTracker(beacon, UserTime(), timed=timed)
        self._loop.set_task_factory(TaskFactory(self._tracker))
        self._first = FirstSteps(self._loop, self._tracker, self._ended)
        self._outcomes: dict[int, asyncio.Future[Any]] = {}
        self.when_ended: Callable[[], None] = lambda: None

    def _ended(self, number: int, result: Any, failure: BaseException | None) -> None:
        outcome = self._outcomes[number]
        self.when_ended()
        if failure is None:
            outcome.set_result(result)
        elif isinstance(failure, asyncio.CancelledError):
            outcome.cancel(*failure.args[:1])
        else:
            outcome.set_exception(failure)

    def begin(self, coroutine: Coroutine[Any, Any, Any], number: int) -> Any:
        """Perform the first step; returns the result, or an `ActionCoroutine` that waits."""
        self._tracker.name(number)
        try:
            run = SteppedRun(number)
            stepped = self._first.prepare(coroutine, number)
            return self._first.perform(stepped, (run, run.step))
        finally:
            self._tracker.name_none()

    def start(self, coroutine: Coroutine[Any, Any, Any], number: int) -> asyncio.Task[None]:
        """Start a coroutine that waits in its first step; returns its task."""
        return self.go_on(self.begin(coroutine, number))

    def go_on(self, waiting: Any) -> asyncio.Task[None]:
        """Start what has performed its first step, and waits."""
        assert isinstance(waiting, ActionCoroutine)
        self._outcomes[waiting.offset] = self._loop.create_future()
        return waiting.start()

    def outcome(self, number: int) -> asyncio.Future[Any]:
        """What a started coroutine returns or raises."""
        return self._outcomes[number]

    async def run(self, coroutine: Coroutine[Any, Any, Any], number: int = 1) -> Any:
        """Perform a coroutine to its end; returns its result."""
        result = self.begin(coroutine, number)
        if not isinstance(result, ActionCoroutine):
            return result
        self.go_on(result)
        return await self._outcomes[number]
