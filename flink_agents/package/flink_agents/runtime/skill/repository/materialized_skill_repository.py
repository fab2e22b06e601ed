"""As `flink_agents.runtime.skill.repository.materialized_skill_repository` of Flink Agents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..skill_repository import SkillRepository
from .skill_directory_reader import SkillDirectoryReader

if TYPE_CHECKING:
    from pathlib import Path

    from ..agent_skill import AgentSkill
    from ._materialize import Materialized

__all__ = ["MaterializedSkillRepository"]


class MaterializedSkillRepository(SkillRepository):
    """Skills that are in a folder of this machine, or have been brought into one."""

    def __init__(self, materialization: Materialized) -> None:
        self._materialization = materialization
        self._reader = SkillDirectoryReader(materialization.dir)

    def get_skill(self, name: str) -> AgentSkill | None:
        """As `SkillRepository.get_skill`."""
        return self._reader.get_skill(name)

    def get_skills(self) -> list[AgentSkill]:
        """As `SkillRepository.get_skills`."""
        return self._reader.get_skills()

    def get_resources(self, name: str) -> dict[str, str]:
        """As `SkillRepository.get_resources`."""
        return self._reader.get_resources(name)

    def get_skill_dir(self, name: str) -> Path:
        """As `SkillRepository.get_skill_dir`."""
        return self._reader.get_skill_dir(name)

    def close(self) -> None:
        """As `SkillRepository.close`."""
        self._materialization.close()
