"""Makes agents and resources of documents that have been read.

All documents of one call are built together: agents find shared resources and actions of each of
them. What cannot be built is reported with its position, and all of it at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

from ..agent import Agent, add_resource
from ..chat.react import ReActAgent
from ..declarations import PLAN_NAME
from ..errors import AgentDefinitionError
from ..plan import AgentPlan
from ..resources.chat_message import ChatMessage, MessageRole
from ..resources.prompt import Prompt
from ..resources.provider import provider_of
from ..resources.resource import ResourceDescriptor, ResourceType
from .aliases import EVENT_TYPES, JAVA_WRAPPERS
from .checking import REACT_NAMES, Place, check_descriptor, check_names
from .functions import NotFoundInPythonError, find_function, find_object, full_class_name
from .named_tool import named_tool
from .problems import did_you_mean, problems_error
from .specs import (
    DESCRIPTOR_SECTIONS,
    ActionSpec,
    DescriptorSpec,
    PromptSpec,
    Sections,
    ToolSpec,
    YamlAgentSpec,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .problems import Problems
    from .reading import ReadDocument

    Resources = dict[ResourceType, dict[str, Any]]
    Path = tuple[object, ...]

_JAVA_TOOL: Final = "tamias.JavaTool"
_SKILLS: Final = "tamias.Skills"


@dataclass
class BuiltAgents:
    """What documents describe."""

    agents: dict[str, Agent] = field(default_factory=dict)
    resources: Resources = field(default_factory=lambda: {kind: {} for kind in ResourceType})
    """Those that all agents share."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Settings of the job, by dotted key."""

    def complete_agents(self) -> dict[str, Agent]:
        """Return the agents, each with the shared resources that it does not have itself."""
        for agent in self.agents.values():
            for kind, named in self.resources.items():
                for name, resource in named.items():
                    agent.resources[kind].setdefault(name, resource)
        return self.agents


def build(documents: Sequence[ReadDocument], *, is_complete: bool) -> BuiltAgents:
    """Make the agents and shared resources of documents.

    Args:
        documents: in the order in which they were read.
        is_complete: whether the documents are all that the agents have. Then names of resources
            that are in none of them are mistakes, and classes of resources are imported and
            compared with their arguments.

    Raises:
        AgentDefinitionError: something is wrong in a document; with all mistakes.
    """
    return _Builder(is_complete=is_complete).build(documents)


class _Builder:
    """Builds documents, one after the other."""

    def __init__(self, *, is_complete: bool) -> None:
        self._is_complete = is_complete
        self._built = BuiltAgents()
        self._shared_actions: dict[str, tuple[ActionSpec, Any]] = {}
        self._failed: set[tuple[ResourceType, str]] = set()
        """Resources with mistakes: their names are known, so naming them is no mistake."""
        self._problems: Problems
        self._checks: list[Callable[[], None]] = []
        """What is to be checked when all documents are known."""

    def build(self, documents: Sequence[ReadDocument]) -> BuiltAgents:
        for document in documents:  # agents of the first may use what the last one shares
            self._problems = document.problems
            if document.is_understood:
                self._share(document)
        for document in documents:
            self._problems = document.problems
            if document.is_understood:
                self._agents(document)
        if self._is_complete and all(document.is_understood for document in documents):
            for check in self._checks:
                check()
        error = problems_error(document.problems for document in documents)
        if error is not None:
            raise error
        return self._built

    def _share(self, document: ReadDocument) -> None:
        content = document.content
        self._built.settings.update(document.settings)
        self._resources(content, self._built.resources, ())
        for number, action in enumerate(content.actions):
            path = ("actions", number)
            if action.name in self._shared_actions:
                self._problems.add(path, f"another document shares an action {action.name!r}")
            self._shared_actions[action.name] = action, self._function(action, path)

    def _agents(self, document: ReadDocument) -> None:
        for number, spec in enumerate(document.content.agents):
            path = ("agents", number)
            if spec.name in self._built.agents:
                self._problems.add(path, f"there is another agent {spec.name!r}")
                continue
            agent = self._agent(spec, path)
            stem = PurePath(document.problems.source).stem
            agent.__dict__[PLAN_NAME] = f"{stem}:{spec.name}"
            self._resources(spec, agent.resources, path)
            if spec.react is not None:
                here = self._place((*path, "react"), agent.resources)
                given = spec.react.model_dump()
                self._checks.append(partial(check_names, here, given, REACT_NAMES))
            for place, item in enumerate(spec.actions):
                where = (*path, "actions", place)
                if isinstance(item, ActionSpec):
                    self._add_action(agent, item, self._function(item, where), where)
                elif item in self._shared_actions:
                    self._add_action(agent, *self._shared_actions[item], where)
                else:
                    guess = did_you_mean(item, self._shared_actions)
                    self._problems.add(where, f"there is no shared action {item!r}{guess}")
            self._built.agents[spec.name] = agent

    def _agent(self, spec: YamlAgentSpec, path: Path) -> Agent:
        """Return the agent, without actions and resources that are written in the document."""
        react = spec.react
        if react is None:
            return Agent()
        where = (*path, "react")
        schema: Any = react.output_schema
        try:
            if isinstance(schema, str):
                schema = find_object(schema)
            return ReActAgent(
                chat_model=react.chat_model, prompt=react.prompt, output_schema=schema
            )
        except NotFoundInPythonError as error:
            self._problems.add((*where, "output_schema"), str(error))
        except AgentDefinitionError as error:
            self._problems.add_error(where, error)
        return Agent()

    # -- actions ------------------------------------------------------------------------------

    def _function(self, spec: ActionSpec | ToolSpec, path: Path) -> Any:
        """Return the function; None if there is none, which is reported."""
        if spec.type == "java":
            self._problems.add((*path, "type"), "actions in Java run in Flink Agents only")
            return None
        try:
            return find_function(spec.function)
        except NotFoundInPythonError as error:
            self._problems.add((*path, "function"), str(error))
            return None

    def _add_action(self, agent: Agent, spec: ActionSpec, function: Any, path: Path) -> None:
        if function is None:
            return  # it is reported
        listens = [EVENT_TYPES.get(event, event) for event in spec.listens]
        for holder in (Agent(), agent):  # the first one to check this action alone
            try:
                holder.add_action(spec.name, listens, function, retry=spec.retry)
                if spec.config:  # whose keys may be those of parameters
                    added = holder.actions[spec.name]
                    holder.actions[spec.name] = (*added[:2], dict(spec.config))
                if holder is not agent:
                    AgentPlan.compile(holder)
            except AgentDefinitionError as error:
                self._problems.add_error(path, error)
                return

    # -- resources ----------------------------------------------------------------------------

    def _place(self, path: Path, own: Resources) -> Place:
        return Place(path, self._problems, own, self._built.resources, self._failed)

    def _resources(self, sections: Sections, own: Resources, path: Path) -> None:
        for section, kind in DESCRIPTOR_SECTIONS.items():
            for number, spec in enumerate(getattr(sections, section)):
                where = (*path, section, number)
                descriptor = self._descriptor(spec, kind, where)
                if descriptor is None:
                    self._failed.add((kind, spec.name))
                else:
                    self._put(own, kind, spec.name, descriptor, where)
                    self._checks.append(
                        partial(
                            check_descriptor,
                            self._place(where, own),
                            descriptor,
                            kind,
                            in_java=spec.type == "java",
                        )
                    )
        for number, tool in enumerate(sections.tools):
            self._made(self._tool, tool, ResourceType.TOOL, own, (*path, "tools", number))
        for number, prompt in enumerate(sections.prompts):
            self._made(_prompt, prompt, ResourceType.PROMPT, own, (*path, "prompts", number))
        for number, found in enumerate(sections.skills):
            where = (*path, "skills", number)
            folder = PurePath(self._problems.source).parent
            sources = [{"path": str(folder / each)} for each in found.paths]
            sources += [{"url": each} for each in found.urls]
            sources += [each.model_dump() for each in found.package]
            if sources:
                skills = ResourceDescriptor(clazz=_SKILLS, sources=sources)
                self._put(own, ResourceType.SKILLS, found.name, skills, where)
            else:
                self._problems.add((*where, "classpath"), "skills of Java cannot be used here")

    def _made(
        self,
        make: Callable[..., Any],
        spec: Any,
        kind: ResourceType,
        own: Resources,
        path: Path,
    ) -> None:
        try:
            made = make(spec)
            provider_of(spec.name, kind, made)
        except NotFoundInPythonError as error:
            self._problems.add((*path, "function"), str(error))
            self._failed.add((kind, spec.name))
        except AgentDefinitionError as error:
            self._problems.add_error(path, error)
            self._failed.add((kind, spec.name))
        else:
            self._put(own, kind, spec.name, made, path)

    def _put(self, own: Resources, kind: ResourceType, name: str, made: Any, path: Path) -> None:
        if name in own[kind]:  # in one document it is reported when that is read
            if own is self._built.resources:
                self._problems.add(path, f"another document shares a {kind.value} {name!r}")
            return
        add_resource(own, name, kind, made)

    @staticmethod
    def _tool(spec: ToolSpec) -> Any:
        if spec.type == "java":
            clazz, _, method = spec.function.partition(":")
            return ResourceDescriptor(clazz=_JAVA_TOOL, java_clazz=clazz, java_method=method)
        return named_tool(spec)

    def _descriptor(
        self, spec: DescriptorSpec, kind: ResourceType, path: Path
    ) -> ResourceDescriptor | None:
        java = spec.type == "java"
        if java and kind not in JAVA_WRAPPERS:
            self._problems.add((*path, "type"), f"a {kind.value} cannot be one of Java")
            return None
        try:
            clazz = full_class_name(spec.clazz, kind, java=java)
        except NotFoundInPythonError as error:
            self._problems.add((*path, "clazz"), str(error))
            return None
        arguments = dict(spec.model_extra or {})
        if java:
            return ResourceDescriptor(
                clazz=JAVA_WRAPPERS[kind], arguments={**arguments, "java_clazz": clazz}
            )
        return ResourceDescriptor(clazz=clazz, arguments=arguments)


def _prompt(spec: PromptSpec) -> Prompt:
    if spec.text is not None:
        return Prompt.from_text(spec.text)
    return Prompt.from_messages(
        [
            ChatMessage(role=MessageRole(message.role), content=message.content)
            for message in spec.messages or ()
        ]
    )
