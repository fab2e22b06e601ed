"""`tamias new`: makes a small project that runs, with an agent and its test."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ...agent.errors import UsageError
from ...store.faults import system_error
from ..text import output_console, typed
from .project import TEMPLATES, project


def new(
    folder: Annotated[
        Path, typer.Argument(metavar="NAME", help="The folder to make; its name is the project's.")
    ],
    template: Annotated[
        str, typer.Option(metavar="|".join(TEMPLATES), help="What the agent is like.")
    ] = "orders",
) -> int:
    """Make a small project that runs: an agent, its test, a deployment file, a README."""
    files = project(folder.name, template)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} exists already, and is not empty.", hint="Use another name.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise system_error(error, folder) from error
    console = output_console()
    console.print(f"made {typed(folder)}: {', '.join(files)}", markup=False)
    console.print(
        f"next:\n  cd {typed(folder)}\n  tamias up deployment.yaml\n  pytest", markup=False
    )
    return 0
