"""`InnerRun`: one call of a sub-agent, from its input to its outputs.

As in a worker, actions are performed one after the other, first in, first out. Nothing of the run
is on record but its durable calls and waits: when the outer action is executed again, the actions
are, too, and each finds its calls on record.
"""

from __future__ import annotations

import inspect
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from ..errors import RunError, TamiasError
from ..failures.error_text import is_of, one_line
from ..long_term.prefixed import PrefixedMemory
from ..naming.public import public
from .inner_context import InnerContext

if TYPE_CHECKING:
    from ..action import Action
    from ..context import RunnerContext
    from ..event import Event
    from ..long_term.memory_set import LongTermMemory
    from ..memory import MemoryObject
    from ..plan import AgentPlan
    from ..resources.registry import ResourceRegistry

__all__ = ["InnerRun", "SubAgentError"]

MOST_STEPS: Final = 10_000
"""Actions of one call; an agent that goes round in a circle ends there."""
_MEMORY: Final = "_sub_agents"


@public
class SubAgentError(RunError):
    """An action of a sub-agent has failed; its exception is the ``__cause__``."""

    is_outcome = True


class InnerRun:
    """One call of a sub-agent.

    Attributes:
        outputs: what it has sent as outputs.
        depth: how many agents it is inside of.
    """

    def __init__(
        self,
        name: str,
        call_id: str,
        outer: RunnerContext,
        plan: AgentPlan,
        resources: ResourceRegistry,
        *,
        shares_memory: bool,
    ) -> None:
        self.name = name
        self.call_id = call_id
        self.outer = outer
        self.resources = resources
        self.outputs: list[Any] = []
        self.depth: int = getattr(outer, "depth", 0) + 1
        self._plan = plan
        self._shares_memory = shares_memory
        self._steps: deque[tuple[Event, Action]] = deque()

    @property
    def short_term_memory(self) -> MemoryObject:
        """The sub-agent's memory in this key, or all of the key's."""
        memory = self.outer.short_term_memory
        return memory if self._shares_memory else memory.new_object(f"{_MEMORY}.{self.name}")

    def long_term_memory(self, context: InnerContext) -> LongTermMemory:
        """The sub-agent's memory sets in this key, or all of the key's."""
        memory = self.outer.long_term_memory.with_models_of(context)
        return memory if self._shares_memory else PrefixedMemory(memory, f"{self.name}/")

    @property
    def sensory_memory(self) -> MemoryObject:
        """The memory of this call."""
        part = self.call_id.replace(".", "_")
        return self.outer.sensory_memory.new_object(f"{_MEMORY}.{part}")

    def queue(self, event: Event, sender: str) -> None:
        """Queue the actions that listen to an event.

        Raises:
            RunError: none does, so it would be lost.
        """
        actions = self._plan.route(event)
        if not actions:
            raise RunError(
                f"The action {sender!r} of the sub-agent {self.name!r} has sent an event of the"
                f" type {event.get_type()!r}, to which none of its actions listens."
            )
        self._steps.extend((event, action) for action in actions)

    async def perform(self, event: Event) -> None:
        """Perform all actions that an event sets off, directly or not.

        Raises:
            SubAgentError: one has raised an exception of its own.
        """
        self.queue(event, "")
        for _ in range(MOST_STEPS):
            if not self._steps:
                return
            step, action = self._steps.popleft()
            try:
                result = action.fn(step, InnerContext(self, action))
                if action.is_async or inspect.isawaitable(result):
                    result = await result
                if result is not None:
                    action.check_result(result)
            except Exception as error:
                if is_of(error, TamiasError) and not error.is_outcome:  # type: ignore[attr-defined]
                    raise
                raise SubAgentError(
                    f"action {action.name!r} of the sub-agent {self.name!r} has failed:"
                    f" {one_line(error)}"
                ) from error
        raise SubAgentError(
            f"The sub-agent {self.name!r} has performed {MOST_STEPS:,} actions without an end."
        )
