"""The command and its subcommands.

Each subcommand is in a module of its own, which is imported only when that subcommand is called:
`tamias status` needs a third of the modules that `tamias run` needs.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

import typer

from ..launcher.jobs.exit_codes import INTERRUPTED
from ..store.standard_streams import open_standard_streams
from ..worker.importing.guard import is_importing_here, refuse_during_import
from .errors import guarded, print_error
from .init import run_below_init

if TYPE_CHECKING:
    from collections.abc import Iterator

EXIT_USAGE: Final = 2
COMMANDS_GROUP: Final = "tamias.commands"
"""Entry points of groups of commands that rooms above this one have: each a `typer.Typer`."""


class Subcommand(NamedTuple):
    """The module of a subcommand, and its line in the list of all.

    Attributes:
        module: in the folder.
        function: the command; without one, `app` of the module is a group of commands.
        help: a short description.
        folder: the folder in this room.
    """

    module: str
    function: str
    help: str
    folder: str = "commands"


SUBCOMMANDS: Final = {
    "new": Subcommand("new", "new", "Make a small project that runs.", "projects"),
    "schema": Subcommand("schema", "schema", "Print the schema of YAML agents.", "projects"),
    "run": Subcommand("run", "run", "Run an agent over an input, or carry on with it."),
    "resume": Subcommand("run", "resume", "Carry on with an interrupted job."),
    "serve": Subcommand("serve", "run_service", "Serve an agent to clients, until it is stopped."),
    "up": Subcommand("up", "up", "Run the agents of a deployment file side by side."),
    "keys": Subcommand("keys", "", "Keys of a service that is reached over TCP."),
    "status": Subcommand("status", "status", "Show whether a job is running, and how it stands."),
    "logs": Subcommand("logs", "logs", "Show what the workers of a job have printed."),
    "profile": Subcommand(
        "profile", "profile", "Show where the workers spend their time.", "observing"
    ),
    "dashboard": Subcommand(
        "dashboard", "dashboard", "Serve a page about jobs, to look at in a browser.", "observing"
    ),
    "metrics": Subcommand(
        "metrics", "metrics", "Show the metrics of jobs, or serve them.", "observing"
    ),
    "dev": Subcommand(
        "dev", "dev", "Run an agent in this process alone, for development.", "observing"
    ),
    "debug": Subcommand(
        "debug", "debug_run", "Execute a recorded run again, under pdb.", "observing"
    ),
    "trace": Subcommand("trace", "trace", "Show what runs have done.", "observing"),
    "top": Subcommand("top", "top", "Show a pool and its workers, live.", "observing"),
    "stacks": Subcommand(
        "stacks", "stacks", "Show what the threads and tasks of workers do now.", "observing"
    ),
    "reload": Subcommand("reload", "reload", "Go over to new code without losing an input."),
    "scale": Subcommand("control", "scale", "Have more or fewer workers."),
    "drain": Subcommand("control", "drain", "Have a pool finish what it has read, and end."),
    "stop": Subcommand("control", "stop", "Have a pool finish what is in flight, and end."),
    "inspect": Subcommand("inspect", "inspect", "Show what a job has in memory."),
    "memory": Subcommand(
        "group",
        "",
        "Memory sets: list, show, search and export them, forget a key, embed anew.",
        "memory",
    ),
    "export": Subcommand("command", "export", "Write what a job has in memory.", "export"),
    "waiting": Subcommand("listing", "waiting", "Show the questions that wait.", "waiting"),
    "answer": Subcommand("answer", "answer", "Answer a question that waits.", "waiting"),
    "limits": Subcommand("listing", "limits", "Show what calls have used of budgets.", "limits"),
    "dead-letters": Subcommand(
        "dead_letters", "", "Inputs that were set aside: list them, show one, run them again."
    ),
    "env": Subcommand(
        "env", "", "The Python environments made for workers: list them, remove those not in use."
    ),
    "doctor": Subcommand("doctor", "doctor", "Check this machine, or a state directory."),
}


def _version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(f"tamias {importlib.metadata.version('tamias')}")
        raise typer.Exit


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


def application(asked: str | None = None) -> typer.Typer:
    """Return the command with the subcommand `asked`, or with all of them.

    If there is none of that name, the built-in ones are only listed: to print help, their modules
    are not imported.
    """
    app = typer.Typer(
        name="tamias",
        help="Run event-driven agents in a crash-proof pool of processes, exactly once.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(
        epilog="Exit codes: 0 all done; 1 the agent or the pool failed; 2 wrong usage, "
        "configuration or state; 3 done, but some inputs are in the dead letters; 4 done, but some "
        "runs wait; 130 interrupted, resumable."
    )(_main)
    if asked not in SUBCOMMANDS:
        for entry in _entries(asked):
            app.add_typer(_guarded_group(entry.load()), name=entry.name)
            if entry.name == asked:
                return app
    for name in (asked,) if asked in SUBCOMMANDS else SUBCOMMANDS:
        place = SUBCOMMANDS[name]
        if asked not in (None, name):
            app.command(name, short_help=place.help)(_listed)
            continue
        module = importlib.import_module(f".{place.folder}.{place.module}", __package__)
        if place.function:
            command = guarded(getattr(module, place.function))
            app.command(name, short_help=place.help)(command)
        else:
            app.add_typer(module.app, name=name, help=place.help)
    return app


def _listed() -> None:
    """Stand for a subcommand that is listed, and not called."""


def _entries(asked: str | None) -> list[importlib.metadata.EntryPoint]:
    """The groups of other rooms: the one asked for, or all."""
    found = sorted(
        importlib.metadata.entry_points(group=COMMANDS_GROUP), key=lambda entry: entry.name
    )
    return [entry for entry in found if entry.name == asked] or found


def _guarded_group(group: typer.Typer) -> typer.Typer:
    """Make the commands of a group print errors and exit as the built-in ones do."""
    for command in group.registered_commands:
        if command.callback is not None:
            command.callback = guarded(command.callback)
    return group


def main() -> None:
    """The entry point of the command `tamias`."""
    if is_importing_here():  # as an exception, which reaches the importer
        refuse_during_import("A command of tamias")
    open_standard_streams()
    if os.getpid() == 1:
        run_below_init()
    try:
        os.getcwd()  # noqa: PTH109 (a path is not needed)
    except FileNotFoundError:
        print_error("The working directory has been deleted.", "Change to one that exists.")
        sys.exit(EXIT_USAGE)
    asked = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
    with _ended_at_once():
        app = application(asked)
    app(prog_name="tamias")


@contextmanager
def _ended_at_once() -> Iterator[None]:
    """A block that imports modules, in which nothing has begun: Ctrl-C ends it with a word.

    An exception would come out of some module half way through, or be lost in one.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield  # the shell has it ignored
        return
    signal.signal(signal.SIGINT, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(*_: object) -> None:
    os.write(2, b"error: Interrupted.\n")
    os._exit(INTERRUPTED)
