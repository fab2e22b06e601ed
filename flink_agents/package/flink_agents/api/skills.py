"""As `flink_agents.api.skills` of Flink Agents."""

from __future__ import annotations

from os import PathLike, fspath
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator, model_serializer

import tamias
from tamias.agent.skills.skill_tools import BASH_TOOL, LOAD_SKILL_TOOL

if TYPE_CHECKING:
    from tamias.models.skills.folders import Skill

__all__ = ["BASH_TOOL", "LOAD_SKILL_TOOL", "SkillSourceSpec", "Skills"]


class SkillSourceSpec(BaseModel):
    """Where skills come from: a scheme, in small letters, and what it needs to know."""

    model_config = ConfigDict(frozen=True)

    scheme: str
    params: dict[str, str] = Field(default_factory=dict)

    @field_validator("scheme")
    @classmethod
    def _in_small_letters(cls, scheme: str) -> str:
        return scheme.lower()

    def __hash__(self) -> int:
        return hash((self.scheme, frozenset(self.params.items())))


class Skills(tamias.Skills):
    """Skills from sources that are registered by scheme.

    Their scripts may be run, and use the network, as in Flink Agents.
    """

    sources: list[SkillSourceSpec] = Field(default_factory=list)  # type: ignore[assignment]
    command_network: bool = True
    allowed_scripts: bool = True

    _manager: Any = PrivateAttr(default=None)

    @field_validator("sources", mode="before")
    @classmethod
    def _in_their_form(cls, sources: Any) -> Any:
        """Take sources as tamias writes them, too."""
        return [_spec(each) for each in sources]

    @model_serializer
    def _only_sources(self) -> dict[str, Any]:
        return {"sources": [each.model_dump() for each in self.sources]}

    @classmethod
    def from_local_dir(cls, *paths: str | PathLike[str], **settings: Any) -> Skills:
        """Those in folders, or in zip files, of this machine."""
        return cls(sources=[_spec({"path": fspath(path)}) for path in paths], **settings)

    @classmethod
    def from_url(cls, *urls: str, **settings: Any) -> Skills:
        """Those in zip files on the web."""
        return cls(sources=[_spec({"url": url}) for url in urls], **settings)

    @classmethod
    def from_package(cls, *pairs: tuple[str, str], **settings: Any) -> Skills:  # type: ignore[override]
        """Those in folders, or zip files, of packages: pairs of a package and a path in it."""
        sources = [_spec({"package": package, "resource": path}) for package, path in pairs]
        return cls(sources=sources, **settings)

    def _found(self) -> dict[str, Skill]:
        from ..runtime.skill.skill_manager import SkillManager  # noqa: PLC0415 (it needs this)

        self._manager = SkillManager(self)
        return self._manager.in_folders(self._scratch)  # type: ignore[no-any-return]

    def close(self) -> None:
        """Remove what was unpacked."""
        super().close()
        if self._manager is not None:
            self._manager.close()


def _spec(source: Any) -> Any:
    if not isinstance(source, dict) or "scheme" in source:
        return source
    scheme = {"path": "local"}.get(next(iter(source), ""), next(iter(source), ""))
    return SkillSourceSpec(scheme=scheme, params=source)
