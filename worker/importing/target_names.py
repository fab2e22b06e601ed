"""What a target names, as far as its text shows it, and what it was meant to name."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_SUFFIX: Final = ".py"
_YAML: Final = (".yaml", ".yml")
_ENDINGS: Final = ("py", "yaml", "yml")


def is_file(location: str) -> bool:
    """Return whether the first part of a target is a path, and not a module."""
    return location.endswith((_SUFFIX, *_YAML)) or "/" in location


def is_yaml(location: str) -> bool:
    """Return whether the first part of a target is a YAML file."""
    return location.endswith(_YAML)


def without_suffix(location: str) -> str:
    """Return the stem of the file that a target names; a module as it is."""
    return Path(location).stem if location.endswith((_SUFFIX, *_YAML)) else location


def meant_target(target: str, folder: Path) -> str:
    """Return the target that was probably meant; empty if none can be found.

    Common slips are `ok.Ok`, `ok.py.Ok` and `ok.py::Ok` for `ok:Ok`, and `dir/ok:Ok` for
    `dir/ok.py:Ok`.

    Args:
        target: as the user has given it.
        folder: where files and modules are looked for.
    """
    location, _, name = target.partition(":")
    name = name.strip(":")
    parts = location.split(".")
    for length in range(len(parts), 0, -1):
        head, rest = ".".join(parts[:length]), parts[length:]
        found = _found(head, folder)
        names = ".".join(part for part in [*rest, name] if part and part not in _ENDINGS)
        if found:
            meant = f"{found}:{names}" if names else found
            return "" if meant == target else meant
    return ""


def _found(location: str, folder: Path) -> str:
    """Return the module or file of a location, as it is written in a target."""
    is_path = "/" in location
    path = Path(location.removesuffix(_SUFFIX) if is_path else location.replace(".", "/"))
    for suffix in (_SUFFIX, *_YAML):
        if (folder / f"{path.expanduser()}{suffix}").is_file():
            return f"{path}{suffix}" if is_path or suffix != _SUFFIX else location
    return ""
