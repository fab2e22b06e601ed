"""`AgentPlan`: an agent compiled to tables that a worker can look things up in.

Compiling finds everything that is wrong with a declaration at once, before a process is started,
and gives the same plan for the same agent every time: actions and resources in the order of their
definition, base classes before derived ones, then what was added by hand.

Which actions an event reaches. An action that listens to a class gets the events of exactly that
class, not those of its subclasses. Flink Agents matches so, and agents that run here must run there;
it also lets a subclass refine an event without setting off everything that handles the general one,
and keeps the look-up at one dictionary access. An action that wants several classes lists them. An
event that carries a string type reaches, after the actions of its class, those that listen to that
string; an action that listens to both runs once.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from .agent import Agent
from .configuration import Configuration
from .decorators import action_mark, checked_listens, resource_mark
from .errors import AgentDefinitionError
from .event import Event, InputEvent
from .provider import MethodProvider, ResourceProvider, provider_of
from .resource import ResourceType

__all__ = ["Action", "AgentPlan"]


@dataclass(frozen=True, slots=True, eq=False)
class Action:
    """A function that runs when an event it listens to arrives."""

    name: str
    fn: Callable[..., Any]
    """Called as ``fn(event, ctx)``."""
    is_async: bool
    """Whether ``fn`` returns a coroutine."""
    config: dict[str, Any]
    """The settings given where the action was declared."""
    listens: tuple[type[Event] | str, ...]


class AgentPlan:
    """What a worker needs to know about an agent. Picklable with cloudpickle, never changed."""

    __slots__ = ("_no_types", "_routed", "actions", "config", "name", "providers", "routes")

    def __init__(
        self,
        name: str,
        actions: dict[str, Action],
        providers: dict[ResourceType, dict[str, ResourceProvider]],
        config: Configuration,
    ) -> None:
        self.name = name
        """Where the agent is defined, as ``module:qualname``."""
        self.actions = actions
        """All actions by name, in the order of definition."""
        self.providers = providers
        """All resources: type to name to provider."""
        self.config = config
        routes: dict[type[Event] | str, tuple[Action, ...]] = {}
        for action in actions.values():
            for listened in action.listens:
                routes[listened] = (*routes.get(listened, ()), action)
        self.routes = routes
        """Event class, or string type, to the actions that listen to it."""
        self._no_types = not any(isinstance(listened, str) for listened in routes)
        self._routed: dict[tuple[type[Event], str | None], tuple[Action, ...]] = {}

    @classmethod
    def compile(
        cls,
        agent: Agent | type[Agent],
        config: Configuration | None = None,
        resources: Mapping[ResourceType, Mapping[str, Any]] | None = None,
    ) -> AgentPlan:
        """The plan of ``agent``; a class is instantiated without arguments.

        ``resources`` are those of the environment; where the agent has one of the same type and
        name, the agent's counts. Raises `AgentDefinitionError`, which says what to change, for a
        name used twice, an action that listens to nothing or cannot be called with
        ``(event, ctx)``, and a resource that is none.
        """
        agent = _instance(agent)
        actions: dict[str, Action] = {}
        for name, member in _members(type(agent)):
            mark = action_mark(member)
            if mark is not None:
                fn = _function(name, member)
                actions[name] = _action(name, fn, mark.listens, mark.config)
        for name, (events, fn, settings) in agent.actions.items():
            if name in actions:
                msg = f"The action {name!r} is both a method of {_name(agent)} and added by hand."
                raise AgentDefinitionError(msg, hint="Give one of them another name.")
            actions[name] = _action(name, fn, checked_listens(name, events), settings or {})
        return cls(
            _plan_name(agent, actions),
            actions,
            _providers(agent, resources or {}),
            (config or Configuration()).copy(),
        )

    @property
    def handles_input(self) -> bool:
        """Whether any action is set off by an input; without one, no input has an effect."""
        return bool(self.route(InputEvent(input=None)))

    def route(self, event: Event) -> tuple[Action, ...]:
        """The actions that ``event`` sets off, in the order they run."""
        if self._no_types:
            return self.routes.get(event.__class__, ())
        # The type of most events is a declared or extra field; only then look at the class.
        kind = event.__dict__.get("type")
        if kind is None:
            extra = event.__pydantic_extra__
            kind = extra.get("type") if extra else None
        found = None
        if kind is None or isinstance(kind, str):
            found = self._routed.get((event.__class__, kind))
        return found if found is not None else self._find_route(event.__class__, kind)

    def _find_route(self, clazz: type[Event], kind: object) -> tuple[Action, ...]:
        by_class = self.routes.get(clazz, ())
        if kind is not None and not isinstance(kind, str):
            return by_class
        named = kind
        if named is None:
            declared = getattr(clazz, "type", None) or getattr(clazz, "EVENT_TYPE", None)
            named = declared if isinstance(declared, str) else None
        by_type = () if named is None else self.routes.get(named, ())
        found = tuple(dict.fromkeys((*by_class, *by_type)))
        # Bounded by what is listened to: any other type of an event is not worth remembering.
        if kind is None or by_type:
            self._routed[clazz, kind] = found
        return found

    def __getstate__(self) -> tuple[Any, ...]:
        return self.name, self.actions, self.providers, self.config

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.__init__(*state)  # type: ignore[misc]

    def __repr__(self) -> str:
        return f"AgentPlan({self.name}: {', '.join(self.actions) or 'no actions'})"


def _instance(agent: object) -> Agent:
    if isinstance(agent, Agent):
        return agent
    if not (isinstance(agent, type) and issubclass(agent, Agent)):
        msg = f"{agent!r} is not an agent."
        raise AgentDefinitionError(msg, hint="Give a subclass of tamias.Agent, or an instance.")
    try:
        inspect.signature(agent).bind()
    except TypeError as error:
        msg = f"The agent class {agent.__qualname__} cannot be made without arguments: {error}."
        raise AgentDefinitionError(msg, hint="Give an instance instead of the class.") from None
    return agent()


def _name(agent: Agent) -> str:
    return type(agent).__qualname__


def _plan_name(agent: Agent, actions: Mapping[str, Action]) -> str:
    module = type(agent).__module__
    if type(agent) is Agent and actions:
        # Put together by hand: where its first function is from tells it from other such agents.
        first = next(iter(actions.values())).fn
        module = getattr(first, "__module__", None) or module
    return f"{module}:{_name(agent)}"


def _members(clazz: type[Agent]) -> Iterator[tuple[str, object]]:
    """Everything a class has, by name, each in the form the most derived class gives it.

    A name keeps the place of its first definition, so overriding an action does not change when it
    runs.
    """
    members: dict[str, object] = {}
    for ancestor in reversed(clazz.__mro__):
        if issubclass(ancestor, Agent) and ancestor is not Agent:
            members.update(vars(ancestor))
        elif ancestor not in (object, Agent):
            members.update(vars(ancestor))  # a mixin
    return iter(members.items())


def _function(name: str, member: object) -> Callable[..., Any]:
    if isinstance(member, classmethod):
        msg = f"{name!r} is a class method, but actions and resources belong to no object."
        raise AgentDefinitionError(msg, hint="Make it a @staticmethod.")
    function: Callable[..., Any] = (
        member.__func__ if isinstance(member, staticmethod) else member  # type: ignore[assignment]
    )
    return function


def _action(
    name: str, fn: object, listens: tuple[type[Event] | str, ...], config: dict[str, Any]
) -> Action:
    if isinstance(fn, staticmethod):
        fn = fn.__func__
    if not callable(fn):
        msg = f"The action {name!r} is {fn!r}, which cannot be called."
        raise AgentDefinitionError(msg, hint="Give a function of (event, ctx).")
    body = _body(fn)
    if inspect.isgeneratorfunction(body) or inspect.isasyncgenfunction(body):
        msg = f"The action {name!r} yields, so calling it would not run it."
        raise AgentDefinitionError(msg, hint="Send events with ctx.send_event() instead.")
    _check_signature(name, fn)
    return Action(name, fn, inspect.iscoroutinefunction(body), dict(config), listens)


def _body(fn: Callable[..., Any]) -> Callable[..., Any]:
    """The function that holds the code: behind partials, and behind ``__call__`` of an object."""
    while isinstance(fn, partial):
        fn = fn.func
    if not inspect.isroutine(fn) and not isinstance(fn, type):
        fn = type(fn).__call__
    return fn


def _check_signature(name: str, fn: Callable[..., Any]) -> None:
    try:
        signature = inspect.signature(fn)
    except ValueError:  # a function of an extension that does not tell
        return
    try:
        signature.bind(None, None)
    except TypeError:
        msg = f"The action {name!r} has the parameters {signature}, but is called with (event, ctx)."
        hint = "Declare it as `def " + name.split(".")[-1] + "(event, ctx)`"
        if "self" in signature.parameters:
            hint += ", without self, under @staticmethod"
        raise AgentDefinitionError(msg, hint=hint + ".") from None


def _providers(
    agent: Agent, environment: Mapping[ResourceType, Mapping[str, Any]]
) -> dict[ResourceType, dict[str, ResourceProvider]]:
    own: dict[ResourceType, dict[str, ResourceProvider]] = {}
    for name, member in _members(type(agent)):
        kind = resource_mark(member)
        if kind is not None:
            own.setdefault(kind, {})[name] = _method_provider(name, kind, _function(name, member))
    for kind, added in agent.resources.items():
        for name, declared in added.items():
            if name in own.get(kind, {}):
                msg = f"The {kind.value} {name!r} is both a method of {_name(agent)} and added by hand."
                raise AgentDefinitionError(msg, hint="Give one of them another name.")
            own.setdefault(kind, {})[name] = provider_of(name, kind, declared)
    for kind, shared in environment.items():
        for name, declared in shared.items():
            if name not in own.get(kind, {}):
                own.setdefault(kind, {})[name] = provider_of(name, kind, declared)
    return own


def _method_provider(
    name: str, kind: ResourceType, function: Callable[..., Any]
) -> ResourceProvider:
    if kind is ResourceType.TOOL:
        return provider_of(name, kind, function)
    signature = inspect.signature(function)
    try:
        signature.bind()
    except TypeError:
        msg = f"{name!r}, a {kind.value}, has the parameters {signature}, but is called without any."
        hint = "Make it a @staticmethod without parameters that returns a ResourceDescriptor."
        raise AgentDefinitionError(msg, hint=hint) from None
    return MethodProvider(name, kind, function)
