"""`tamias env`: the environments that have been made for workers."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from ...console.values.json_text import json_line
from ...environments.cache import Cache
from ..errors import guarded
from ..text import count, duration, output_console, size, write_line

if TYPE_CHECKING:
    from ...environments.cache import CacheEntry

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON lines.")]
Root = Annotated[
    Path | None,
    typer.Option("--cache", metavar="DIR", help="Another cache than $TAMIAS_CACHE or the usual."),
]

_KINDS = {"env": "environment", "layer": "libraries of tamias", "tamias": "link to tamias"}


def listed(*, cache: Root = None, as_json: Json = False) -> int:
    """List the cache: path, Python, size, the last use, and whether it is in use."""
    store = Cache(cache)
    records = [_record(store, entry) for entry in store.entries()]
    if as_json:
        for record in records:
            write_line(json_line(record))
        return 0
    table = Table(box=None, pad_edge=False)
    for heading in ("kind", "python", "size", "last used", "in use", "path"):
        table.add_column(heading, justify="right" if heading == "size" else "left")
    for record in records:
        table.add_row(
            _KINDS.get(record["kind"], record["kind"]),
            record["python"] or "",
            size(record["size"]),
            f"{duration(max(0.0, time.time() - record['used']))} ago",
            "yes" if record["in_use"] else "no",
            record["path"],
        )
    console = output_console()
    if records:
        console.print(table)
    else:
        console.print(f"Nothing is in {store.root}.", markup=False)
    return 0


def prune(*, cache: Root = None, as_json: Json = False) -> int:
    """Remove what no launcher uses now, and what interrupted ones have left half-made.

    What is needed later is made again.
    """
    store = Cache(cache)
    freed = removed = kept = 0
    for name in store.names():
        there = store.size(name)
        is_removed = store.remove(name)
        removed += is_removed
        kept += not is_removed
        freed += there if is_removed else 0
        if as_json:
            write_line(json_line({"name": name, "removed": is_removed, "size": there}))
    if not as_json:
        text = f"removed {count(removed, 'entry', 'entries')} ({size(freed)})"
        if kept:
            text += f", kept {kept} in use"
        output_console().print(text, markup=False)
    return 0


def _record(store: Cache, entry: CacheEntry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "kind": entry.kind,
        "path": str(entry.folder),
        "python": entry.record.get("version") or entry.record.get("python"),
        "size": store.size(entry.name),
        "used": entry.used,
        "in_use": store.in_use(entry.name),
        "asked": entry.record.get("asked"),
    }


app.command("list", short_help="List them.")(guarded(listed))
app.command("prune", short_help="Remove those that are not in use.")(guarded(prune))
