"""Starts a program with the modules of Flink Agents before all others, its workers included.

The interpreter is replaced, as a program may have looked at anything before it is told of another
path. Workers and other children find the same by PYTHONPATH.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..agent.errors import TargetError
from .dialect import VARIABLE, dialect_of_program
from .installed import PACKAGE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["STARTED", "command_of", "environment_of", "program_of_module"]

STARTED: Final = "TAMIAS_FLINK_AGENTS_RUN"
"""The variable that tells a program which command has started it."""


def program_of_module(module: str) -> Path:
    """The file that `-m MODULE` executes.

    Raises:
        TargetError: there is no such module.
    """
    parts = module.split(".")
    for folder in (Path.cwd(), *(Path(each) for each in sys.path if each)):
        place = folder.joinpath(*parts)
        for each in (place.with_name(f"{place.name}.py"), place / "__main__.py"):
            if each.is_file():
                return each
    msg = f"There is no module {module} to be executed."
    hint = "It is looked for in the working directory, in PYTHONPATH, and where packages are."
    raise TargetError(msg, hint=hint)


def environment_of(
    program: Path, dialect: str = "", environ: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """The environment variables with which a program finds the modules, and its dialect.

    Args:
        program: its file.
        dialect: the one asked for; without one, that of `environ`, or of the program.
        environ: the variables of this process.

    Raises:
        AgentDefinitionError: the program mixes dialects.
    """
    before = [each for each in environ.get("PYTHONPATH", "").split(os.pathsep) if each]
    ours = str(PACKAGE.parent)
    folders = [ours, *(each for each in before if each != ours)]
    return {
        **environ,
        "PYTHONPATH": os.pathsep.join(folders),
        STARTED: "1",
        VARIABLE: dialect or environ.get(VARIABLE) or dialect_of_program(program),
    }


def command_of(words: Sequence[str], module: str = "") -> list[str]:
    """The command that executes a program, or a module."""
    return [sys.executable, *(["-m", module] if module else []), *words]
