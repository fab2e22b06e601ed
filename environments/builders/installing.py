"""Makes virtual environments and installs packages, with uv if it is found, else venv and pip."""

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
"""The file that adds the packages of another environment to a virtual environment."""


class Installer:
    """Makes virtual environments, and installs into them.

    Attributes:
        name: "uv" or "pip".
    """

    def __init__(self, wanted: str, lock: int | None = None) -> None:
        """`wanted` as `EnvironmentSpec.installer`; processes that it starts inherit `lock`.

        Raises:
            EnvironmentSetupError: uv is wanted, and not on PATH.
        """
        self._uv = None if wanted == "pip" else shutil.which("uv")
        self._lock = lock
        if wanted == "uv" and self._uv is None:
            raise EnvironmentSetupError(
                "uv is not on PATH.", hint="Install it, or use pip (installer: pip)."
            )
        self.name = "uv" if self._uv else "pip"

    def make_venv(self, interpreter: PythonInfo, folder: Path) -> str:
        """Make a virtual environment in `folder`; return the path of its interpreter.

        Its base is `interpreter`; `add_site_folders` adds the packages of that, if it has any.
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

    def add_site_folders(self, python: str, site: Sequence[str]) -> None:
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
            python: the interpreter that they are for; they go into its environment, unless `target`
                is given.
            arguments: requirements, or `-r FILE`.
            base: the interpreter that a new virtual environment was made with.
            what: for the error, as for `run_tool`.
            target: the folder to install into.
            folder: the start of relative paths.

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
        """Return the command that runs pip for `python`.

        A virtual environment needs no pip of its own: that of its base or of the launcher can
        install into any environment.
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
    """Return the version of an interpreter's pip; empty if it has none."""
    done = subprocess.run(
        [python, "-c", "import pip; print(pip.__version__)"],
        env=tool_variables(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return tuple(int(part) for part in done.stdout.strip().split(".")[:2] if part.isdecimal())
