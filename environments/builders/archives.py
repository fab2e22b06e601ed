"""Makes interpreters from archives work.

Users pack three kinds, and all of them have to work where they have been unpacked:

- *A virtual environment* has packages, but no standard library: it needs a base, an interpreter of
  the same minor version on this machine. Its `pyvenv.cfg` and a link name the base on the machine
  where it was made. If that is not on this machine, another is found, and both are written anew.
- *A whole installation* (conda-pack, python-build-standalone, a pyenv version) usually finds its
  library by its own path. If it does not, PYTHONHOME is set.
- *A virtual environment without its `pyvenv.cfg`* would start, but without its packages. A new
  `pyvenv.cfg` is written.

Which kind it is, is not guessed from files. The interpreter is started after each step, and works
when its prefix is the folder that it has been unpacked to.
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


def prepare_interpreter(
    root: Path, inside: str, left_out: Sequence[InterpreterLink], lock: int | None = None
) -> tuple[PythonInfo, dict[str, str]]:
    """Make an unpacked interpreter work.

    Args:
        root: the folder of the archives.
        inside: the interpreter's path below it.
        left_out: the links that unpacking has left out.
        lock: for tools to inherit.

    Returns:
        The interpreter, and the environment variables that it needs.

    Raises:
        EnvironmentSetupError: it does not exist, or cannot be made to work.
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
    found = _checked(path, home, {}, problems)
    if found is not None:
        return found, {}
    library = next(home.glob("lib/python3*/os.py"), None)
    if library is not None:
        variables = {"PYTHONHOME": str(home)}
        found = _checked(path, home, variables, problems)
        if found is not None:
            return found, variables
    elif version:
        _configure(home, find(version))
        found = _checked(path, home, {}, problems)
        if found is not None:
            return found, {}
    raise EnvironmentSetupError(
        f"The interpreter {path.relative_to(home.parent)} of the archive does not work here: "
        + "; ".join(dict.fromkeys(problems)),
        hint="Pack it with a tool that makes it movable, or install its Python on this machine.",
    )


def _checked(
    path: Path, home: Path, variables: dict[str, str], problems: list[str]
) -> PythonInfo | None:
    """Return its description, None if its prefix is another folder; add the problem then."""
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
    """Return the minor version of an environment, as "3.12"; empty if it is not known."""
    config = _config(home)
    version = config.get("version") or config.get("version_info") or ""
    match = re.match(r"\d+\.\d+", version)
    if match:
        return match[0]
    library = next(home.glob("lib/python3*"), None)
    return library.name.removeprefix("python").rstrip("t") if library is not None else ""


def _base(target: str, version: str) -> str:
    """Return the new target of a link: the old one, if that has the wanted version."""
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
