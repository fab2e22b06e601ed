"""The flags that choose the Python environment of workers."""

from __future__ import annotations

import inspect
import os
from dataclasses import asdict, dataclass, fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from ..agent.errors import UsageError
from ..environments.spec import EnvironmentSpec
from ..launcher.reload.generation_record import recorded_environment
from .text import count, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..agent.config.configuration import Configuration

_PANEL = "Python environment of the workers"


def _option(*names: str, metavar: str, text: str) -> Any:
    return typer.Option(*names, metavar=metavar, help=text, rich_help_panel=_PANEL)


@dataclass(frozen=True, slots=True)
class EnvironmentFlags:
    """The values of the flags, under the names of `EnvironmentSpec`."""

    python: Annotated[
        str | None,
        _option(
            "--python",
            metavar="EXE|VERSION",
            text="The workers' Python: a path, a version such as 3.12, or a path in an archive.",
        ),
    ] = None
    requirements: Annotated[
        str | None, _option("--requirements", metavar="FILE", text="Packages to install for them.")
    ] = None
    archives: Annotated[
        list[str] | None,
        _option(
            "--archive",
            metavar="FILE[#NAME]",
            text="A zip or tar file to unpack for them, a packed venv for one. Repeatable.",
        ),
    ] = None
    files: Annotated[
        list[str] | None,
        _option("--file", metavar="FILE[#NAME]", text="A file or folder to copy. Repeatable."),
    ] = None
    variables: Annotated[
        list[str] | None,
        _option(
            "--env",
            metavar="NAME[=VALUE]",
            text="An environment variable; without value, as it is here. Repeatable.",
        ),
    ] = None
    folder: Annotated[
        str | None, _option("--cwd", metavar="DIR", text="The working directory of the workers.")
    ] = None
    pythonpath: Annotated[
        list[str] | None,
        _option("--pythonpath", metavar="DIR", text="A folder of modules. Repeatable."),
    ] = None


def takes_environment(command: Callable[..., int]) -> Callable[..., int]:
    """Add the flags of an environment to a command; their values are its argument `asked`.

    Typer reads a function's signature, so each flag becomes a parameter of it.
    """
    hints = get_type_hints(EnvironmentFlags, include_extras=True)
    names = [field.name for field in fields(EnvironmentFlags)]
    signature = inspect.signature(command, eval_str=True)
    parameters: list[inspect.Parameter] = []
    for parameter in signature.parameters.values():
        if parameter.name == "asked":
            parameters += [
                inspect.Parameter(
                    name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=hints[name]
                )
                for name in names
            ]
        else:
            parameters.append(parameter)

    @wraps(command)
    def expanded(*args: Any, **kwargs: Any) -> int:
        asked = EnvironmentFlags(**{name: kwargs.pop(name, None) for name in names})
        return command(*args, asked=asked, **kwargs)

    expanded.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    expanded.__annotations__ = {
        **{parameter.name: parameter.annotation for parameter in parameters},
        "return": int,
    }
    return expanded


def environment_spec(config: Configuration, flags: EnvironmentFlags) -> EnvironmentSpec:
    """Return the environment of the flags, over the section `environment` of the configuration.

    Raises:
        ConfigError: something in it is malformed.
        UsageError: a variable has no value here.
    """
    given = asdict(flags)
    asked = config.section("environment")
    variables = dict(map(_variable, given.pop("variables") or ()))
    asked.update({name: value for name, value in given.items() if value})
    if variables:
        asked["variables"] = {**asked.get("variables", {}), **variables}
    return EnvironmentSpec.of(asked, Path.cwd())


def shown_environment(job: dict[str, Any]) -> dict[str, Any]:
    """Return the environment in a manifest's job, with variables' names only; empty: none."""
    found = recorded_environment(job)
    variables = found.get("variables")
    return {**found, "variables": sorted(variables)} if variables else found


def described(environment: Mapping[str, Any]) -> str:
    """Describe an environment in a line: `Python 3.12, requirements of all.txt, 1 archive`."""
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
