"""Reading an agent: what its class declares with decorators, and what was added to it by hand.

Everything comes in the order of definition, base classes before derived ones, then what was added
by hand. A name that a derived class defines anew keeps its place but takes the new meaning, so
overriding an action does not change when it runs, and overriding it with something that is no
action removes it.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from .action import Action
from .agent import Agent
from .decorators import action_mark, checked_listens, resource_mark
from .errors import AgentDefinitionError
from .naming.classes import is_subclass
from .resources.provider import MethodProvider, ResourceProvider, provider_of
from .resources.resource import ResourceType
from .tools.tool import as_tool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["PLAN_NAME", "agent_instance", "declared_actions", "declared_providers", "plan_name"]

PLAN_NAME = "_plan_name"
"""The attribute of an agent that is defined in no module: what `plan_name` returns for it."""


def agent_instance(agent: object) -> Agent:
    """The agent itself, or one made from the class given.

    Raises `AgentDefinitionError` for anything else, and for a class that needs arguments.
    """
    if isinstance(agent, Agent):
        return agent
    if not is_subclass(agent, Agent):
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


def plan_name(agent: Agent, actions: Mapping[str, Action]) -> str:
    """Where the agent is defined, as ``module:qualname``."""
    given = agent.__dict__.get(PLAN_NAME)
    if isinstance(given, str):
        return given
    module = type(agent).__module__
    if "_by_hand" in vars(type(agent)) and actions:
        # Put together by hand: where its first function is from tells it from other such agents.
        first = next(iter(actions.values())).fn
        module = getattr(first, "__module__", None) or module
    return f"{module}:{_name(agent)}"


def declared_actions(agent: Agent) -> dict[str, Action]:
    """The actions of ``agent`` by name. Raises `AgentDefinitionError` for one that cannot run."""
    actions: dict[str, Action] = {}
    for name, member in _members(type(agent)):
        mark = action_mark(member)
        if mark is not None:
            _check_member(name, member)
            fn = _called(mark.target or _function(name, member))
            listens = checked_listens(name, mark.listens)
            actions[name] = Action.of(name, fn, listens, mark.config, mark.retry)
    for name, (events, fn, settings) in agent.actions.items():
        if name in actions:
            msg = f"The action {name!r} is both a method of {_name(agent)} and added by hand."
            raise AgentDefinitionError(msg, hint="Give one of them another name.")
        listens = checked_listens(name, events)
        retry = agent.retries.get(name)
        actions[name] = Action.of(name, _called(fn), listens, settings or {}, retry)
    return actions


def _called(function: Any) -> Any:
    """The function itself, where another object names it."""
    named = getattr(function, "as_callable", None)
    return function if named is None or callable(function) else named()


def declared_providers(
    agent: Agent, environment: Mapping[ResourceType, Mapping[str, Any]]
) -> dict[ResourceType, dict[str, ResourceProvider]]:
    """The resources of ``agent``, then those of its ``environment``, by type and name.

    Where both have one of the same type and name, the agent's counts. Raises
    `AgentDefinitionError` for a name used twice within the agent, and for what is no resource.
    """
    own: dict[ResourceType, dict[str, ResourceProvider]] = {}
    for name, member in _members(type(agent)):
        kind = resource_mark(member)
        if kind is not None:
            _check_member(name, member)
            own.setdefault(kind, {})[name] = _method_provider(name, kind, _function(name, member))
    for kind, added in agent.resources.items():
        for name, declared in added.items():
            if name in own.get(kind, {}):
                msg = f"{kind.value} {name!r} is both a method of {_name(agent)} and added by hand."
                raise AgentDefinitionError(msg, hint="Give one of them another name.")
            own.setdefault(kind, {})[name] = _provider(name, kind, declared)
    for kind, shared in environment.items():
        for name, declared in shared.items():
            if name not in own.get(kind, {}):
                own.setdefault(kind, {})[name] = _provider(name, kind, declared)
    return own


def _provider(name: str, kind: ResourceType, declared: Any) -> ResourceProvider:
    return provider_of(name, kind, as_tool(kind, declared))


def _method_provider(
    name: str, kind: ResourceType, function: Callable[..., Any]
) -> ResourceProvider:
    if kind is ResourceType.TOOL:
        return _provider(name, kind, function)
    signature = inspect.signature(function)
    try:
        signature.bind()
    except TypeError:
        msg = f"{name!r}, a {kind.value}, takes {signature}, but is called without arguments."
        hint = "Make it a @staticmethod without parameters that returns a ResourceDescriptor."
        raise AgentDefinitionError(msg, hint=hint) from None
    return MethodProvider(name, kind, function)


def _members(clazz: type[Agent]) -> Iterator[tuple[str, object]]:
    """Everything a class has, by name, each as the most derived class defines it."""
    members: dict[str, object] = {}
    for ancestor in reversed(clazz.__mro__):
        if ancestor not in (object, Agent):
            members.update(vars(ancestor))
    return iter(members.items())


def _check_member(name: str, member: object) -> None:
    if hasattr(Agent, name):
        msg = f"{name!r} is declared as an action or a resource, but every Agent has it already."
        raise AgentDefinitionError(msg, hint="Give it another name.")
    if action_mark(member) is not None and resource_mark(member) is not None:
        msg = f"{name!r} is declared both as an action and as a resource."
        raise AgentDefinitionError(msg, hint="Keep one of the decorators.")


def _function(name: str, member: object) -> Callable[..., Any]:
    if isinstance(member, classmethod):
        msg = f"{name!r} is a class method, but actions and resources belong to no object."
        raise AgentDefinitionError(msg, hint="Make it a @staticmethod.")
    function: Callable[..., Any] = (
        member.__func__ if isinstance(member, staticmethod) else member  # type: ignore[assignment]
    )
    return function
