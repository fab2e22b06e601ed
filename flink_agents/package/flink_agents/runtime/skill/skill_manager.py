"""As `flink_agents.runtime.skill.skill_manager` of Flink Agents."""

from __future__ import annotations

import base64
import logging
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tamias.agent.skills.skill_set import SkillDescription
from tamias.agent.skills.skill_tools import text_of
from tamias.models.skills.folders import Skill

from . import skill_source_registry
from .agent_skill import AgentSkill, SkillOrigin

if TYPE_CHECKING:
    from typing_extensions import Self

    from ...api.skills import Skills, SkillSourceSpec
    from .skill_repository import SkillRepository

__all__ = ["SkillManager"]

_LOG: Final = logging.getLogger("tamias.skills")
_BASE64: Final = "base64: "


class SkillManager:
    """The skills of all sources; of two with one name the later one counts."""

    def __init__(self, skills_config: Skills) -> None:
        """Open the sources. Raises RuntimeError if one cannot be."""
        self._skills: dict[str, AgentSkill] = {}
        self._repos: dict[str, SkillRepository] = {}
        self._opened: list[SkillRepository] = []
        try:
            for spec in skills_config.sources:
                self._add(spec)
        except BaseException:
            self.close()
            raise

    def _add(self, spec: SkillSourceSpec) -> None:
        try:
            handler = skill_source_registry.get(spec.scheme)
            repository = handler.open(spec.params)
        except (OSError, ValueError) as error:
            msg = f"The skills {spec.scheme}:{spec.params} cannot be opened: {error}"
            raise RuntimeError(msg) from error
        self._opened.append(repository)
        origin = SkillOrigin(scheme=spec.scheme, location=handler.describe_location(spec.params))
        for skill in repository.get_skills():
            if (before := self._skills.get(skill.name)) is not None:
                _LOG.warning(
                    "the skill %r of %s replaces the one of %s", skill.name, origin, before.origin
                )
            skill.set_resource_loader(_Files(repository, skill.name))
            skill.set_origin(origin)
            self._skills[skill.name] = skill
            self._repos[skill.name] = repository

    @property
    def size(self) -> int:
        """How many skills there are."""
        return len(self._skills)

    def get_skill(self, name: str) -> AgentSkill:
        """Return a skill. Raises ValueError if there is no such one."""
        if name not in self._skills:
            msg = f"There is no skill {name!r}; there are {', '.join(self._skills) or 'none'}."
            raise ValueError(msg)
        return self._skills[name]

    def get_all_skill_names(self) -> list[str]:
        """Return the names of all skills."""
        return list(self._skills)

    def load_skill_resource(self, skill_name: str, resource_path: str) -> str | None:
        """Return a file of a skill, None if it has no such one."""
        return self.get_skill(skill_name).get_resource(resource_path)

    def generate_discovery_prompt(self, *names: str) -> str:
        """Return the text that tells a model of these skills; empty if there is no skill at all."""
        if not self._skills:
            return ""
        found = [self.get_skill(name) for name in names]
        return text_of(SkillDescription(each.name, each.description) for each in found)

    def get_skill_dirs(self, *names: str) -> list[str]:
        """Return the folders of these skills, or of all, as far as they are in any."""
        found = [self.get_skill_dir(self.get_skill(name).name) for name in names or self._skills]
        return [str(each) for each in found if each is not None]

    def get_skill_dir(self, skill_name: str) -> Path | None:
        """Return the folder of a skill, None if it is in none."""
        repository = self._repos.get(skill_name)
        return None if repository is None else repository.get_skill_dir(skill_name)

    def resolve_resource_path(self, skill_name: str, resource_path: str) -> Path | None:
        """Return where a file of a skill is, None if it is none of its folder."""
        folder = self.get_skill_dir(skill_name)
        if folder is None or resource_path not in Skill(skill_name, "", "", folder).files():
            return None
        return folder / resource_path

    def in_folders(self, scratch: list[Path]) -> dict[str, Skill]:
        """Return the skills as tamias has them: those that are in no folder are written to one."""
        found = {}
        for name, skill in self._skills.items():
            folder = self.get_skill_dir(name)
            if folder is None or not folder.is_dir():
                folder = _written(skill, scratch)
            found[name] = Skill(name, skill.description, skill.content.strip(), folder)
        return found

    def close(self) -> None:
        """Remove what was unpacked."""
        for repository in self._opened:
            with suppress(Exception):
                repository.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class _Files:
    """Reads the files of a skill of a repository."""

    def __init__(self, repository: SkillRepository, name: str) -> None:
        self._repository = repository
        self._name = name

    def __call__(self) -> dict[str, str]:
        return self._repository.get_resources(self._name)


def _written(skill: AgentSkill, scratch: list[Path]) -> Path:
    root = Path(tempfile.mkdtemp(prefix="tamias-skills-")).resolve()
    scratch.append(root)
    for path in skill.get_resource_paths():
        target = (root / path).resolve()
        text = skill.get_resource(path) or ""
        if not target.is_relative_to(root):
            _LOG.warning("a file of the skill %r is outside of it: %s", skill.name, path)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        is_text = not text.startswith(_BASE64)
        data = text.encode() if is_text else base64.b64decode(text[len(_BASE64) :])
        target.write_bytes(data)
    return root
