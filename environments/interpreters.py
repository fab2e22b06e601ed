"""Finds Python interpreters on this machine by path, name or version.

A file name does not prove a version, so each candidate is started and asked. A virtual environment
is never used for a version: its packages are made for another purpose.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..agent.errors import EnvironmentSetupError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

OLDEST: Final = (3, 10)
NEWEST: Final = (3, 13)
PATIENCE: Final = 60.0
"""Seconds for an interpreter to answer: one from a cold disk can take a few."""

_ASK: Final = """
import json, os, platform, sys, sysconfig
base = getattr(sys, "_base_executable", None) or sys.executable
if sys.prefix != sys.base_prefix and base == sys.executable:  # before Python 3.11
    base = os.path.realpath(base)
    if base.startswith(os.path.join(os.path.realpath(sys.prefix), "")):
        base = os.path.join(sys.base_prefix, "bin", "python%d.%d" % sys.version_info[:2])
print(json.dumps({
    "version": platform.python_version(),
    "executable": sys.executable,
    "base": base,
    "prefix": sys.prefix,
    "base_prefix": sys.base_prefix,
    "abi": sysconfig.get_config_var("SOABI") or sys.implementation.cache_tag,
    "implementation": sys.implementation.name,
    "site": [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")],
}))
"""


@dataclass(frozen=True, slots=True)
class PythonInfo:
    """An interpreter's description of itself."""

    path: str
    """The path to start it by; not resolved, since a virtual environment is found by its link."""
    version: str
    base: str
    """The executable of the installation that a virtual environment belongs to."""
    prefix: str
    base_prefix: str
    abi: str
    implementation: str
    site: tuple[str, ...]
    """The folders of its packages."""

    @property
    def minor(self) -> tuple[int, int]:
        """(3, 12) for 3.12.1."""
        major, minor = self.version.split(".")[:2]
        return int(major), int(minor)

    @property
    def is_virtual(self) -> bool:
        """Whether it belongs to a virtual environment."""
        return self.prefix != self.base_prefix

    def identity(self) -> dict[str, Any]:
        """Return all that distinguishes it from other interpreters."""
        return {**asdict(self), "real": os.path.realpath(self.path)}


class UnusableInterpreterError(Exception):
    """An executable is not a Python, or does not start. The text says why."""


def ask(path: str, variables: Mapping[str, str] | None = None) -> PythonInfo:
    """Start the interpreter at `path` and return its description.

    Args:
        path: the executable.
        variables: environment variables for it, over those of `tool_variables`.

    Raises:
        UnusableInterpreterError: it does not start, or gives no description.
    """
    try:
        done = subprocess.run(
            [path, "-s", "-c", _ASK],
            env={**tool_variables(), **(variables or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=PATIENCE,
        )
    except OSError as error:
        raise UnusableInterpreterError(f"{path}: {error.strerror}") from error
    except subprocess.TimeoutExpired:
        raise UnusableInterpreterError(f"{path} has not answered for {PATIENCE:.0f} s") from None
    try:
        answer = json.loads(done.stdout)
        return PythonInfo(
            path=path,
            version=answer["version"],
            base=answer["base"],
            prefix=answer["prefix"],
            base_prefix=answer["base_prefix"],
            abi=answer["abi"],
            implementation=answer["implementation"],
            site=tuple(dict.fromkeys(answer["site"])),
        )
    except (ValueError, KeyError, TypeError):
        raise UnusableInterpreterError(
            f"{path} ended with code {done.returncode}:\n{last_lines(done.stderr)}".rstrip(":\n")
        ) from None


def tool_variables() -> dict[str, str]:
    """Return the launcher's environment variables, without those of its own Python."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "__PYVENV")) and name != "VIRTUAL_ENV"
    }


def last_lines(text: str, count: int = 15) -> str:
    """Return the last lines of what a program has printed."""
    return "\n".join(text.strip().splitlines()[-count:])


def check_version(interpreter: PythonInfo) -> None:
    """Raise EnvironmentSetupError for a Python that tamias does not run on."""
    if interpreter.implementation != "cpython" or not OLDEST <= interpreter.minor <= NEWEST:
        raise EnvironmentSetupError(
            f"{interpreter.path} is {interpreter.implementation} {interpreter.version}; tamias "
            "needs CPython 3.10 to 3.13.",
            hint="Name another interpreter.",
        )


def find(python: str) -> PythonInfo:
    """Return the interpreter of a path, a name on PATH or a version; empty: the launcher's.

    Raises:
        EnvironmentSetupError: it does not exist, it does not start, or tamias does not run on it.
    """
    if re.fullmatch(r"\d+\.\d+(\.\d+)?", python):
        found = _of_version(python)
    else:
        path = python if "/" in python else shutil.which(python)
        if python and (path is None or not Path(path).exists()):
            raise EnvironmentSetupError(
                f"There is no interpreter {python}.",
                hint=f"Name a path, or a version. {offer()}",
            )
        found = _asked(path) if path else _own()
    check_version(found)
    return found


def _own() -> PythonInfo:
    """Return the launcher's interpreter, without its virtual environment."""
    here = _asked(sys.executable)
    return _asked(here.base) if here.is_virtual else here


def _asked(path: str) -> PythonInfo:
    try:
        return ask(str(Path(path).absolute()))
    except UnusableInterpreterError as error:
        raise EnvironmentSetupError(
            f"The interpreter does not start: {error}", hint="Name another, or repair it."
        ) from error


def _of_version(version: str) -> PythonInfo:
    wanted = version.split(".")
    own = _own()
    if own.version.split(".")[: len(wanted)] == wanted:
        return own
    for candidate in _candidates(wanted[0] + "." + wanted[1]):
        try:
            interpreter = ask(candidate)
        except UnusableInterpreterError:
            continue
        if interpreter.version.split(".")[: len(wanted)] == wanted and not interpreter.is_virtual:
            return interpreter
    raise EnvironmentSetupError(
        f"No Python {version} was found on this machine.",
        hint=f"Install it, or name the path of one. {offer()}",
    )


def _candidates(minor: str) -> Iterator[str]:
    """Yield executables that may have a minor version, the likeliest and newest first."""
    seen = set()
    for path in _places(minor):
        if path not in seen and os.access(path, os.X_OK):
            seen.add(path)
            yield str(path)


def _places(minor: str) -> Iterator[Path]:
    for folder in _path():
        yield folder / f"python{minor}"
    for root in _collections():
        found = (path for path in root.glob(f"*{minor}*") if path.is_dir())
        for home in sorted(found, key=_numbers, reverse=True):
            yield home / "bin" / f"python{minor}"
    for folder in _path():
        yield folder / "python3"


def _numbers(path: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", path.name)[:3]]


def _path() -> Iterator[Path]:
    """Yield the folders of PATH, and the usual ones.

    Without pyenv's shims, which start a version that depends on the working directory.
    """
    for entry in [
        *os.environ.get("PATH", os.defpath).split(os.pathsep),
        "/usr/local/bin",
        "/usr/bin",
    ]:
        folder = Path(entry)
        if folder.is_absolute() and folder.name != "shims":
            yield folder


def _collections() -> Iterator[Path]:
    """Yield the folders where pyenv and uv install versions."""
    home = Path.home()
    yield Path(os.environ.get("PYENV_ROOT") or home / ".pyenv") / "versions"
    data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    yield Path(os.environ.get("UV_PYTHON_INSTALL_DIR") or data / "uv" / "python")


def offer() -> str:
    """Return a sentence with the versions that seem to be installed, judged by file names."""
    versions = [
        f"{major}.{number}"
        for major, number in ((3, number) for number in range(OLDEST[1], NEWEST[1] + 1))
        if (major, number) == sys.version_info[:2]
        or next(_candidates(f"{major}.{number}"), "").rpartition("/")[2] not in {"", "python3"}
    ]
    return f"Found here: {', '.join(versions)}." if versions else "None was found here."
