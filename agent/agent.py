"""`Agent`: the class that users subclass, or fill by hand, with actions and resources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from .decorators import checked_listens, checked_retry, listed
from .errors import AgentDefinitionError
from .naming.public import public
from .resources.resource import ResourceType

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from typing_extensions import Self

    from .event import Event
    from .waiting.retry import RetryPolicy

    AddedAction = tuple[list[type[Event] | str], Any, dict[str, Any] | None]

__all__ = ["Agent"]


@public
class Agent:
    """A set of actions, which run when the events they listen to arrive, and of resources.

    Declared with decorators::

        class Counter(Agent):
            @action(InputEvent)
            @staticmethod
            def count(event: Event, ctx: RunnerContext) -> None:
                total = (ctx.short_term_memory.get("total") or 0) + event.input
                ctx.short_term_memory.set("total", total)
                ctx.send_event(OutputEvent(output=total))

    or put together by hand::

        agent = Agent().add_action("count", [InputEvent], count)

    or both. An agent holds no state between runs: what has to last is in memory.
    """

    _by_hand: ClassVar[bool] = True
    """In the body of a class that declares nothing: its agents are named after their actions."""

    # Not made in __init__: a subclass need not call it.
    @property
    def actions(self) -> dict[str, AddedAction]:
        """The actions added by hand: name to (events, function, settings or ``None``).

        In place of a function there may be what names it, with a method ``as_callable``.
        """
        added: dict[str, AddedAction] = self.__dict__.setdefault("_actions", {})
        return added

    @property
    def retries(self) -> dict[str, RetryPolicy]:
        """The retry policies of the actions added by hand that have one, by name."""
        policies: dict[str, RetryPolicy] = self.__dict__.setdefault("_retries", {})
        return policies

    @property
    def resources(self) -> dict[ResourceType, dict[str, Any]]:
        """The resources added by hand, by type and name."""
        added: dict[ResourceType, dict[str, Any]] | None = self.__dict__.get("_resources")
        if added is None:
            added = self.__dict__["_resources"] = {}
        if len(added) < len(ResourceType):  # also one that an older version has pickled
            for kind in ResourceType:
                added.setdefault(kind, {})
        return added

    def add_action(
        self,
        name: str,
        events: Sequence[type[Event] | str] | type[Event] | str = (),
        func: Callable[..., Any] | None = None,
        *,
        retry: RetryPolicy | Mapping[str, Any] | None = None,
        trigger_conditions: Sequence[type[Event] | str] | type[Event] | str = (),
        **config: Any,
    ) -> Self:
        """Add the action ``name``: call ``func(event, ctx)`` on each of ``events``.

        ``events`` are event classes, types, or conditions, as for `tamias.action`, or one of these;
        ``trigger_conditions`` is another name for them. ``config`` is what
        ``ctx.action_config`` gives, ``retry`` as for `tamias.action`. Returns the agent. Raises
        `AgentDefinitionError` when the name is taken, an event is neither, or ``retry`` is no
        policy for an action.
        """
        checked_name(name, "action")
        if name in self.actions:
            msg = f"The action {name!r} has been added to {type(self).__qualname__} before."
            raise AgentDefinitionError(msg, hint="Give each action a name of its own.")
        if func is None:
            msg = f"The action {name!r} is added without a function."
            raise AgentDefinitionError(msg, hint="Give a function of (event, ctx) as `func`.")
        listens = checked_listens(name, (*listed(events), *listed(trigger_conditions)))
        policy = checked_retry(retry)
        if policy is not None:
            self.retries[name] = policy
        self.actions[name] = (list(listens), func, config or None)
        return self

    def add_resource(self, name: str, resource_type: ResourceType, instance: Any) -> Self:
        """Add the resource ``name`` of a type: a `ResourceDescriptor`, or a resource itself.

        A plain function may be given for a tool. Prefer a descriptor for whatever holds a
        connection: it travels to the workers, where each creates its own. Returns the agent.
        Raises `AgentDefinitionError` when the name is taken.
        """
        add_resource(self.resources, name, resource_type, instance)
        return self


def add_resource(
    resources: dict[ResourceType, dict[str, Any]],
    name: str,
    resource_type: ResourceType,
    instance: Any,
) -> None:
    """Put a resource into ``resources``; raises `AgentDefinitionError` when the name is taken."""
    if not isinstance(resource_type, ResourceType):
        msg = f"{resource_type!r} is given as the type of the resource {name!r}."
        raise AgentDefinitionError(msg, hint="Use a member of ResourceType, such as TOOL.")
    checked_name(name, resource_type.value)
    named = resources[resource_type]
    if name in named:
        msg = f"The {resource_type.value} {name!r} has been added before."
        raise AgentDefinitionError(msg, hint="Give each resource of a type a name of its own.")
    named[name] = instance


def checked_name(name: object, what: str) -> None:
    """Raises `AgentDefinitionError` unless ``name`` is a text of some length."""
    if not (isinstance(name, str) and name):
        msg = f"{name!r} is given as the name of a {what}."
        raise AgentDefinitionError(msg, hint="A name is a text, and comes before everything else.")
