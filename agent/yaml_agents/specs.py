"""The format of a YAML document with agents, as pydantic models.

They have the names of Flink Agents' documents: a document of 0.3 (``listen_to``) or later
(``trigger_conditions``) is read as it is. What tamias adds: ``config``, ``limits`` and ``prices``
of the document, ``react`` of agents, ``retry`` of actions; an MCP server needs no ``clazz``.

The descriptions and the JSON schema that editors use (`json_schema`) are made from these models.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Final, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from ..resources.resource import ResourceType

Language = Literal["python", "java"]

_SCHEMA_DRAFT: Final = "http://json-schema.org/draft-07/schema#"
_REFERENCE: Final = r"^[^:\s]+:[^:\s]+$"
_FUNCTION: Final = Field(
    pattern=_REFERENCE,
    description="A function: module:name, or module:Class.name.",
    examples=["my_package.actions:on_input"],
)


class Spec(BaseModel):
    """Base of the parts of a document. Unknown keys are mistakes."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class Named(Spec):
    """A part that has a name."""

    name: str = Field(min_length=1)
    """The name by which other parts, and actions, refer to it."""


class DescriptorSpec(Named):
    """A resource that the workers make: its class, and arguments for it.

    All keys besides ``name``, ``clazz`` and ``type`` are arguments of the class.
    """

    model_config = ConfigDict(extra="allow")

    clazz: str = Field(min_length=1)
    """The class: a short name such as `openai` or `ollama`, or its full dotted name."""
    type: Language | None = None
    """The language of the class; `python` if it is left out."""


class McpServerSpec(DescriptorSpec):
    """An MCP server whose tools and prompts the agent may use."""

    clazz: str = Field(default="mcp", min_length=1)
    """The class; tamias's own if it is left out."""


class MessageSpec(Spec):
    """One message of a prompt."""

    role: Literal["system", "user", "assistant", "tool"] = "user"
    """Who says it."""
    content: str
    """The text, with placeholders in braces: {input}."""


class PromptSpec(Named):
    """A prompt: one text, or messages."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["text"]}, {"required": ["messages"]}]}
    )

    text: str | None = None
    """The text, with placeholders in braces: {input}."""
    messages: list[MessageSpec] | None = None
    """The messages, in their order."""

    @model_validator(mode="after")
    def _has_one(self) -> PromptSpec:
        if bool(self.text) == bool(self.messages):
            msg = "a prompt has either a text or messages, and not an empty one"
            raise ValueError(msg)
        return self


_Seconds = Annotated[float, Field(gt=0)] | str
_TOOL_SETTINGS: Final = {
    "approval",
    "approval_timeout",
    "description",
    "idempotent",
    "limit",
    "retry",
    "timeout",
}


class InjectedSpec(Spec):
    """Where an argument of a tool comes from that the model does not give."""

    source: Annotated[
        Literal["config", "sensory_memory", "short_term_memory", "context"],
        BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value),
    ] = "sensory_memory"
    """The configuration, memory, or the context of the action."""
    key: str | None = Field(default=None, min_length=1)
    """The setting, the path in memory, or the attribute; without one, the parameter's name."""


class ToolSpec(Named):
    """A function that models may ask to be called."""

    function: str = _FUNCTION
    type: Language | None = None
    """The language of the function; `python` if it is left out."""
    parameter_types: list[str] | None = None
    """Of a function in Java: the types of its parameters, in their order."""
    injected_args: dict[str, InjectedSpec] = Field(default_factory=dict)
    """Arguments that the model neither sees nor gives, by parameter."""
    description: str | None = None
    """What the model is told in place of the docstring."""
    approval: Annotated[str, Field(pattern=_REFERENCE)] | bool | None = None
    """Whether calls have to be approved: true, or a function of (arguments, ctx)."""
    approval_timeout: _Seconds | None = None
    """How long an approval is waited for."""
    timeout: _Seconds | None = None
    """The time limit of a call."""
    retry: dict[str, Any] | int | None = None
    """How often a call that fails for a temporary reason is tried again."""
    idempotent: bool | None = None
    """Whether it may be called again when a crash has cut a call off; true if it is left out."""
    limit: str | None = None
    """The name of limits that its calls are subject to."""

    @model_validator(mode="after")
    def _is_of_language(self) -> ToolSpec:
        if self.type != "java" and self.parameter_types is not None:
            msg = "parameter_types belong to tools in Java"
            raise ValueError(msg)
        names = [*self.given_settings, *(["injected_args"] if self.injected_args else [])]
        if self.type == "java" and names:
            msg = f"a tool in Java cannot have {', '.join(names)}"
            raise ValueError(msg)
        return self

    @property
    def given_settings(self) -> dict[str, Any]:
        """What is said of how it is called, as arguments of `ToolSettings`."""
        settings = self.model_dump(include=_TOOL_SETTINGS, exclude_none=True)
        return dict(settings)


class PackageSpec(Spec):
    """Skills that come with an installed Python package."""

    package: str = Field(min_length=1)
    """The package's name."""
    resource: str = Field(min_length=1)
    """The folder in it."""


class SkillsSpec(Named):
    """Folders with skills, from one source or several."""

    paths: list[str] = Field(default_factory=list)
    """Folders or zip files; relative paths start at the document's folder."""
    urls: list[str] = Field(default_factory=list)
    """Addresses of zip files."""
    classpath: list[str] = Field(default_factory=list)
    """Only for agents that run in Java."""
    package: list[PackageSpec] = Field(default_factory=list)
    """Folders in installed packages."""

    @model_validator(mode="after")
    def _has_source(self) -> SkillsSpec:
        if not (self.paths or self.urls or self.classpath or self.package):
            msg = "skills need at least one of paths, urls and package"
            raise ValueError(msg)
        return self


_Listened = list[Annotated[str, Field(pattern=r"\S")]]


class ActionSpec(Named):
    """A function that runs when certain events arrive."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [{"required": ["trigger_conditions"]}, {"required": ["listen_to"]}]
        }
    )

    function: str = _FUNCTION
    trigger_conditions: _Listened | None = Field(default=None, min_length=1)
    """Types of events (`input`, `chat_response`, or your own), or conditions on events."""
    listen_to: _Listened | None = Field(default=None, min_length=1)
    """The older name of trigger_conditions."""
    config: dict[str, Any] | None = None
    """What ctx.action_config gives."""
    retry: dict[str, Any] | None = None
    """How often a run that fails in it is tried again: attempts, first_wait and so on."""
    type: Language | None = None
    """The language of the function; only `python` can be run."""

    @model_validator(mode="after")
    def _listens(self) -> ActionSpec:
        if (self.listen_to is None) == (self.trigger_conditions is None):
            msg = "an action needs trigger_conditions (or listen_to, their older name; not both)"
            raise ValueError(msg)
        return self

    @property
    def listens(self) -> list[str]:
        """What it listens to, under either name."""
        return self.trigger_conditions or self.listen_to or []


def _kind(action: object) -> str:
    return "reference" if isinstance(action, str) else "action"


_Action = Annotated[
    Annotated[str, Tag("reference"), Field(description="The name of a shared action.")]
    | Annotated[ActionSpec, Tag("action")],
    Discriminator(_kind),
]


class Sections(Spec):
    """The resources of an agent, or those that all agents share."""

    prompts: list[PromptSpec] = Field(default_factory=list)
    tools: list[ToolSpec] = Field(default_factory=list)
    skills: list[SkillsSpec] = Field(default_factory=list)
    chat_model_connections: list[DescriptorSpec] = Field(default_factory=list)
    """Ways to services with chat models."""
    chat_model_setups: list[DescriptorSpec] = Field(default_factory=list)
    """Chat models as the agent uses them: a connection, a prompt, tools, parameters."""
    embedding_model_connections: list[DescriptorSpec] = Field(default_factory=list)
    embedding_model_setups: list[DescriptorSpec] = Field(default_factory=list)
    vector_stores: list[DescriptorSpec] = Field(default_factory=list)
    mcp_servers: list[McpServerSpec] = Field(default_factory=list)


class ReactSpec(Spec):
    """An agent that needs no function: its model answers each input, with the tools that it has."""

    chat_model: str = Field(min_length=1)
    """The name of a chat model setup."""
    prompt: str | None = None
    """The name of a prompt, whose placeholders are the fields of inputs; {input} is a text."""
    output_schema: Annotated[str, Field(pattern=_REFERENCE)] | dict[str, Any] | None = None
    """What answers are to be: a pydantic model, as module:Class, or a JSON schema."""


class YamlAgentSpec(Sections, Named):
    """One agent: its actions, and its own resources."""

    description: str | None = None
    """What the agent does."""
    actions: list[_Action] = Field(default_factory=list)
    """Actions, and names of shared actions."""
    react: ReactSpec | None = None
    """Makes it a ReActAgent, which answers inputs without any action of its own."""


class Document(Sections):
    """A document with agents, and what they share."""

    agents: list[YamlAgentSpec] = Field(default_factory=list)
    actions: list[ActionSpec] = Field(default_factory=list)
    """Actions that agents name in their own lists."""
    config: dict[str, Any] = Field(default_factory=dict)
    """Settings of the job, as in a configuration file, which takes precedence."""
    limits: dict[str, Any] = Field(default_factory=dict)
    """Limits by connection, as in a configuration file."""
    prices: dict[str, Any] = Field(default_factory=dict)
    """What tokens cost, by model, as in a configuration file."""


DESCRIPTOR_SECTIONS: Final = {
    "chat_model_connections": ResourceType.CHAT_MODEL_CONNECTION,
    "chat_model_setups": ResourceType.CHAT_MODEL,
    "embedding_model_connections": ResourceType.EMBEDDING_MODEL_CONNECTION,
    "embedding_model_setups": ResourceType.EMBEDDING_MODEL,
    "vector_stores": ResourceType.VECTOR_STORE,
    "mcp_servers": ResourceType.MCP_SERVER,
}
"""The sections whose entries are descriptors, and the types of their resources."""


def json_schema() -> str:
    """The JSON schema of documents, for editors."""
    schema = {"$schema": _SCHEMA_DRAFT, **Document.model_json_schema()}
    schema["title"] = "Agents of tamias"
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"
