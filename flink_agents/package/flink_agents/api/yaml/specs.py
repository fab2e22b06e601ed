"""As `flink_agents.api.yaml.specs` of Flink Agents: the parts of a document.

Documents that tamias runs are read by its own models (`tamias.agent.yaml_agents.specs`), which take
more. These are for programs that read documents themselves.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model, field_validator, model_validator
from pydantic.fields import FieldInfo

from tamias import InjectedArg  # noqa: TC001 (pydantic needs it)
from tamias.flink_agents.dialect import dialect

from ..chat_message import MessageRole
from ..tools.tool_parameter_injection import normalize_injected_args

__all__ = [
    "ActionSpec",
    "AgentSpec",
    "DescriptorSpec",
    "Language",
    "MessageRole",
    "PackageSkillSpec",
    "PromptMessage",
    "PromptSpec",
    "SkillsSpec",
    "ToolSpec",
    "YamlAgentsDocument",
    "export",
]

Language = Literal["python", "java"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class DescriptorSpec(BaseModel):
    """A resource by its class; keys of other names are arguments."""

    model_config = ConfigDict(extra="allow")

    name: str
    clazz: str
    type: Language | None = None


class PromptMessage(_Strict):
    """One message of a prompt."""

    role: MessageRole = MessageRole.USER
    content: str


class PromptSpec(_Strict):
    """A prompt: one text, or messages."""

    name: str
    text: str | None = None
    messages: list[PromptMessage] | None = None

    @model_validator(mode="after")
    def _has_one(self) -> PromptSpec:
        if bool(self.text) == bool(self.messages):
            msg = f"The prompt {self.name!r} has either a text or messages, and not an empty one."
            raise ValueError(msg)
        return self


class ToolSpec(_Strict):
    """A function that a model may ask for."""

    name: str
    function: str | None = None
    type: Language | None = None
    parameter_types: list[str] | None = None
    injected_args: dict[str, InjectedArg] | None = None

    @field_validator("injected_args", mode="before")
    @classmethod
    def _with_keys(cls, given: Any) -> Any:
        return None if given is None else normalize_injected_args(given)


class PackageSkillSpec(_Strict):
    """A folder of skills in an installed package."""

    package: str
    resource: str


class SkillsSpec(_Strict):
    """Skills, from one source or several."""

    name: str
    paths: list[str] = Field(default_factory=list)
    urls: list[str] = Field(default_factory=list)
    classpath: list[str] = Field(default_factory=list)
    package: list[PackageSkillSpec] = Field(default_factory=list)

    @model_validator(mode="after")
    def _has_source(self) -> SkillsSpec:
        if not (self.paths or self.urls or self.classpath or self.package):
            msg = f"The skills {self.name!r} have no source: paths, urls, classpath or package."
            raise ValueError(msg)
        return self


class _Action(_Strict):
    """A function, and what it listens to: under the name that the version has for it."""

    name: str
    function: str | None = None
    type: Language | None = None
    config: dict[str, Any] | None = None

    @property
    def listens(self) -> list[str]:
        """Types of events, and conditions."""
        listens: list[str] = getattr(self, _LISTENS)
        return listens


_LISTENS = "trigger_conditions" if dialect() == "0.4" else "listen_to"
_Listened: Any = list[Annotated[str, Field(pattern=r"\S")]]
_LISTENED: Any = {_LISTENS: (_Listened, FieldInfo(annotation=_Listened, min_length=1))}
ActionSpec: Any = create_model(
    "ActionSpec", __base__=_Action, __module__=__name__, __doc__=_Action.__doc__, **_LISTENED
)


class _Sections(_Strict):
    prompts: list[PromptSpec] = Field(default_factory=list)
    tools: list[ToolSpec] = Field(default_factory=list)
    skills: list[SkillsSpec] = Field(default_factory=list)
    chat_model_connections: list[DescriptorSpec] = Field(default_factory=list)
    chat_model_setups: list[DescriptorSpec] = Field(default_factory=list)
    embedding_model_connections: list[DescriptorSpec] = Field(default_factory=list)
    embedding_model_setups: list[DescriptorSpec] = Field(default_factory=list)
    vector_stores: list[DescriptorSpec] = Field(default_factory=list)
    mcp_servers: list[DescriptorSpec] = Field(default_factory=list)


class AgentSpec(_Sections):
    """An agent; an action that is a text names a shared one."""

    name: str
    description: str | None = None
    actions: list[str | ActionSpec] = Field(default_factory=list)


class YamlAgentsDocument(_Sections):
    """A document: agents, and what they share."""

    agents: list[AgentSpec] = Field(default_factory=list)
    actions: list[ActionSpec] = Field(default_factory=list)


def export() -> str:
    """The JSON schema of documents."""
    return json.dumps(YamlAgentsDocument.model_json_schema(), indent=2) + "\n"
