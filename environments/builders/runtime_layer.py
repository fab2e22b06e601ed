"""Adds tamias, and the libraries that it needs, to an environment without them.

Two entries of the cache, whose folders go to the end of `sys.path`: the *layer*, with the libraries
that a worker needs, one per kind of interpreter and set of requirements; and a folder that holds
only a link `tamias` to this package, so that packages installed beside it are not importable.

Names and versions of the libraries are those of tamias's own metadata.
"""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from packaging.requirements import Requirement

from ...agent.errors import EnvironmentSetupError
from ..digest import digest
from .installing import Installer

if TYPE_CHECKING:
    from ..cache import Cache, CacheEntry
    from ..interpreters import PythonInfo

_LAUNCHER_ONLY: Final = frozenset({"typer", "rich", "packaging"})
_QUICKER: Final = "uvloop"
"""An extra that workers use if it is installed."""


def package_folder() -> Path:
    """Return the folder of the package `tamias`."""
    return Path(__file__).resolve().parents[2]


def needs() -> list[Requirement]:
    """Return what a worker needs besides tamias itself.

    Raises:
        EnvironmentSetupError: tamias is importable, but not installed, so it has no metadata.
    """
    try:
        lines = importlib.metadata.requires("tamias") or []
    except importlib.metadata.PackageNotFoundError:
        raise EnvironmentSetupError(
            "tamias is not installed here, so it cannot tell what it needs elsewhere.",
            hint="Install it: pip install -e FOLDER, from its source.",
        ) from None
    needed = []
    for line in lines:
        requirement = Requirement(line)
        is_extra = requirement.marker is not None and "extra" in str(requirement.marker)
        if is_extra and requirement.name == _QUICKER and _is_here(_QUICKER):
            requirement.marker = None
            needed.append(requirement)
        elif not is_extra and requirement.name not in _LAUNCHER_ONLY:
            needed.append(requirement)
    return needed


def _is_here(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def link_entry(cache: Cache) -> CacheEntry:
    """Return the entry with the link `tamias`."""
    package = package_folder()

    def build(folder: Path, _lock: int) -> dict[str, Any]:
        (folder / "tamias").symlink_to(package, target_is_directory=True)
        return {"package": str(package)}

    return cache.obtain(f"tamias-{digest(str(package))}", build)


def layer_entry(cache: Cache, interpreter: PythonInfo, installer: str) -> CacheEntry:
    """Return the entry with the libraries for an interpreter.

    Raises:
        EnvironmentSetupError: they cannot be installed.
    """
    wanted = sorted(str(requirement) for requirement in needs())

    def build(folder: Path, lock: int) -> dict[str, Any]:
        tool = Installer(installer, lock)
        tool.install(
            interpreter.path, wanted, "install what tamias itself needs there", target=folder
        )
        found = importlib.metadata.distributions(path=[str(folder)])
        return {
            "python": interpreter.version,
            "packages": {each.metadata["Name"]: each.version for each in found},
        }

    return cache.obtain(f"layer-{digest([interpreter.abi, wanted])}", build)
