"""A first look at TARGET, before anything is created: is there such a file or module?

Nothing is imported: that is the workers' business, in their own interpreter. What cannot be told
without importing passes here, and fails there.
"""

from __future__ import annotations

import importlib.util
import sys
from importlib.machinery import PathFinder
from pathlib import Path

from ...agent.errors import TargetError


def checked_target(target: str) -> str:
    """`target` with an absolute path, if it is in a file.

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
    if not (location.endswith(".py") or "/" in location):
        _check_module(location)
        return target
    path = Path(location)
    if not path.is_file():
        raise TargetError(
            f"There is no file {location}.",
            hint="Name the agent as path/to/file.py:name, or as package.module:name.",
        )
    return f"{path.absolute()}{colon}{name}"


def _check_module(module: str) -> None:
    first, *inner = module.split(".")
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        spec = importlib.util.find_spec(first)
    except (ImportError, ValueError):
        spec = None
    finally:
        sys.path.remove(here)
    path = first
    for part in inner:
        if spec is None or spec.submodule_search_locations is None:
            break
        path += f".{part}"
        spec = PathFinder.find_spec(path, list(spec.submodule_search_locations))
    if spec is None or path != module:
        file = module.replace(".", "/") + ".py"
        meant = f" There is a file {file}: write {file}:name." if Path(file).is_file() else ""
        missing = path if spec is None else f"{path}.{module[len(path) + 1 :].partition('.')[0]}"
        raise TargetError(
            f"There is no module {module}" + (f" (no {missing})." if missing != module else "."),
            hint="Name the agent as package.module:name, or as path/to/file.py:name." + meant,
        )
