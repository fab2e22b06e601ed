"""The command and its subcommands."""

from __future__ import annotations

import importlib.metadata
from typing import Annotated

import typer

from . import (
    dead_letters,
    doctor,
    env,
    inspecting,
    keys,
    reloading,
    running,
    serving,
    status,
    steering,
    up,
)
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
        typer.Option(
            "--version",
            callback=lambda value: _version(wanted=value),
            is_eager=True,
            help="Show the version and exit.",
        ),
    ] = False,
) -> None:
    del version


app.command("run", short_help="Run an agent over an input, or carry on with it.")(
    guarded(running.run)
)
app.command("resume", short_help="Carry on with an interrupted job.")(guarded(running.resume))
app.command("serve", short_help="Serve an agent to clients, until told to stop.")(
    guarded(serving.run_service)
)
app.command("up", short_help="Run the agents of a deployment file side by side.")(guarded(up.up))
app.add_typer(keys.app, name="keys")
app.command("status", short_help="Show whether a job is running, and how it stands.")(
    guarded(status.status)
)
app.command("reload", short_help="Go over to new code without losing an input.")(
    guarded(reloading.reload)
)
app.command("scale", short_help="Have more or fewer workers.")(guarded(steering.scale))
app.command("drain", short_help="Have a pool finish what it has read, and end.")(
    guarded(steering.drain)
)
app.command("stop", short_help="Have a pool finish what is in flight, and end.")(
    guarded(steering.stop)
)
app.command("inspect", short_help="Show what a job has in memory.")(guarded(inspecting.inspect))
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(env.app, name="env")
app.command("doctor", short_help="Check this machine, or a state directory.")(
    guarded(doctor.doctor)
)


def main() -> None:
    """The entry point of the command `tamias`."""
    app(prog_name="tamias")
