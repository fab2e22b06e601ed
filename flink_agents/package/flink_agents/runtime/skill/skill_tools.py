"""As `flink_agents.runtime.skill.skill_tools` of Flink Agents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, Field

from tamias import Tool, ToolMetadata
from tamias.agent.skills.skill_tools import LOAD_SKILL_TOOL

from ...api.tools.tool_execution_metadata_provider import ToolExecutionMetadataProvider

if TYPE_CHECKING:
    from .agent_skill import AgentSkill
    from .skill_manager import SkillManager

__all__ = ["LoadSkillArgs", "LoadSkillTool"]

_FILE: Final = "SKILL.md"


class LoadSkillArgs(BaseModel):
    """The arguments of `LoadSkillTool`."""

    name: str = Field(description="The name of the skill.")
    path: str | None = Field(
        default=_FILE, description="A file of the skill; leave it out for its instructions."
    )


class LoadSkillTool(Tool, ToolExecutionMetadataProvider):
    """Gives the instructions of a skill, or one of its files."""

    def __init__(self, **data: Any) -> None:
        metadata = ToolMetadata(
            name=LOAD_SKILL_TOOL,
            description="Load the instructions of a skill, or one of its files.",
            args_schema=LoadSkillArgs,
        )
        super().__init__(metadata=metadata, **data)

    def get_tool_execution_metadata(self, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return which skill, and which of its files, is asked for."""
        from ...api.trace import (  # noqa: PLC0415 (one dialect has it)
            ToolExecutionMetadataKeys as Keys,
        )

        path = parameters.get("path")
        named = {Keys.SKILL_NAME: str(parameters["name"])} if "name" in parameters else {}
        return {**named, Keys.SKILL_RESOURCE_PATH: _FILE if path is None else str(path)}

    def call(self, *args: Any, **kwargs: Any) -> str:
        """Read the skill, or the file; says what there is if there is no such one."""
        given = LoadSkillArgs(**dict(zip(("name", "path"), args, strict=False)), **kwargs)
        manager = self._manager()
        if manager is None:
            return "Skills are not available: the agent has none."
        try:
            skill = manager.get_skill(given.name)
        except ValueError:
            known = ", ".join(manager.get_all_skill_names()) or "none"
            return f"Skill {given.name!r} not found. Available skills: {known}."
        if given.path is None or given.path == _FILE:
            return _instructions(skill, manager)
        found = skill.get_resource(given.path)
        if found is None:
            known = ", ".join(sorted(skill.get_resource_paths())) or "none"
            return f"File {given.path!r} not found. Files of skill {given.name!r}: {known}."
        return found

    def _manager(self) -> SkillManager | None:
        from ..resource_context import ResourceContextImpl  # noqa: PLC0415 (it needs the manager)

        context = self.resource_context
        return context.get_skill_manager() if isinstance(context, ResourceContextImpl) else None


def _instructions(skill: AgentSkill, manager: SkillManager) -> str:
    folder = manager.get_skill_dir(skill.name)
    if folder is None:
        return skill.content
    files = "".join(
        f"<file>{folder / each}</file>\n" for each in sorted(skill.get_resource_paths())
    )
    return (
        f'<skill_content name="{skill.name}">\n{skill.content.strip()}\n\n'
        f"Base directory for this skill: {folder}\n"
        f"<skill_files>\n{files}</skill_files>\n</skill_content>"
    )
