"""As `flink_agents.runtime.skill.skill_repository` of Flink Agents."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

    from .agent_skill import AgentSkill

__all__ = ["SkillRepository", "SkillRepositoryInfo"]


class SkillRepositoryInfo(NamedTuple):
    """Describes a repository."""

    repo_type: str
    location: str
    writeable: bool


class SkillRepository(ABC):
    """Skills of one source; programs may have classes of their own, and register them."""

    @abstractmethod
    def get_skill(self, name: str) -> AgentSkill | None:
        """Return a skill, None if it has no such one."""

    @abstractmethod
    def get_skills(self) -> list[AgentSkill]:
        """Return all skills."""

    @abstractmethod
    def get_resources(self, name: str) -> dict[str, str]:
        """Return the files of a skill by their paths."""

    def get_skill_dir(self, name: str) -> Path | None:  # noqa: ARG002 (for some)
        """Return the folder of a skill, None if it is in none."""
        return None

    def close(self) -> None:
        """Remove what it has unpacked; more than once is no mistake."""
        return
