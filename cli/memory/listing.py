"""`tamias memory list`: which memory sets there are, and how large they are."""

from __future__ import annotations

from enum import Enum
from heapq import nlargest
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ...agent.config.configuration import Configuration
from ...agent.config.memory_options import LongTermMemoryOptions
from ...agent.errors import ConfigError
from ...console.values.json_text import json_line, key_name, plain
from ...launcher.reload import generation_record
from ...store.encoding.keys import decode_key
from ...store.memory.set_reader import description
from ...store.state.reader import StoreReader
from ..text import at_most, count, error_console, output_console, size, typed, write_line
from ..views.fitting import Column, FittingTable
from .selection import chosen_sets

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ...store.memory.opened_set import OpenedSet, SetPlace

Row = dict[str, Any]
_COLUMNS: Final = (
    Column("set"),
    Column("key"),
    Column("items", is_number=True),
    Column("of", is_number=True, rank=4),
    Column("size", is_number=True, rank=1),
    Column("tokens", is_number=True, rank=3),
    Column("model", rank=2),
)
_LONGEST_KEY: Final = 40


class Order(str, Enum):
    """What a list of sets is sorted by."""

    KEY = "key"
    ITEMS = "items"
    BYTES = "bytes"
    TOKENS = "tokens"


def list_sets(
    state: Annotated[Path, typer.Argument(metavar="STATE_DIR", readable=False)],
    *,
    name: Annotated[
        str | None, typer.Option("--set", metavar="NAME", help="Only sets of this name.")
    ] = None,
    key: Annotated[
        str | None, typer.Option("--key", metavar="KEY", help="Only sets of this key.")
    ] = None,
    shared: Annotated[
        bool, typer.Option("--shared", help="Only sets that all keys share.")
    ] = False,
    order: Annotated[
        Order, typer.Option("--sort", help="By key, or the largest first.")
    ] = Order.KEY,
    limit: Annotated[int, typer.Option(metavar="N", min=0, help="Show so many sets.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines, of all sets.")] = False,
) -> int:
    """List the memory sets, with their sizes; also while the job runs."""
    listed = _Listed()
    with StoreReader(state) as reader:
        capacities = Capacities(reader.view.manifest.job)
        found = chosen_sets(reader, name=name, key=key, shared=shared)
        rows = listed.counted(set_row(place, opened, capacities) for place, opened in found)
        if order is not Order.KEY:
            most = None if as_json else limit
            rows = iter(_largest(rows, order, most))
        if as_json:
            for row in rows:
                write_line(json_line(row))
            return 0
        shown = list(islice(rows, at_most(limit)))
        for _ in rows:
            pass  # they are counted
    if listed.sets:
        _print(shown, listed, state)
    else:
        everything = name is None and key is None and not shared
        error_console().print(
            "There are no memory sets." if everything else "There are no such memory sets."
        )
    return 0


def _largest(rows: Iterator[Row], order: Order, most: int | None) -> list[Row]:
    """The largest ones, in bounded memory if not all are wanted."""

    def by_size(row: Row) -> int:
        return int(row[order.value])

    if most is None:
        return sorted(rows, key=by_size, reverse=True)
    return nlargest(most, rows, key=by_size)


class _Listed:
    """What has been listed: how many sets there are, and what they are together."""

    def __init__(self) -> None:
        self.sets = self.items = self.size = 0

    def counted(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The same rows, counted while they are taken."""
        for row in rows:
            self.sets += 1
            self.items += row["items"]
            self.size += row["bytes"]
            yield row


class Capacities:
    """The capacity of sets for which none is laid down: that of the job's options."""

    def __init__(self, job: dict[str, Any]) -> None:
        """`job` is that of the manifest."""
        self._most: int | None = LongTermMemoryOptions.MAX_ITEMS.default
        for spec in generation_record.specs(job).values():
            try:
                config = Configuration(spec.get("config") or {})
                self._most = config.get(LongTermMemoryOptions.MAX_ITEMS)
            except ConfigError:  # of another version
                self._most = None

    def of(self, row: Row) -> int | None:
        """How many items a set may have; None if that is not known."""
        if row["capacity"]:
            return int(row["capacity"])
        return None if row["shared"] else self._most  # of a shared set, each shard has one


def set_row(place: SetPlace, opened: OpenedSet, capacities: Capacities) -> Row:
    """A set as a JSON object."""
    key = None if place.key is None else plain(decode_key(place.key))
    row = {"name": place.name, "key": key, **description(place, opened)}
    return {**row, "capacity": capacities.of(row)}


def model_of(row: Row) -> str:
    """The embedding model of a set, for people; empty for none."""
    if row["dimensions"]:
        return f"{row['model']} ({row['dimensions']} dimensions)"
    return f"{row['embedding']} (no vectors yet)" if row["embedding"] else ""


def _print(rows: list[Row], listed: _Listed, state: Path) -> None:
    table = FittingTable(_COLUMNS)
    for row in rows:
        key = "shared" if row["shared"] else key_name(row["key"])
        table.add_row(
            _short(row["name"]),
            _short(key),
            f"{row['items']:,}",
            "" if row["capacity"] is None else f"{row['capacity']:,}",
            size(row["bytes"]),
            f"{row['tokens']:,}",
            model_of(row),
        )
    if rows:
        output_console().print(table)
    console = error_console()
    first = f"the first {len(rows):,} of " if listed.sets > len(rows) > 0 else ""
    console.print(
        f"{first}{count(listed.sets, 'set')}, {count(listed.items, 'item')}, {size(listed.size)}",
        style="dim",
        markup=False,
    )
    console.print(
        f"The items of one: tamias memory show {typed(state)} NAME --key KEY",
        style="dim",
        markup=False,
    )


def _short(text: str) -> str:
    text = "".join(letter if letter.isprintable() else "?" for letter in text)
    return text if len(text) <= _LONGEST_KEY else text[: _LONGEST_KEY - 3] + "..."
