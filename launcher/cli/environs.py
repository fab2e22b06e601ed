"""The flags that say which Python environment workers are to have."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...agent.errors import UsageError
from ..environments.spec import EnvironmentSpec

if TYPE_CHECKING:
    from ...agent.configuration import Configuration

_PANEL = "Python environment of the workers"


def _option(*names: str, metavar: str, text: str) -> Any:
    return typer.Option(*names, metavar=metavar, help=text, rich_help_panel=_PANEL)


Python = Annotated[
    str | None,
    _option(
        "--python",
        metavar="EXE|VERSION",
        text="The workers' Python: a path, a version such as 3.12, or a path in an archive.",
    ),
]
Requirements = Annotated[
    str | None, _option("--requirements", metavar="FILE", text="Packages to install for them.")
]
Archives = Annotated[
    list[str] | None,
    _option(
        "--archive",
        metavar="FILE[#NAME]",
        text="A zip or tar file to unpack for them, a packed venv for one. Repeatable.",
    ),
]
Files = Annotated[
    list[str] | None,
    _option("--file", metavar="FILE[#NAME]", text="A file or folder to copy. Repeatable."),
]
Variables = Annotated[
    list[str] | None,
    _option(
        "--env",
        metavar="NAME[=VALUE]",
        text="An environment variable; without value, as it is here. Repeatable.",
    ),
]
Folder = Annotated[
    str | None, _option("--cwd", metavar="DIR", text="The working directory of the workers.")
]
PythonPath = Annotated[
    list[str] | None,
    _option("--pythonpath", metavar="DIR", text="A folder of modules. Repeatable."),
]


def environment_spec(
    config: Configuration,
    *,
    python: str | None = None,
    requirements: str | None = None,
    archives: list[str] | None = None,
    files: list[str] | None = None,
    variables: list[str] | None = None,
    folder: str | None = None,
    pythonpath: list[str] | None = None,
) -> EnvironmentSpec:
    """What flags ask for, over what the section `environment` of the configuration does.

    Raises:
        ConfigError: something in it is malformed.
        UsageError: a variable has no value here.
    """
    asked = config.section("environment")
    flags = {
        "python": python,
        "requirements": requirements,
        "archives": archives,
        "files": files,
        "folder": folder,
        "pythonpath": pythonpath,
    }
    asked.update({name: value for name, value in flags.items() if value})
    if variables:
        asked["variables"] = {**asked.get("variables", {}), **dict(map(_variable, variables))}
    return EnvironmentSpec.of(asked, Path.cwd())


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if equals:
        return name, value
    if name not in os.environ:
        raise UsageError(
            f"--env {name}: there is no such variable here.", hint="Write --env NAME=VALUE."
        )
    return name, os.environ[name]
