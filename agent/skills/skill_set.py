"""`BaseSkills`: named instructions, of which a model sees a list until it asks for one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple

from ..naming.public import public
from ..resources.resource import ResourceType, SerializableResource

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["BaseSkills", "SkillDescription"]


class SkillDescription(NamedTuple):
    """What a model is told of a skill before it loads it."""

    name: str
    description: str


@public
class BaseSkills(SerializableResource, ABC):
    """Base of all sets of skills; `tamias.Skills` has them in folders."""

    @classmethod
    def resource_type(cls) -> ResourceType:
        """`ResourceType.SKILLS`."""
        return ResourceType.SKILLS

    @abstractmethod
    def list_skills(self) -> list[SkillDescription]:
        """All skills.

        Raises:
            AgentDefinitionError: a skill cannot be read, or is declared in a way that is of no use.
        """

    @abstractmethod
    def read(self, skill: str, path: str = "") -> str:
        """The instructions of a skill, or one of its files.

        Raises:
            LookupError: there is no such skill, or file.
        """

    def files(self, skill: str) -> list[str]:  # noqa: ARG002 (for some)
        """The files of a skill that `read` has, without its instructions."""
        return []

    @property
    def commands(self) -> list[str]:
        """The commands that a model may run; empty for none."""
        return []

    @property
    def runs_scripts(self) -> bool:
        """Whether a model may run the files of skills."""
        return False

    async def run_command(
        self,
        skill: str,
        command: str,
        *,
        allowed: Sequence[str] = (),
        folders: Sequence[str] = (),
        timeout: float | None = None,  # noqa: ARG002 (the process's, for some)
    ) -> str:
        """Run one of the commands in the folder of a skill; returns what it has printed.

        The keywords are given if there is something to say: the commands, and folders of scripts,
        that a setup allows besides; and at most how many seconds, if the model says so.

        Raises:
            PermissionError: it is not one of `commands`.
            LookupError: there is no such skill.
        """
        what = f"{skill}, {command}, {[*allowed, *folders]}"
        raise PermissionError(f"{type(self).__name__} runs no commands: {what}")
