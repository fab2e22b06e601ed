"""The command and its subcommands."""

from __future__ import annotations

import importlib.metadata
from typing import Annotated

import typer

from . import running
from .guard import guarded

app = typer.Typer(
    name="tamias",
    help="Run event-driven agents in a crash-proof pool of processes, exactly once.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(f"tamias {importlib.metadata.version('tamias')}")
        raise typer.Exit


@app.callback(
    epilog="Exit codes: 0 all done; 1 the agent or the pool failed; 2 wrong usage, configuration "
    "or state; 3 done, but some inputs are in the dead letters; 130 interrupted, resumable."
)
def _main(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", callback=lambda value: _version(wanted=value), is_eager=True),
    ] = False,
) -> None:
    del version


app.command("run")(guarded(running.run))
app.command("resume")(guarded(running.resume))


def main() -> None:
    """The entry point of the command `tamias`."""
    app(prog_name="tamias")
