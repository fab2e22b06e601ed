"""As `flink_agents.api.yaml.loader` of Flink Agents: agents of documents, for an environment.

`AgentsExecutionEnvironment.load_yaml` is tamias's own: it takes more, and says all that is wrong
with a document at once. What is here keeps functions by name, as Flink Agents does, and so takes
functions in Java, too: the error comes when such an agent is to be run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import yaml

from tamias import AgentDefinitionError
from tamias.agent.yaml_agents.specs import DESCRIPTOR_SECTIONS

from ..agents.agent import Agent
from ..chat_message import ChatMessage
from ..function import JavaFunction, PythonFunction
from ..prompts.prompt import LocalPrompt
from ..resource import ResourceDescriptor, ResourceType
from ..skills import Skills, SkillSourceSpec
from ..tools.function_tool import FunctionTool
from .aliases import JAVA_WRAPPER_CLAZZ, resolve_clazz, resolve_event_type
from .specs import DescriptorSpec, Language, PromptSpec, SkillsSpec, ToolSpec, YamlAgentsDocument

if TYPE_CHECKING:
    from ..execution_environment import AgentsExecutionEnvironment

__all__ = ["build_agents", "load_yaml", "resolve_function"]

Resources = dict[ResourceType, dict[str, Any]]

_PARTS: Final = 2


class _Built(NamedTuple):
    agents: dict[str, Agent]
    resources: Resources
    actions: dict[str, Any]
    references: dict[str, list[str]]
    """By agent, the names of shared actions that it has."""


def resolve_function(
    name: str,
    function: str | None,
    language: Language | None = None,
    parameter_types: list[str] | None = None,
) -> PythonFunction | JavaFunction:
    """The function that a document names, which is not imported yet.

    Raises:
        ValueError: it is not named as ``module:name``, or ``Class:method`` in Java.
    """
    if not function:
        msg = f"{name!r}: 'function' is required."
        raise AgentDefinitionError(msg, hint="Name it as module:function.")
    parts = function.split(":")
    if len(parts) != _PARTS or not all(parts):
        msg = (
            f"{name!r}: the function {function!r} is not of the form <module-or-class>:<qualname>."
        )
        raise AgentDefinitionError(msg, hint="Write module:function, or Class:method in Java.")
    where, qualname = parts
    if language != "java":
        return PythonFunction(module=where, qualname=qualname)
    if parameter_types is None:
        return JavaFunction.for_action(where, qualname)
    return JavaFunction(qualname=where, method_name=qualname, parameter_types=parameter_types)


def build_agents(path: str | Path) -> tuple[dict[str, Agent], Resources, dict[str, Any]]:
    """Return the agents of a document, the resources that they share, and the shared actions.

    Agents do not have shared actions yet: those may be in another document.

    Raises:
        ValueError: something is wrong in it.
    """
    return _build(Path(path))[:3]


def load_yaml(
    env: AgentsExecutionEnvironment, paths: str | Path | Iterable[str | Path]
) -> AgentsExecutionEnvironment:
    """Add the agents and shared resources of documents to an environment, and return it.

    Raises:
        ValueError: something is wrong in them, or a name is taken.
    """
    documents = [_build(Path(path)) for path in _each(paths)]
    shared: dict[str, Any] = {}
    for built in documents:
        for name, action in built.actions.items():
            _put(shared, name, action, "shared action")
    for built in documents:
        for name, agent in built.agents.items():
            for reference in built.references[name]:
                if reference not in shared:
                    msg = f"The agent {name!r} names the action {reference!r}, which is not shared."
                    raise AgentDefinitionError(msg, hint="Add it to the document's actions.")
                _add_action(agent, shared[reference])
    for built in documents:
        for name, agent in built.agents.items():
            _put(env.agents, name, agent, "agent")
        for kind, named in built.resources.items():
            for name, resource in named.items():
                env.add_resource(name, kind, resource)
    return env


def _each(paths: str | Path | Iterable[str | Path]) -> list[str | Path]:
    return [paths] if isinstance(paths, (str, Path)) else list(paths)


def _build(path: Path) -> _Built:
    content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    document = YamlAgentsDocument.model_validate(content)
    resources = _resources(document, "shared resource")
    actions: dict[str, Any] = {}
    for action in document.actions:
        _put(actions, action.name, action, "shared action")
    agents: dict[str, Agent] = {}
    references: dict[str, list[str]] = {}
    for spec in document.agents:
        agent = Agent()
        _put(agents, spec.name, agent, "agent")
        references[spec.name] = [each for each in spec.actions if isinstance(each, str)]
        for kind, named in _resources(spec, "resource").items():
            agent.resources[kind].update(named)
        for each in spec.actions:
            if not isinstance(each, str):
                _add_action(agent, each)
    return _Built(agents, resources, actions, references)


def _put(own: dict[str, Any], name: str, value: Any, what: str) -> None:
    if name in own:
        msg = f"Duplicate {what} name {name!r}."
        raise AgentDefinitionError(msg, hint="Give each a name of its own.")
    own[name] = value


def _add_action(agent: Agent, spec: Any) -> None:
    function = resolve_function(spec.name, spec.function, spec.type)
    listens = [resolve_event_type(each) for each in spec.listens]
    agent.add_action(spec.name, listens, function, **(spec.config or {}))


def _resources(sections: Any, what: str) -> Resources:
    made: Resources = {kind: {} for kind in ResourceType}
    for section, kind in DESCRIPTOR_SECTIONS.items():
        for spec in getattr(sections, section):
            _put(made[kind], spec.name, _descriptor(spec, kind), what)
    builders: tuple[tuple[str, ResourceType, Callable[[Any], Any]], ...] = (
        ("tools", ResourceType.TOOL, _build_tool),
        ("prompts", ResourceType.PROMPT, _build_prompt),
        ("skills", ResourceType.SKILLS, _build_skills),
    )
    for section, kind, build in builders:
        for spec in getattr(sections, section):
            _put(made[kind], spec.name, build(spec), what)
    return made


def _descriptor(spec: DescriptorSpec, kind: ResourceType) -> ResourceDescriptor:
    arguments = dict(spec.model_extra or {})
    if spec.type != "java":
        return ResourceDescriptor(clazz=resolve_clazz(spec.clazz, kind), arguments=arguments)
    if kind not in JAVA_WRAPPER_CLAZZ:
        msg = f"{spec.name!r} is of type java, but a {kind.value} cannot live in Java."
        raise AgentDefinitionError(msg, hint="Leave out the type.")
    arguments["java_clazz"] = resolve_clazz(spec.clazz, kind, "java")
    return ResourceDescriptor(clazz=JAVA_WRAPPER_CLAZZ[kind], arguments=arguments)


def _build_tool(spec: ToolSpec) -> FunctionTool:
    in_java = spec.type == "java"
    if in_java != (spec.parameter_types is not None):
        msg = f"The tool {spec.name!r}: parameter_types are for tools in Java, and needed there."
        raise AgentDefinitionError(msg, hint="Name the types of the parameters, or leave it out.")
    function = resolve_function(spec.name, spec.function, spec.type, spec.parameter_types)
    return FunctionTool(func=function, injected_args=spec.injected_args or {})


def _build_prompt(spec: PromptSpec) -> LocalPrompt:
    if spec.text is not None:
        return LocalPrompt(template=spec.text)
    messages = spec.messages or []
    return LocalPrompt(
        template=[ChatMessage(role=each.role, content=each.content) for each in messages]
    )


def _build_skills(spec: SkillsSpec) -> Skills:
    sources = [("local", {"path": each}) for each in spec.paths]
    sources += [("url", {"url": each}) for each in spec.urls]
    sources += [("classpath", {"resource": each}) for each in spec.classpath]
    sources += [("package", each.model_dump()) for each in spec.package]
    return Skills(
        sources=[SkillSourceSpec(scheme=scheme, params=params) for scheme, params in sources]
    )
