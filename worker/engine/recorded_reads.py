"""Reads of what other runs write meanwhile: what an action has read is on record.

As with waits (`wait_steps`), the record needs no commit of its own: it is written with the next one
of the run, since nothing outside depends on a read before that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...agent.waiting.threads import call_in_thread
from .wait_steps import WaitStep

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ..runs.run import Run
    from .services import Services


class RecordedReads:
    """The reads of one action that go on record."""

    def __init__(
        self, engine: Services, run: Run, wait_for_siblings: Callable[[WaitStep], Awaitable[None]]
    ) -> None:
        """`wait_for_siblings` waits until concurrent calls have claimed their records."""
        self._engine = engine
        self._run = run
        self._wait_for_siblings = wait_for_siblings

    def read(self, name: str, arguments: tuple[Any, ...], read: Callable[[], Any]) -> Any:
        """What `read` returns, or has returned at the first execution; blocks.

        Args:
            name: of what is read.
            arguments: what is read, told apart by its `repr`.
            read: returns plain data.
        """
        step = WaitStep(self._engine, self._run, name, *arguments)
        if step.record is None:
            step.check_divergence()
            step.issue(read())
        return self._value(step)

    async def aread(self, name: str, arguments: tuple[Any, ...], read: Callable[[], Any]) -> Any:
        """The same; reads in a thread."""
        step = WaitStep(self._engine, self._run, name, *arguments)
        if step.record is None:
            await self._wait_for_siblings(step)
            issued = step.begin()
            self._run.calls += 1  # the run does not only wait
            try:
                found = await call_in_thread(read)
            finally:
                self._run.calls -= 1
            step.decide(issued, found)
        return self._value(step)

    def _value(self, step: WaitStep) -> Any:
        value = step.value()
        step.end()
        return value
