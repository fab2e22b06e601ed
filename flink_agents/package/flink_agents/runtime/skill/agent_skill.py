"""As `flink_agents.runtime.skill.agent_skill` of Flink Agents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, Field, PrivateAttr

__all__ = ["AgentSkill", "SkillOrigin"]


class SkillOrigin(BaseModel):
    """Where a skill comes from."""

    scheme: str
    location: str

    def __str__(self) -> str:
        return f"{self.scheme}:{self.location}"


class AgentSkill(BaseModel):
    """One skill; its files are read when they are first asked for."""

    name: str = Field(min_length=1, max_length=64)
    description: str = Field(min_length=1, max_length=1024)
    content: str = Field(min_length=1)
    license: str | None = None
    compatibility: str | None = Field(default=None, max_length=500)
    metadata: dict[str, Any] | None = None
    resources: dict[str, str] | None = None
    origin: SkillOrigin | None = None

    _load: Callable[[], dict[str, str]] | None = PrivateAttr(default=None)

    def set_resource_loader(self, loader: Callable[[], dict[str, str]]) -> None:
        """Give what reads its files."""
        self._load = loader

    def set_origin(self, origin: SkillOrigin) -> None:
        """Say where it comes from."""
        self.origin = origin

    def get_resource(self, resource_path: str) -> str | None:
        """Return one of its files, None if it has no such one."""
        return self._files().get(resource_path)

    def get_resource_paths(self) -> list[str]:
        """Return the paths of its files."""
        return list(self._files())

    def _files(self) -> dict[str, str]:
        if self._load is not None:
            self.resources, self._load = self._load(), None
        return self.resources or {}
