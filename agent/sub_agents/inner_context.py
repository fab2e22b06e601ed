"""The context of a sub-agent's actions: the context of the action that calls it, and what differs.

Durable calls, waits and the time are the outer action's: they are on record in its run. Events stay
inside, memory is a part of the outer one or all of it, and resources are the sub-agent's own where
it has them. Several sub-agents may run at once in tasks of one action, so what they wait for is
told apart by the id of the tool's call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from ..context import RunnerContext
from ..errors import TimerError
from ..event import Event, OutputEvent, is_output

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from datetime import datetime

    from ..action import Action
    from ..config.configuration import Configuration
    from ..long_term.memory_set import LongTermMemory
    from ..memory import MemoryObject
    from ..metrics import MetricGroup
    from ..resources.registry import ResourceRegistry
    from ..resources.resource import Resource, ResourceType
    from ..tracing.executions import Execution
    from ..waiting.moments import Duration

__all__ = ["InnerContext"]


class CallOfSubAgent(Protocol):
    """One call of a sub-agent, as its context uses it."""

    name: str
    call_id: str
    outer: RunnerContext
    resources: ResourceRegistry
    outputs: list[Any]
    depth: int

    @property
    def short_term_memory(self) -> MemoryObject:
        """The sub-agent's memory in this key, or all of the key's."""

    def long_term_memory(self, context: InnerContext) -> LongTermMemory:
        """The sub-agent's memory sets in this key, or all of the key's."""

    @property
    def sensory_memory(self) -> MemoryObject:
        """The memory of this call."""

    def queue(self, event: Event, sender: str) -> None:
        """Queue the actions that listen to an event."""


class InnerContext(RunnerContext):
    """The context of one execution of one action of a sub-agent."""

    __slots__ = ("_action", "_outer", "_resources", "_run")

    def __init__(self, run: CallOfSubAgent, action: Action) -> None:
        self._run = run
        self._outer: RunnerContext = run.outer
        self._resources: ResourceRegistry = run.resources
        self._action = action

    @property
    def depth(self) -> int:
        """How many agents this one is inside of."""
        return self._run.depth

    @property
    def key(self) -> Any:
        """The key of the outer run."""
        return self._outer.key

    def send_event(self, event: Event) -> None:
        """Send an event to the sub-agent's actions; an output is a result of the sub-agent."""
        if not isinstance(event, Event):
            raise TypeError(f"send_event takes an Event, not {type(event).__name__}")
        if isinstance(event, OutputEvent) or is_output(event):
            self._run.outputs.append(OutputEvent.from_event(event).output)
        else:
            self._run.queue(event, self._action.name)

    @property
    def sensory_memory(self) -> MemoryObject:
        """The memory of this call of the sub-agent."""
        return self._run.sensory_memory

    @property
    def short_term_memory(self) -> MemoryObject:
        """The sub-agent's memory in this key, or all of the key's."""
        return self._run.short_term_memory

    @property
    def long_term_memory(self) -> LongTermMemory:
        """The sub-agent's memory sets in this key, or all of the key's."""
        return self._run.long_term_memory(self)

    def durable_execute(self, func: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """As the outer context's."""
        return self._outer.durable_execute(func, *args, **kwargs)

    def durable_execute_async(self, func: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """As the outer context's."""
        return self._outer.durable_execute_async(func, *args, **kwargs)

    @property
    def scope_of_calls(self) -> str:
        """The id of the call of the sub-agent, behind that of the one that it is inside of."""
        return f"{self._outer.scope_of_calls}{self._run.call_id}/"

    def execution(
        self, entity: str, name: str, metadata: Mapping[str, Any] | None = None
    ) -> AbstractContextManager[Execution]:
        """As the outer context's."""
        return self._outer.execution(entity, name, metadata)

    def resource_name(self, resource: Resource) -> str:
        """The name by which the sub-agent declares a resource, or else the outer agent."""
        return self._resources.name_of(resource) or self._outer.resource_name(resource)

    def notice(self, text: str) -> None:
        """As the outer context's."""
        self._outer.notice(f"sub-agent {self._run.name!r}: {text}")

    @property
    def is_inside_durable_call(self) -> bool:
        """As the outer context's."""
        return self._outer.is_inside_durable_call

    def is_on_record(self, func: Callable[..., Any], /, *args: Any) -> bool:
        """As the outer context's."""
        return self._outer.is_on_record(func, *args)

    def stream(self, text: str, *, reasoning: str = "") -> None:
        """As the outer context's."""
        self._outer.stream(text, reasoning=reasoning)

    def now(self) -> datetime:
        """As the outer context's."""
        return self._outer.now()

    async def sleep(self, duration: Duration) -> None:
        """As the outer context's."""
        await self._outer.sleep(duration)

    async def wait_for(
        self,
        name: str,
        timeout: Duration | None = None,
        ask: Any = None,
        *,
        id: str | None = None,
    ) -> Any:
        """As the outer context's; several sub-agents may ask the same."""
        own = f"{self._run.call_id}/{id or ''}"
        return await self._outer.wait_for(name, timeout, ask, id=own)

    def schedule(self, *_: Any, **__: Any) -> str:
        """Refuse: the event of a timer would arrive at the outer agent. Raises TimerError."""
        raise TimerError(
            f"The sub-agent {self._run.name!r} cannot set timers.",
            hint="Wait with ctx.sleep, or let the agent that calls it set the timer.",
        )

    def cancel(self, id: str) -> bool:
        """Refuse, as `schedule`. Raises TimerError."""
        raise TimerError(f"The sub-agent {self._run.name!r} has no timer {id!r}.")

    def get_resource(
        self, name: str, type: ResourceType, metric_group: MetricGroup | None = None
    ) -> Resource:
        """The sub-agent's resource of that name, or else the outer agent's."""
        resource = self._resources.get(name, type)
        return resource.bound(self, metric_group or self.action_metric_group)

    def resource_names(self, type: ResourceType) -> list[str]:
        """The names that the sub-agent declares, then those of the outer agent."""
        own = self._resources.names(type)
        return [*own, *(name for name in self._outer.resource_names(type) if name not in own)]

    @property
    def action_config(self) -> dict[str, Any]:
        """The settings given where the action was declared."""
        return self._action.config

    def get_action_config_value(self, key: str) -> Any:
        """One of the action's settings, or None."""
        return self._action.config.get(key)

    @property
    def config(self) -> Configuration:
        """As the outer context's."""
        return self._outer.config

    @property
    def agent_metric_group(self) -> MetricGroup:
        """The group of the sub-agent, within the outer agent's."""
        return self._outer.agent_metric_group.get_sub_group("agent").get_sub_group(self._run.name)

    @property
    def action_metric_group(self) -> MetricGroup:
        """The group of the action, within the sub-agent's."""
        return self.agent_metric_group.get_sub_group("action").get_sub_group(self._action.name)

    def close(self) -> None:
        """Nothing to do: the outer context is closed by its worker."""
