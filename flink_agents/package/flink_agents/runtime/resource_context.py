"""As `flink_agents.runtime.resource_context` of Flink Agents."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from tamias import Resource, ResourceContext, ResourceType

if TYPE_CHECKING:
    from .resource_cache import ResourceCache

__all__ = ["ResourceContextImpl"]

_SKILLS: Final = "_skills_config"


class ResourceContextImpl(ResourceContext):
    """Gives a resource of a plan the other resources, and the skills."""

    def __init__(self, resource_cache: ResourceCache) -> None:
        self._cache = resource_cache
        self._manager: Any = None

    def get_resource(self, name: str, resource_type: ResourceType) -> Resource:
        """Return another resource. Raises KeyError if there is none."""
        return self._cache.get_resource(name, resource_type)

    def get_skill_manager(self) -> Any:
        """Return the manager of the plan's skills; None if the plan has no skills."""
        if self._manager is None and self._cache.has(_SKILLS, ResourceType.SKILLS):
            skills = self._cache.get_resource(_SKILLS, ResourceType.SKILLS)
            # Only agents with skills need it.
            module = import_module("flink_agents.runtime.skill.skill_manager")
            self._manager = module.SkillManager(skills)
        return self._manager

    def generate_available_skills_prompt(self, *skill_names: str) -> str:
        """Return the text that tells a model of these skills; empty if the plan has none."""
        manager = self.get_skill_manager()
        return "" if manager is None else str(manager.generate_discovery_prompt(*skill_names))

    def get_skill_dirs(self, *skill_names: str) -> list[str]:
        """Return the folders of these skills."""
        manager = self.get_skill_manager()
        return [] if manager is None else list(manager.get_skill_dirs(*skill_names))

    def close(self) -> None:
        """Remove what has been unpacked of skills."""
        manager, self._manager = self._manager, None
        if manager is not None:
            manager.close()
