"""`tamias stacks`: shows what the threads and tasks of workers do at this moment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ...console.stacks.collecting import stacks_of
from ...store.state.directory import StateDirectory
from ..text import error_console, output_console, write_line


def stacks(
    state: Annotated[Path, typer.Argument(metavar="STATE_DIR", readable=False)],
    *,
    worker: Annotated[int | None, typer.Option(metavar="N", help="Only this worker.")] = None,
    native: Annotated[
        bool,
        typer.Option("--native", help="Frames of C, too, by py-spy; the worker stops for that."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> int:
    """Show what the threads and tasks of workers do now, also of one that is stuck or stopped."""
    with StateDirectory.view(state) as view, error_console().status("asking the workers"):
        found = stacks_of(view, worker, native=native)
    if as_json:
        write_line(json.dumps([each.to_json() for each in found]))
    else:
        text = "\n".join(each.text() for each in found)
        output_console().print(text, markup=False, highlight=False, end="")
    return 0
