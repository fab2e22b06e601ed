"""Virtual environments and packages, by uv where it is found, by venv and pip otherwise."""

from __future__ import annotations

import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ...agent.errors import EnvironmentSetupError
from ..interpreters import PythonInfo, tool_variables
from .subprocesses import run_tool

if TYPE_CHECKING:
    from collections.abc import Sequence

_REMOTE: Final = (22, 3)
"""The first version of pip that can install for another interpreter."""

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

    def make_venv(self, interpreter: PythonInfo, folder: Path) -> str:
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
            command = [interpreter.path, "-m", "venv", "--without-pip", str(folder)]
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
        base: str = "",
        target: Path | None = None,
        folder: Path | None = None,
    ) -> None:
        """Install packages.

        Args:
            python: the interpreter that they are for, and into whose environment they go,
            arguments: requirements, or `-r FILE`.
            base: the interpreter that a new virtual environment was made with.
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
            command = [*self._pip(python, base), "install", "--progress-bar=off", *into, *arguments]
        run_tool(command, what, lock=self._lock, folder=folder)

    def _pip(self, python: str, base: str) -> list[str]:
        """The command that is a pip for `python`.

        A virtual environment needs none of its own: those of its base and of the launcher install
        into any, and are there already.
        """
        if not base and _pip_version(python):
            return [python, "-m", "pip"]
        for other in filter(None, (base, sys.executable)):
            if _pip_version(other) >= _REMOTE:
                return [other, "-m", "pip", "--python", python]
        if base:
            with suppress(EnvironmentSetupError):
                run_tool([python, "-m", "ensurepip"], "get a pip", lock=self._lock)
                return [python, "-m", "pip"]
        raise EnvironmentSetupError(
            f"There is no pip for {base or python}.",
            hint="Install pip (22.3 or newer) there or here, or uv, which does without.",
        )


def _pip_version(python: str) -> tuple[int, ...]:
    """The version of an interpreter's pip; empty if it has none."""
    done = subprocess.run(
        [python, "-c", "import pip; print(pip.__version__)"],
        env=tool_variables(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return tuple(int(part) for part in done.stdout.strip().split(".")[:2] if part.isdecimal())
