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
    help="Memory sets: list, show, search and export them, forget a key, embed anew.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("list")(guarded(list_sets))
app.command("show")(guarded(show))
app.command("search")(guarded(search))
app.command("export")(guarded(export_sets))
app.command("forget")(guarded(forget))
app.command("reembed")(guarded(reembed_sets))
