"""`tamias keys`: the clients that may use a service over TCP."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ...service.protocol.keys import add_client, list_clients, new_server, revoke_client
from ..errors import guarded
from ..text import error_console, shown, write_line

app = typer.Typer(no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The server's directory of keys.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="What the client is called.")]


def new(folder: Folder) -> int:
    """Make a server's keys in a new directory."""
    public = new_server(folder)
    error_console().print(f"the server's public key: {public}", markup=False)
    return 0


def add(
    folder: Folder,
    name: Name,
    *,
    public: Annotated[
        str | None, typer.Option(metavar="KEY", help="Of a client that has its own pair.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="The client's file. Default: beside DIR.",
        ),
    ] = None,
) -> int:
    """Let a client in: make its key file, which it needs to connect."""
    file = add_client(folder, name, public, output)
    if file is not None:
        error_console().print(
            f"{shown(file)} is for {name} alone: take it there, and connect with "
            f"tamias.Client(ADDRESS, keys={file.name!r})",
            markup=False,
        )
    return 0


def show(
    folder: Folder,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines.")] = False,
) -> int:
    """List the clients that are let in."""
    for name, public in sorted(list_clients(folder).items()):
        write_line(json.dumps({"name": name, "public": public}) if as_json else f"{name}  {public}")
    return 0


def revoke(folder: Folder, name: Name) -> int:
    """Let a client in no longer, from this moment on."""
    revoke_client(folder, name)
    return 0


app.command("new")(guarded(new))
app.command("add")(guarded(add))
app.command("list")(guarded(show))
app.command("revoke")(guarded(revoke))
