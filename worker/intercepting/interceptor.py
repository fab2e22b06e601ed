"""`Interceptor`: what is done around the actions of a plan, their durable calls and their waits."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from ...agent.action import Action
    from ...agent.context import RunnerContext
    from ...agent.event import Event

__all__ = ["Attempt", "Interceptor", "MadeCall"]


@dataclass
class MadeCall:
    """A durable call that an action has made, with what came of it."""

    name: str
    """The function's qualified name."""
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    offset: int
    key: Any
    action: str
    """The action that has made it."""
    result: Any = None
    error: BaseException | None = None
    is_replayed: bool = True
    """Whether it was answered from its record, and the function was not called."""


@dataclass
class Attempt:
    """A durable call that is not on record, and is about to be made."""

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    work: Callable[[], Any] = field(repr=False)
    """Makes it; may be replaced."""


class Interceptor:
    """Base class: all methods do nothing."""

    skips_waits = False
    """Whether sleeps and pauses are over at once."""

    def around(
        self,
        action: Action,  # noqa: ARG002 (for those that override it)
        event: Event,  # noqa: ARG002
        ctx: RunnerContext,  # noqa: ARG002
    ) -> AbstractContextManager[Any]:
        """Give what an action is called in; it sees what the action raises."""
        return nullcontext()

    def event_sent(self, ctx: RunnerContext, event: Event) -> None:
        """An action has sent an event that is no output."""

    def attempt(self, attempt: Attempt) -> None:
        """A durable call is about to be made; its work may be replaced."""

    def call_ended(self, ctx: RunnerContext, call: MadeCall) -> None:
        """A durable call has been answered."""

    def wait_skipped(self, seconds: float) -> None:
        """A wait was over at once."""

    def question(self, name: str, ask: Any) -> tuple[Any] | None:  # noqa: ARG002 (as above)
        """Return the answer to a question that is not on record; None: it is asked as usual."""
        return None
