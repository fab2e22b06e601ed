"""As `flink_agents.runtime.skill.skill_source_registry` of Flink Agents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from .repository.filesystem_repository import FileSystemSkillRepository
from .repository.package_repository import PackageSkillRepository
from .repository.url_repository import URLSkillRepository

if TYPE_CHECKING:
    from .skill_repository import SkillRepository

__all__ = ["SkillSourceHandler", "get", "register"]


def _in_full(params: Mapping[str, str]) -> str:
    return str(dict(params))


class SkillSourceHandler(NamedTuple):
    """How the sources of a scheme are opened, and how logs name them."""

    open: Callable[[Mapping[str, str]], SkillRepository]
    describe_location: Callable[[Mapping[str, str]], str] = _in_full


_HANDLERS: Final[dict[str, SkillSourceHandler]] = {}


def register(
    scheme: str,
    open_fn: Callable[[Mapping[str, str]], SkillRepository],
    describe_location: Callable[[Mapping[str, str]], str] | None = None,
) -> None:
    """Register what opens the sources of a scheme."""
    _HANDLERS[scheme.lower()] = SkillSourceHandler(open_fn, describe_location or _in_full)


def get(scheme: str) -> SkillSourceHandler:
    """Return what opens the sources of a scheme. Raises ValueError if nothing does."""
    handler = _HANDLERS.get(scheme.lower())
    if handler is None:
        msg = f"Nothing opens skills with the scheme {scheme!r}; known are {', '.join(_HANDLERS)}."
        raise ValueError(msg)
    return handler


def _needed(params: Mapping[str, str], name: str) -> str:
    if name not in params:
        msg = f"The source of skills {dict(params)} has no {name!r}."
        raise ValueError(msg)
    return params[name]


register(
    "local",
    lambda params: FileSystemSkillRepository(_needed(params, "path")),
    lambda params: params.get("path", ""),
)
register(
    "url",
    lambda params: URLSkillRepository(_needed(params, "url")),
    lambda params: params.get("url", ""),
)
register(
    "package",
    lambda params: PackageSkillRepository(_needed(params, "package"), _needed(params, "resource")),
    lambda params: f"{params.get('package', '')}/{params.get('resource', '')}",
)
