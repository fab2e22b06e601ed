"""The context of an action that has ended: it refuses every use.

Tasks and threads that an action leaves running may still have its context.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...agent.errors import RunError
from ..durable.fingerprint import function_name
from .context import WorkerContext

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from ...agent.event import Event
    from ...agent.long_term.memory_set import LongTermMemory
    from ...agent.memory import MemoryObject
    from ...agent.waiting.moments import Duration


def end_context(context: WorkerContext) -> None:
    """Have a context refuse all further uses."""
    context.__class__ = _EndedContext
    context.renew_memory()


class _EndedContext(WorkerContext):
    """The class of a context whose action has ended: it refuses every use."""

    def send_event(self, event: Event) -> None:  # noqa: ARG002 (refused whatever it is)
        """Refuse. Raises RunError."""
        raise self._ended("an event")

    def stream(self, text: str, *, reasoning: str = "") -> None:  # noqa: ARG002 (as above)
        """Refuse. Raises RunError."""
        raise self._ended("ctx.stream")

    @property
    def short_term_memory(self) -> MemoryObject:
        """Refuse. Raises RunError."""
        raise self._ended("memory")

    @property
    def sensory_memory(self) -> MemoryObject:
        """Refuse. Raises RunError."""
        raise self._ended("memory")

    @property
    def long_term_memory(self) -> LongTermMemory:
        """Refuse. Raises RunError."""
        raise self._ended("long-term memory")

    def durable_execute(self, func: Callable[..., Any], /, *_: Any, **__: Any) -> Any:
        """Refuse. Raises RunError."""
        raise self._ended(f"a durable call of {function_name(func)}")

    async def durable_execute_async(self, func: Callable[..., Any], /, *_: Any, **__: Any) -> Any:
        """Refuse. Raises RunError."""
        raise self._ended(f"a durable call of {function_name(func)}")

    def now(self) -> datetime:
        """Refuse. Raises RunError."""
        raise self._ended("ctx.now")

    async def sleep(self, duration: Duration) -> None:  # noqa: ARG002 (refused whatever it is)
        """Refuse. Raises RunError."""
        raise self._ended("ctx.sleep")

    async def wait_for(self, name: str, *_: Any, **__: Any) -> Any:
        """Refuse. Raises RunError."""
        raise self._ended(f"ctx.wait_for({name!r})")

    def schedule(self, *_: Any, **__: Any) -> str:
        """Refuse. Raises RunError."""
        raise self._ended("ctx.schedule")

    def cancel(self, id: str) -> bool:
        """Refuse. Raises RunError."""
        raise self._ended(f"ctx.cancel({id!r})")

    def _ended(self, what: str) -> RunError:
        return RunError(
            f"{what} came from a task or thread after the action had ended that started it: await "
            "everything that uses the context",
            hint="Await the task, or join the thread (from an async action:"
            " await asyncio.to_thread(thread.join)), before the action returns. What is to go on"
            " for longer is a run of its own: send an event.",
        )
