"""Interpreters that come out of archives.

What people pack is of three kinds, and all three are to work where they have been unpacked:

- *A virtual environment* has packages, but no standard library: it needs a base, an interpreter of
  the same minor version on this machine. `pyvenv.cfg` and a link say where it was on the machine it
  was made on. Where that is no use here, another is found, and both are written anew.
- *A whole installation* (conda-pack, python-build-standalone, a pyenv version) finds its library by
  its own place, mostly. Where it does not, PYTHONHOME tells it.
- *A virtual environment that has lost its `pyvenv.cfg`* would start, and be the base without the
  packages. It is given one.

Nothing of this is decided by looks. The interpreter is started after each step, and is right when
it says that its prefix is the folder it has been unpacked to.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ...agent.errors import EnvironmentSetupError
from ..interpreters import PythonInfo, UnusableInterpreterError, ask, find
from .subprocesses import run_tool
from .unpacking import interpreters_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .unpacking import InterpreterLink

_CONFIG: Final = "pyvenv.cfg"


def settle(
    root: Path, inside: str, left_out: Sequence[InterpreterLink], lock: int | None = None
) -> tuple[PythonInfo, dict[str, str]]:
    """Make an unpacked interpreter work.

    Args:
        root: the folder of the archives.
        inside: the interpreter's path below it.
        left_out: links that unpacking has not made.
        lock: for tools to inherit.

    Returns:
        the interpreter, and the environment variables without which it is not right.

    Raises:
        EnvironmentSetupError: there is none, or it cannot be made to work.
    """
    path = root / inside
    home = path.parent.parent
    links = [link for link in left_out if link.path.parent == path.parent]
    if not path.is_file() and not path.is_symlink() and path not in [link.path for link in links]:
        found = ", ".join(map(str, interpreters_in(root))) or "none"
        raise EnvironmentSetupError(
            f"There is no interpreter {inside} in the archives.",
            hint=f"Those that look like one: {found}.",
        )
    version = _version(home)
    for link in links:
        link.path.symlink_to(_base(link.target, version))
    interpreter, variables = _working(path, home, version)
    unpack = home / "bin" / "conda-unpack"
    if unpack.is_file():
        run_tool([str(path), str(unpack)], "run conda-unpack", lock=lock)
    return interpreter, variables


def _working(path: Path, home: Path, version: str) -> tuple[PythonInfo, dict[str, str]]:
    problems: list[str] = []
    found = _asked(path, home, {}, problems)
    if found is not None:
        return found, {}
    library = next(home.glob("lib/python3*/os.py"), None)
    if library is not None:
        variables = {"PYTHONHOME": str(home)}
        found = _asked(path, home, variables, problems)
        if found is not None:
            return found, variables
    elif version:
        _configure(home, find(version))
        found = _asked(path, home, {}, problems)
        if found is not None:
            return found, {}
    raise EnvironmentSetupError(
        f"The interpreter {path.relative_to(home.parent)} of the archive does not work here: "
        + "; ".join(dict.fromkeys(problems)),
        hint="Pack it with a tool that makes it movable, or install its Python on this machine.",
    )


def _asked(
    path: Path, home: Path, variables: dict[str, str], problems: list[str]
) -> PythonInfo | None:
    """What it says of itself, if it is right."""
    try:
        found = ask(str(path), variables)
    except UnusableInterpreterError as error:
        problems.append(str(error))
        return None
    if os.path.realpath(found.prefix) == os.path.realpath(home):
        return found
    problems.append(f"it takes {found.prefix} for its home")
    return None


def _version(home: Path) -> str:
    """The minor version of an environment, as "3.12"; empty if nothing tells it."""
    config = _config(home)
    version = config.get("version") or config.get("version_info") or ""
    match = re.match(r"\d+\.\d+", version)
    if match:
        return match[0]
    library = next(home.glob("lib/python3*"), None)
    return library.name.removeprefix("python").rstrip("t") if library is not None else ""


def _base(target: str, version: str) -> str:
    """What a link to an interpreter is to point to: to what it did, if that is of its version."""
    try:
        there = ask(target)
    except UnusableInterpreterError:
        return find(version).base
    if version and not f"{there.version}.".startswith(f"{version}."):
        return find(version).base
    return there.base


def _config(home: Path) -> dict[str, str]:
    try:
        text = (home / _CONFIG).read_text(encoding="utf-8")
    except OSError:
        return {}
    pairs = (line.partition("=") for line in text.splitlines())
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _configure(home: Path, base: PythonInfo) -> None:
    """Write a `pyvenv.cfg` that names the base."""
    config = _config(home)
    config["home"] = str(Path(base.base).parent)
    config.setdefault("include-system-site-packages", "false")
    config["version"] = base.version
    for name in ("base-prefix", "base-exec-prefix", "base-executable", "executable", "command"):
        config.pop(name, None)
    text = "".join(f"{name} = {value}\n" for name, value in config.items())
    (home / _CONFIG).write_text(text, encoding="utf-8")
