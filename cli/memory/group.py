"""`tamias memory`: the group of commands for memory sets."""

from __future__ import annotations

import typer

from ..errors import guarded
from .exporting import export_sets
from .forget import forget
from .listing import list_sets
from .reembed import reembed_sets
from .showing import search, show

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for _name, _help, _command in (
    ("list", "List memory sets, with their sizes.", list_sets),
    ("show", "Show what a set is, and its first items.", show),
    ("search", "Search a set by words and by meaning.", search),
    ("export", "Write items of sets to a file.", export_sets),
    ("forget", "Remove all that there is of a key; while no pool runs.", forget),
    ("reembed", "Make vectors anew; while no pool runs.", reembed_sets),
):
    app.command(_name, short_help=_help)(guarded(_command))
