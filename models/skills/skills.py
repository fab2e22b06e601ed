"""`Skills`: skills in folders, archives and packages."""

from __future__ import annotations

import shutil
from os import PathLike, fspath
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from pydantic import Field, PrivateAttr

from ...agent.errors import AgentDefinitionError
from ...agent.naming.public import public
from ...agent.skills.skill_set import BaseSkills, SkillDescription
from .commands import CommandLimits, run_command
from .folders import Skill, read_skills, unpacked

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Skills"]


@public
class Skills(BaseSkills):
    """Skills: folders with a ``SKILL.md``, read in each worker at the first use.

    A model may run a command only if ``allowed_commands`` names it: ``["python3", "./count.sh"]``.
    It runs in the folder of its skill, for ``command_timeout`` seconds at most, with limits on
    memory and files, and with ``command_network=False`` cut off from the network where the kernel
    allows that. ``command_variables`` names the environment variables that it gets. With
    ``allowed_scripts`` each file of a skill's folder may be run, too.
    """

    sources: list[dict[str, str]] = Field(min_length=1)
    allowed_commands: list[str] = Field(default_factory=list)
    command_timeout: float = Field(default=30.0, gt=0)
    command_memory: int = Field(default=1 << 30, gt=0)
    command_network: bool = False
    command_variables: list[str] = Field(default_factory=list)
    allowed_scripts: bool = False

    _skills: dict[str, Skill] | None = PrivateAttr(default=None)
    _scratch: list[Path] = PrivateAttr(default_factory=list)

    @staticmethod
    def from_local_dir(*paths: str | PathLike[str], **settings: Any) -> Skills:
        """Those in folders, or in zip files, of this machine."""
        return Skills(sources=[{"path": fspath(path)} for path in paths], **settings)

    @staticmethod
    def from_url(*urls: str, **settings: Any) -> Skills:
        """Those in zip files on the web (https)."""
        return Skills(sources=[{"url": url} for url in urls], **settings)

    @staticmethod
    def from_package(package: str, resource: str = "", **settings: Any) -> Skills:
        """Those in a folder of an installed package."""
        return Skills(sources=[{"package": package, "resource": resource}], **settings)

    def list_skills(self) -> list[SkillDescription]:
        """As `BaseSkills.list_skills`."""
        return [SkillDescription(each.name, each.description) for each in self._all().values()]

    def read(self, skill: str, path: str = "") -> str:
        """As `BaseSkills.read`."""
        found = self._skill(skill)
        return found.read(path) if path else found.instructions

    def files(self, skill: str) -> list[str]:
        """As `BaseSkills.files`."""
        return self._skill(skill).files()

    @property
    def commands(self) -> list[str]:
        """Those that are allowed."""
        return self.allowed_commands

    @property
    def runs_scripts(self) -> bool:
        """Whether files of skills may be run."""
        return self.allowed_scripts

    async def run_command(
        self,
        skill: str,
        command: str,
        *,
        allowed: Sequence[str] = (),
        folders: Sequence[str] = (),
        timeout: float | None = None,
    ) -> str:
        """As `BaseSkills.run_command`."""
        limits = CommandLimits(
            min(timeout or self.command_timeout, self.command_timeout),
            self.command_memory,
            network=self.command_network,
            variables=tuple(self.command_variables),
        )
        folder = self._skill(skill).folder
        commands = [*self.allowed_commands, *allowed]
        scripts: list[str | Path] = [*folders]
        if self.allowed_scripts:
            scripts += [each.folder for each in self._all().values()]
        return await run_command(folder, command, commands, limits, scripts)

    def _skill(self, name: str) -> Skill:
        skills = self._all()
        if name not in skills:
            raise LookupError(f"There is no skill {name!r}; there are {', '.join(skills)}.")
        return skills[name]

    def _all(self) -> dict[str, Skill]:
        with _READING:
            if self._skills is None:
                self._skills = self._found()
            return self._skills

    def _found(self) -> dict[str, Skill]:
        """Read all sources; a subclass may have others."""
        found: dict[str, Skill] = {}
        for source in self.sources:
            for skill in read_skills(unpacked(source, self._scratch)):
                if skill.name in found:
                    raise AgentDefinitionError(
                        f"There are two skills with the name {skill.name!r}.",
                        hint="Give each a name of its own.",
                    )
                found[skill.name] = skill
        return found

    def close(self) -> None:
        """Remove what was unpacked."""
        self._skills = None
        while self._scratch:
            shutil.rmtree(self._scratch.pop(), ignore_errors=True)


_READING = Lock()
