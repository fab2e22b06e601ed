"""Guesses what a target that names nothing was meant to name; imports nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_SUFFIX: Final = ".py"


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
        names = ".".join(part for part in [*rest, name] if part and part != "py")
        if found:
            meant = f"{found}:{names}" if names else found
            return "" if meant == target else meant
    return ""


def _found(location: str, folder: Path) -> str:
    """Return the module or file of a location, as it is written in a target."""
    is_path = "/" in location
    path = Path(location.removesuffix(_SUFFIX) if is_path else location.replace(".", "/"))
    if not (folder / f"{path.expanduser()}{_SUFFIX}").is_file():
        return ""
    return f"{path}{_SUFFIX}" if is_path else location
