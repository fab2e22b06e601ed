"""The flags that say which Python environment workers are to have."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...agent.errors import UsageError
from ..environments.spec import EnvironmentSpec
from .words import count, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

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


def environment_spec(config: Configuration, **flags: Any) -> EnvironmentSpec:
    """What flags ask for, over what the section `environment` of the configuration does.

    Args:
        config: with the section.
        flags: by the names that `EnvironmentSpec` has for them; those without a value do not count.

    Raises:
        ConfigError: something in it is malformed.
        UsageError: a variable has no value here.
    """
    asked = config.section("environment")
    variables = dict(map(_variable, flags.pop("variables") or ()))
    asked.update({name: value for name, value in flags.items() if value})
    if variables:
        asked["variables"] = {**asked.get("variables", {}), **variables}
    return EnvironmentSpec.of(asked, Path.cwd())


def recorded_environment(job: Mapping[str, Any]) -> dict[str, Any]:
    """The environment in a manifest's job, empty if there is none. Of variables only the names."""
    spec = job.get("spec")
    found = spec.get("environment") if isinstance(spec, dict) else None
    if not isinstance(found, dict):
        return {}
    variables = found.get("variables")
    return {**found, "variables": sorted(variables)} if variables else found


def described(environment: Mapping[str, Any]) -> str:
    """An environment in a line: `Python 3.12, requirements of all.txt, 1 archive`."""
    parts = [f"Python {environment.get('python') or 'of the launcher'}"]
    requirements = environment.get("requirements", ())
    if isinstance(requirements, str):
        parts.append(f"requirements of {shown(requirements)}")
    elif requirements:
        parts.append(count(len(requirements), "requirement"))
    parts += [
        count(len(environment[name]), name[:-1])
        for name in ("archives", "files", "variables")
        if environment.get(name)
    ]
    if environment.get("folder"):
        parts.append(f"in {shown(environment['folder'])}")
    return ", ".join(parts)


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if equals:
        return name, value
    if name not in os.environ:
        raise UsageError(
            f"--env {name}: there is no such variable here.", hint="Write --env NAME=VALUE."
        )
    return name, os.environ[name]
