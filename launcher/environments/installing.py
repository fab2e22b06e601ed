"""Virtual environments and packages, by uv where it is found, by venv and pip otherwise."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ...agent.errors import EnvironmentSetupError
from .interpreters import Interpreter, tool_variables
from .tools import run_tool

if TYPE_CHECKING:
    from collections.abc import Sequence

PARENT: Final = "_tamias_parent.pth"
"""Names the packages of the environment that a virtual environment stands upon."""


class Installer:
    """Makes virtual environments, and installs into them.

    Attributes:
        name: "uv" or "pip".
    """

    def __init__(self, wanted: str, lock: int | None = None) -> None:
        """`wanted` as `EnvironmentSpec.installer`; `lock` is inherited by what it starts.

        Raises:
            EnvironmentSetupError: uv is wanted, and not there.
        """
        self._uv = None if wanted == "pip" else shutil.which("uv")
        self._lock = lock
        if wanted == "uv" and self._uv is None:
            raise EnvironmentSetupError(
                "uv is not on PATH.", hint="Install it, or let pip do it (installer: pip)."
            )
        self.name = "uv" if self._uv else "pip"

    def make_venv(self, interpreter: Interpreter, folder: Path) -> str:
        """Make a virtual environment in `folder`; returns the path of its interpreter.

        It stands upon `interpreter`. If that is one with packages of its own, in a virtual
        environment or out of an archive, they are visible in the new one, behind its own.
        """
        what = f"make a virtual environment with {interpreter.path}"
        if self._uv:
            run_tool(
                [self._uv, "venv", "--python", interpreter.path, str(folder)], what, lock=self._lock
            )
        else:
            pip = [] if _has(interpreter.path, "ensurepip") else ["--without-pip"]
            command = [interpreter.path, "-m", "venv", *pip, str(folder)]
            run_tool(command, what, lock=self._lock)
        return str(folder / "bin" / "python")

    def stand_upon(self, python: str, site: Sequence[str]) -> None:
        """Make the packages in the folders `site` visible to a virtual environment's `python`."""
        home = Path(python).parent.parent
        for folder in home.glob("lib/python*/site-packages"):
            lines = [f"import site; site.addsitedir({path!r})\n" for path in site]
            (folder / PARENT).write_text("".join(lines), encoding="utf-8")

    def install(
        self,
        python: str,
        arguments: Sequence[str],
        what: str,
        *,
        target: Path | None = None,
        folder: Path | None = None,
    ) -> None:
        """Install packages.

        Args:
            python: the interpreter that they are for, and into whose environment they go,
            arguments: requirements, or `-r FILE`.
            what: for the error, as for `run_tool`.
            target: ... unless this folder is given for them.
            folder: where relative paths begin.

        Raises:
            EnvironmentSetupError: they cannot be installed, or there is no pip.
        """
        into = [] if target is None else ["--target", str(target)]
        if self._uv:
            command = [self._uv, "pip", "install", "--python", python, *into, *arguments]
        else:
            command = [*_pip(python), "install", "--progress-bar=off", *into, *arguments]
        run_tool(command, what, lock=self._lock, folder=folder)


def _pip(python: str) -> list[str]:
    if _has(python, "pip"):
        return [python, "-m", "pip"]
    if _has(sys.executable, "pip"):
        return [sys.executable, "-m", "pip", "--python", python]
    raise EnvironmentSetupError(
        f"There is no pip for {python}.",
        hint="Install pip there or here, or uv, which does without.",
    )


def _has(python: str, module: str) -> bool:
    done = subprocess.run(
        [python, "-c", f"import {module}"],
        env=tool_variables(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    return done.returncode == 0
