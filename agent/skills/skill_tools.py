"""The tools by which a model uses skills, and the message that tells it of them.

``load_skill`` gives the instructions of a skill, or a file that they name. ``bash`` runs a command,
where the set of skills, or the setup of the model, allows any.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, Field, PrivateAttr

from ..errors import ResourceNotFoundError
from ..resources.chat_message import ChatMessage, MessageRole
from ..tools.metadata import ToolMetadata
from ..tools.tool import Tool

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .skill_set import BaseSkills, SkillDescription

__all__ = ["BASH_TOOL", "LOAD_SKILL_TOOL", "SKILLS_INTRODUCTION", "OfferedSkills", "text_of"]

LOAD_SKILL_TOOL: Final = "load_skill"
BASH_TOOL: Final = "bash"


SKILLS_INTRODUCTION: Final = (
    f"You have these skills. Before you use one, call {LOAD_SKILL_TOOL} with its name, and"
    " follow the instructions that it returns.\n"
)


def text_of(described: Iterable[SkillDescription]) -> str:
    """What a model is told of its skills."""
    return SKILLS_INTRODUCTION + "\n".join(f"- {one.name}: {one.description}" for one in described)


class OfferedSkills:
    """The skills that a setup offers its model."""

    def __init__(
        self,
        names: Sequence[str],
        sets: Iterable[BaseSkills],
        allowed: Sequence[str] = (),
        folders: Sequence[str] = (),
    ) -> None:
        """`names` are those of skills, in any of the sets.

        Commands that are `allowed`, and scripts in `folders`, may be run besides those of the sets.

        Raises:
            ResourceNotFoundError: there is no such skill.
        """
        self._sets: dict[str, BaseSkills] = {}
        self._more = {"allowed": list(allowed), "folders": list(folders)}
        self._described: list[SkillDescription] = []
        known: dict[str, tuple[BaseSkills, SkillDescription]] = {}
        for each in sets:
            for described in each.list_skills():
                known.setdefault(described.name, (each, described))
        for name in names:
            if name not in known:
                raise ResourceNotFoundError(
                    f"The agent has no skill {name!r} (it has"
                    f" {', '.join(map(repr, known)) or 'none'}).",
                    hint="Declare skills with @skills, or add_resource(..., ResourceType.SKILLS).",
                )
            self._sets[name], described = known[name]
            self._described.append(described)

    def message(self) -> ChatMessage:
        """The message that lists them."""
        return ChatMessage(role=MessageRole.SYSTEM, content=text_of(self._described))

    def tools(self) -> list[Tool]:
        """The tools by which they are used."""
        sets = self._sets.values()
        commands = {name for each in sets for name in each.commands} | {*self._more["allowed"]}
        scripts = ["scripts of the skills"] if any(each.runs_scripts for each in sets) else []
        what = [*sorted(commands), *scripts, *(f"files in {one}" for one in self._more["folders"])]
        tools: list[Tool] = [_LoadSkill(self._sets)]
        if what:
            more = {name: given for name, given in self._more.items() if given}
            tools.append(_Bash(self._sets, what, more))
        return tools


class _SkillTool(Tool):
    """Base of both tools."""

    _sets: dict[str, Any] = PrivateAttr(default_factory=dict)

    def __init__(self, sets: dict[str, BaseSkills], metadata: ToolMetadata) -> None:
        super().__init__(metadata=metadata)
        self._sets = sets

    def _set_of(self, skill: str) -> BaseSkills:
        if skill not in self._sets:
            raise LookupError(f"There is no skill {skill!r}; there are {', '.join(self._sets)}.")
        found: BaseSkills = self._sets[skill]
        return found


class _Loaded(BaseModel):
    name: str = Field(description="The name of the skill.")
    path: str = Field(
        default="", description="A file of the skill; leave it out for its instructions."
    )


class _LoadSkill(_SkillTool):
    """Gives the instructions of a skill."""

    def __init__(self, sets: dict[str, BaseSkills]) -> None:
        metadata = ToolMetadata(
            name=LOAD_SKILL_TOOL,
            description="Load the instructions of a skill, or one of its files.",
            args_schema=_Loaded,
        )
        super().__init__(sets, metadata)

    def call(self, *_: Any, name: str, path: str = "") -> str:
        """Read the skill, or the file."""
        found = self._set_of(name)
        read = found.read(name, path)
        files = [] if path else found.files(name)
        return f"{read}\n\nFiles of this skill: {', '.join(files)}" if files else read


class _Command(BaseModel):
    command: str = Field(description="The command with its arguments.")
    skill: str = Field(
        default="",
        description="The name of the skill in whose folder the command runs, if that matters.",
    )
    timeout: float | None = Field(default=None, gt=0, description="At most so many seconds.")


class _Bash(_SkillTool):
    """Runs a command in the folder of a skill."""

    _more: dict[str, Any] = PrivateAttr(default_factory=dict)

    def __init__(
        self, sets: dict[str, BaseSkills], what: Sequence[str], more: dict[str, list[str]]
    ) -> None:
        metadata = ToolMetadata(
            name=BASH_TOOL,
            description=f"Run a command in the folder of a skill. Allowed are: {', '.join(what)}.",
            args_schema=_Command,
        )
        super().__init__(sets, metadata)
        self._more = more

    def call(self, *_: Any, command: str, **__: Any) -> str:
        """Refuse: it has to be awaited. Raises RuntimeError."""
        raise RuntimeError(f"await acall: {command}")

    async def acall(
        self, *_: Any, command: str, skill: str = "", timeout: float | None = None
    ) -> str:
        """Run the command; without a skill, in the folder of the first one that allows it."""
        more = self._more if timeout is None else {**self._more, "timeout": timeout}
        names = [skill] if skill else list(self._sets)
        for name in names[:-1]:
            with suppress(PermissionError):
                return await self._set_of(name).run_command(name, command, **more)
        return await self._set_of(names[-1]).run_command(names[-1], command, **more)
