"""As `flink_agents.plan.agent_plan` of Flink Agents: an agent as JSON, which its Java side reads.

tamias runs agents by plans of its own. This one says the same in the form of the version that the
program is written for, so that an agent can be handed to Flink Agents.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict, PrivateAttr, field_validator, model_serializer

from tamias import Agent as _Agent
from tamias import Configuration, Resource, ResourceDescriptor, ResourceType, Tool
from tamias.agent.declarations import agent_instance
from tamias.agent.decorators import action_mark, resource_mark
from tamias.agent.event import class_type
from tamias.flink_agents.dialect import dialect

from ..api import function as api
from ..api.skills import Skills
from ._places import peer_path
from .actions.action import Action
from .actions.chat_model_action import CHAT_MODEL_ACTION
from .actions.context_retrieval_action import CONTEXT_RETRIEVAL_ACTION
from .actions.tool_call_action import TOOL_CALL_ACTION
from .configuration import AgentConfiguration
from .function import JavaFunction, PythonFunction
from .resource_provider import (
    JavaResourceProvider,
    PythonResourceProvider,
    PythonSerializableResourceProvider,
    ResourceProvider,
    read_provider,
    write_provider,
)
from .tools.function_tool import FunctionTool

if TYPE_CHECKING:
    from tamias import Event

__all__ = ["BUILT_IN_ACTIONS", "SKILLS_CONFIG", "AgentPlan"]

BUILT_IN_ACTIONS: Final = [CHAT_MODEL_ACTION, TOOL_CALL_ACTION, CONTEXT_RETRIEVAL_ACTION]
"""The actions that each agent of Flink Agents has."""

SKILLS_CONFIG: Final = "_skills_config"
"""The name of the skills of an agent, which are one resource in a plan."""

_SKILL_TOOLS: Final = {
    "load_skill": "flink_agents.runtime.skill.skill_tools.LoadSkillTool",
    "bash": "flink_agents.plan.tools.bash.bash_tool.BashTool",
}

Providers = dict[ResourceType, dict[str, ResourceProvider]]


class AgentPlan(BaseModel):
    """The actions and resources of an agent by name."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    actions: dict[str, Action]
    resource_providers: Providers | None = None
    agent_name: str | None = None
    config: AgentConfiguration | None = None

    _made: dict[tuple[ResourceType, str], Resource] = PrivateAttr(default_factory=dict)
    _adapter: Any = PrivateAttr(default=None)

    @classmethod
    def from_agent(
        cls,
        agent: _Agent | type[_Agent],
        config: Configuration | None = None,
        agent_name: str | None = None,
    ) -> AgentPlan:
        """The plan of an agent.

        Raises:
            TypeError: an action cannot be called as one.
            RuntimeError: an action is inherited, which Flink Agents does not take.
            ValueError: a name is used twice.
        """
        instance = agent_instance(agent)
        settings = AgentConfiguration.of(config)
        actions: dict[str, Action] = {}
        for action in (*_actions(instance), *BUILT_IN_ACTIONS):
            if action.name in actions:
                msg = f"Duplicate action name: {action.name}"
                raise ValueError(msg)
            actions[action.name] = action
        providers: Providers = {}
        for provider in _providers(instance, settings):
            named = providers.setdefault(provider.type, {})
            if provider.name in named:
                msg = f"Duplicate resource name: {provider.name}"
                raise ValueError(msg)
            named[provider.name] = provider
        name = type(instance).__name__ if agent_name is None else agent_name
        return cls(actions=actions, resource_providers=providers, agent_name=name, config=settings)

    # -------------------------------------------------------------- what it has

    @property
    def actions_by_event(self) -> dict[str, list[str]]:
        """By what is listened to, the names of actions."""
        found: dict[str, list[str]] = {}
        for action in self.actions.values():
            for listened in action.listens:
                found.setdefault(peer_path(listened), []).append(action.name)
        return found

    def get_actions(self, event_type: str) -> list[Action]:
        """The actions that listen to a type of events."""
        return [self.actions[name] for name in self.actions_by_event[peer_path(event_type)]]

    def get_action_config(self, action_name: str) -> dict[str, Any] | None:
        """The settings of an action."""
        return self.actions[action_name].config

    def get_action_config_value(self, action_name: str, key: str) -> Any:
        """One setting of an action; None if it has none of that name."""
        return (self.actions[action_name].config or {}).get(key)

    def get_resource(self, name: str, type: ResourceType) -> Resource:
        """The resource of that name, made at the first call. Raises KeyError if there is none."""
        made = self._made.get((type, name))
        if made is None:
            provider = (self.resource_providers or {})[type][name]
            if isinstance(provider, JavaResourceProvider):
                provider.set_java_resource_adapter(self._adapter)
            made = provider.provide(config=self.config, get_resource=self.get_resource)
            made.open()
            self._made[(type, name)] = made
        return made

    def set_java_resource_adapter(self, j_resource_adapter: Any) -> None:
        """Set what finds resources in Java."""
        self._adapter = j_resource_adapter

    def close(self) -> None:
        """Close the resources."""
        for each in self._made.values():
            each.close()
        self._made.clear()

    # -------------------------------------------------------------- as data

    @model_serializer
    def _write(self) -> dict[str, Any]:
        given = self.resource_providers
        written: dict[str, Any] = {
            "actions": {
                name: action.model_dump(mode="json", serialize_as_any=True)
                for name, action in self.actions.items()
            },
            "resource_providers": None
            if given is None
            else {
                kind.value: {name: write_provider(each) for name, each in named.items()}
                for kind, named in given.items()
            },
        }
        if dialect() == "0.4":
            written["agent_name"] = self.agent_name
        else:
            written["actions_by_event"] = self.actions_by_event
        written["config"] = None if self.config is None else self.config.as_json()
        return written

    @field_validator("resource_providers", mode="before")
    @classmethod
    def _read_providers(cls, given: Any) -> Any:
        if given is None:
            return None
        return {
            ResourceType(kind): {name: read_provider(each) for name, each in named.items()}
            for kind, named in given.items()
        }

    def __eq__(self, other: object) -> bool:
        """Whether they are the same as data."""
        if not isinstance(other, AgentPlan):
            return NotImplemented
        return self.model_dump() == other.model_dump()

    __hash__ = None  # type: ignore[assignment]


def _actions(agent: _Agent) -> Iterator[Action]:
    clazz = type(agent)
    for parent in clazz.__mro__[1:]:
        for name, member in vars(parent).items():
            if action_mark(member) is not None:
                msg = (
                    f"Inherited @action {parent.__qualname__}.{name} is not supported by Flink"
                    f" Agents. Declare it in {clazz.__qualname__}."
                )
                raise RuntimeError(msg)
    for name, member in vars(clazz).items():
        mark = action_mark(member)
        if mark is not None:
            function = mark.target or getattr(member, "__func__", member)
            yield _action(name, function, mark.listens, mark.config or None)
    for name, (events, function, config) in agent.actions.items():
        yield _action(name, function, events, config)


def _action(name: str, function: Any, listens: Any, config: dict[str, Any] | None) -> Action:
    field = "trigger_conditions" if dialect() == "0.4" else "listen_event_types"
    listened = [_listened(each) for each in listens]
    return Action(name=name, exec=_function(function), config=config, **{field: listened})


def _listened(entry: type[Event] | str) -> str:
    if isinstance(entry, str):
        return entry
    if dialect() == "0.2":
        return f"{entry.__module__}.{entry.__qualname__}"
    return class_type(entry)


def _function(given: Any) -> PythonFunction | JavaFunction:
    """The function of a plan. Raises TypeError for what names no function."""
    if isinstance(given, (PythonFunction, JavaFunction)):
        return given
    if isinstance(given, api.PythonFunction):
        return PythonFunction.of(given)
    if isinstance(given, api.JavaFunction):
        return JavaFunction(**dict(given))
    if isinstance(given, api.Function) or not callable(given):
        msg = f"Unsupported function descriptor: {type(given).__name__}"
        raise TypeError(msg)
    return PythonFunction.from_callable(given)


def _providers(agent: _Agent, config: AgentConfiguration) -> Iterator[ResourceProvider]:
    skills: list[Any] = []
    for kind, name, declared in _declared(agent):
        if kind is ResourceType.SKILLS:
            skills.append(declared)
        elif kind is ResourceType.MCP_SERVER:
            yield from _of_server(name, declared, config)
        elif kind is ResourceType.TOOL:
            yield _of_resource(name, _tool(declared))
        else:
            yield _of_resource(name, declared)
    if skills:
        yield from _of_skills(skills)


def _declared(agent: _Agent) -> Iterator[tuple[ResourceType, str, Any]]:
    """Types, names, and what was declared: by decorators, then by hand."""
    members: dict[str, Any] = {}
    for clazz in reversed(type(agent).__mro__):
        members.update(vars(clazz))
    for name, member in members.items():
        kind = resource_mark(member)
        if kind is not None:
            function = getattr(member, "__func__", member)
            yield kind, name, function if kind is ResourceType.TOOL else function()
    for kind, named in agent.resources.items():
        for name, declared in named.items():
            yield kind, name, declared


def _of_resource(name: str, declared: Any) -> ResourceProvider:
    if not isinstance(declared, ResourceDescriptor):
        return PythonSerializableResourceProvider.from_resource(name, declared)
    is_java = hasattr(declared.clazz, "_is_java_resource") or "java_clazz" in declared.arguments
    provider = JavaResourceProvider if is_java else PythonResourceProvider
    return provider.get(name, declared)


def _tool(declared: Any) -> Any:
    """The tool of a plan for a function, or what names one; others are as they are."""
    if isinstance(declared, (FunctionTool, ResourceDescriptor)):
        return declared
    function = getattr(declared, "func", None)
    if function is not None:
        injected = getattr(declared, "injected_args", None)
        if injected is None and isinstance(declared, Tool):
            injected = declared.call_settings.injected_args
        return FunctionTool(func=_function(function), injected_args=injected)
    is_function = callable(declared) and not isinstance(declared, Resource)
    return FunctionTool(func=_function(declared)) if is_function else declared


def _of_server(name: str, declared: Any, config: AgentConfiguration) -> Iterator[ResourceProvider]:
    """The server, and its tools and prompts, which Flink Agents asks for at this point."""
    provider = _of_resource(name, declared)
    yield provider
    server: Any = provider.provide(config=config)
    try:
        for each in (*server.list_prompts(), *server.list_tools()):
            yield _of_resource(each.name, each)
    finally:
        server.close()


def _of_skills(skills: list[Any]) -> Iterator[ResourceProvider]:
    """The skills of an agent as one resource, and the tools for them."""
    for name, path in _SKILL_TOOLS.items():
        yield PythonResourceProvider(
            name=name, type=ResourceType.TOOL, descriptor=ResourceDescriptor(clazz=path)
        )
    sources: list[Any] = []
    for each in skills:
        made: Any = each
        if isinstance(each, ResourceDescriptor):
            made = each.clazz(**each.arguments)
        sources += [source for source in made.sources if source not in sources]
    merged = Skills(sources=sources)
    yield PythonSerializableResourceProvider.from_resource(SKILLS_CONFIG, merged)
