"""As `flink_agents.runtime.skill.repository.skill_directory_reader` of Flink Agents."""

from __future__ import annotations

import base64
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tamias.models.skills.folders import Skill

from ..skill_parser import SkillParser

if TYPE_CHECKING:
    from ..agent_skill import AgentSkill

__all__ = ["SkillDirectoryReader"]

_LOG: Final = logging.getLogger("tamias.skills")
_LARGEST: Final = 1 << 20


class SkillDirectoryReader:
    """The skills in a folder, each in a folder of its own."""

    SKILL_MD_FILE = "SKILL.md"

    def __init__(self, base_dir: Path | None) -> None:
        if base_dir is None or not Path(base_dir).is_dir():
            msg = f"There is no folder {base_dir} with skills."
            raise ValueError(msg)
        self.base_dir = Path(base_dir).resolve()

    def get_skill_dir(self, name: str) -> Path:
        """Return where the folder of a skill is, or would be."""
        return self.base_dir / name

    def get_skill(self, name: str) -> AgentSkill | None:
        """Return a skill, None if there is no such one. Raises ValueError if it is broken."""
        folder = self.get_skill_dir(name)
        if not _is_name(name) or not (folder / self.SKILL_MD_FILE).is_file():
            return None
        try:
            text = (folder / self.SKILL_MD_FILE).read_text(encoding="utf-8")
            skill = SkillParser.parse_skill(text)
        except (OSError, ValueError) as error:
            msg = f"The skill in {folder} cannot be read: {error}"
            raise ValueError(msg) from error
        if skill.name != name:
            _LOG.warning("the skill %r is in a folder with the name %r", skill.name, name)
        return skill

    def get_skills(self) -> list[AgentSkill]:
        """Return all skills, in the order of their folders' names."""
        names = sorted(each.name for each in self.base_dir.iterdir())
        return [skill for name in names if (skill := self.get_skill(name)) is not None]

    def get_resources(self, name: str) -> dict[str, str]:
        """Return the files of a skill by their paths; what is no text in Base64.

        Files that a link leads to outside of the folder are none of it.
        """
        folder = self.get_skill_dir(name)
        if not _is_name(name) or not folder.is_dir():
            return {}
        found = {}
        for path in Skill(name, "", "", folder).files():
            if (folder / path).stat().st_size > _LARGEST:
                _LOG.warning("a file of the skill %r is too large: %s", name, path)
                continue
            data = (folder / path).read_bytes()
            try:
                found[path] = data.decode()
            except UnicodeDecodeError:
                found[path] = f"base64: {base64.b64encode(data).decode()}"
        return found


def _is_name(name: str) -> bool:
    """Whether it is one name, and leads to no other folder."""
    return Path(name).name == name and name not in ("", "..")
