"""Checks that the file or module of TARGET exists, before anything is created.

Nothing is imported: only the workers import the agent, in their own interpreter. An error that
needs an import to be found is reported by them.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ...agent.errors import TargetError
from ...worker.importing.target_names import is_file, meant_target

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...agent.agent import Agent


def checked_target(target: str, *, elsewhere: bool = False, folder: Path | None = None) -> str:
    """Return `target`, with an absolute path if it is in a file.

    Args:
        target: as the user has given it.
        elsewhere: whether modules belong to another Python environment, and cannot be checked here.
        folder: where files and modules are looked for; None: the working directory.

    Raises:
        TargetError: it names no file or module.
    """
    location, colon, name = target.rpartition(":")
    if not colon:
        location, name = target, ""
    if not location:
        raise TargetError(
            f"The target {target!r} names no module.",
            hint="Write package.module:name or path/to/file.py:name.",
        )
    folder = folder or Path.cwd()
    if not is_file(location):
        if not elsewhere:
            _check_module(location, target, folder)
        return target
    path = folder / Path(location).expanduser()
    if not path.is_file():
        raise TargetError(
            f"There is no file {location}.",
            hint=_meant(target, folder)
            or "Name the agent as path/to/file.py:name, or as package.module:name.",
        )
    return f"{path}{colon}{name}"


def agent_or_target(
    name: str, known: Mapping[str, Agent], *, elsewhere: bool = False
) -> Agent | str:
    """Return the agent of that name, or the name itself if it may be that of a module or file.

    Args:
        name: as it was given to `apply`.
        known: the agents that have a name of their own.
        elsewhere: whether modules belong to another Python environment.

    Raises:
        TargetError: it is neither.
    """
    if name in known:
        return known[name]
    if elsewhere or ":" in name or is_file(name) or _has_module(name, Path.cwd()):
        return name
    names = ", ".join(known) or "no agent yet: call load_yaml() first"
    raise TargetError(
        f"There is no agent {name!r}, and no module of this name.",
        hint=_meant(name, Path.cwd()) or f"Names are those of YAML files, which have {names}.",
    )


def _meant(target: str, folder: Path) -> str:
    meant = meant_target(target, folder)
    return f"Did you mean {meant}?" if meant else ""


def _check_module(module: str, target: str, folder: Path) -> None:
    if not _has_module(module, folder):
        raise TargetError(
            f"There is no module {module}.",
            hint=_meant(target, folder)
            or "Name the agent as package.module:name, or as path/to/file.py:name.",
        )


def _has_module(module: str, folder: Path) -> bool:
    if module in sys.modules:
        return True
    first, *inner = module.split(".")
    here = str(folder)
    sys.path.insert(0, here)
    try:
        spec = importlib.util.find_spec(first) if first else None
        folders = None if spec is None else spec.submodule_search_locations
        return spec is not None and _is_below(list(map(Path, folders or ())), inner)
    except (ImportError, ValueError):
        return False
    finally:
        sys.path.remove(here)


def _is_below(folders: list[Path], names: list[str]) -> bool:
    """Return whether a package in these folders seems to have such a module."""
    if not names:
        return True
    if not all(folder.is_dir() for folder in folders):
        return True  # in an archive, for example
    name, *rest = names
    if not rest and any(any(folder.glob(f"{name}.*")) for folder in folders):
        return True
    below = [folder / name for folder in folders if (folder / name).is_dir()]
    return bool(below) and _is_below(below, rest)
