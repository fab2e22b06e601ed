"""`tamias memory show` and `search`: the items of one memory set."""

from __future__ import annotations

import re
from enum import Enum
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.text import Text

from ...agent.errors import MemorySetError, MissingExtraError, TamiasError, UsageError
from ...console.values.json_text import json_line, shown_key
from ...store import clock
from ...store.memory.opened_set import opened_set
from ...store.sets.index.vectors import pack_vector
from ...store.sets.searching import Query
from ...store.state.reader import StoreReader
from ..text import at_most, count, date_of, error_console, output_console, size, typed, write_line
from .listing import Capacities, model_of, set_row
from .models import AgentModels
from .selection import Key, Shared, Where, filters_of, find_set, shown_place

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ...store.memory.opened_set import SetPlace
    from ...store.sets.records import SetSettings, StoredItem

_LONGEST_ID: Final = 16
_MADE_ID: Final = re.compile("[0-9a-f]{32}")
"""An id that is made for an item which is given none: it says nothing to people."""

Name = Annotated[str, typer.Argument(metavar="NAME", help="The set, as list shows it.")]


class Mode(str, Enum):
    """How a set is searched."""

    AUTO = "auto"
    TEXT = "text"
    VECTOR = "vector"


def show(
    state: Annotated[Path, typer.Argument(metavar="STATE_DIR", readable=False)],
    name: Name,
    *,
    key: Key = None,
    shared: Shared = False,
    where: Where = None,
    limit: Annotated[int, typer.Option(metavar="N", min=0, help="Show so many items.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines.")] = False,
) -> int:
    """Show what a set is, and its first items; also while the job runs."""
    filters = filters_of(where)
    with StoreReader(state) as reader:
        place = find_set(reader, name, key, shared=shared)
        with opened_set(reader, place) as opened:
            row = set_row(place, opened, Capacities(reader.view.manifest.job))
            fitting = opened.items_that_fit(filters, clock.now())
            items = list(islice(fitting, at_most(limit)))
    if as_json:
        for item in items:
            write_line(json_line(item_row(place, item)))
        return 0
    _print_head(place, row)
    _print_items((item, None) for item in items)
    rest = row["items"] - len(items)
    if rest > 0 and not filters:
        error_console().print(
            f"{rest:,} more: --limit {row['items']}, or tamias memory export {typed(state)}",
            style="dim",
            markup=False,
        )
    return 0


def search(
    state: Annotated[Path, typer.Argument(metavar="STATE_DIR", readable=False)],
    name: Name,
    query: Annotated[str, typer.Argument(metavar="QUERY", help="What to look for.")],
    *,
    key: Key = None,
    shared: Shared = False,
    where: Where = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="Find so many items.")] = 10,
    mode: Annotated[
        Mode,
        typer.Option(help="By words, by meaning, or by both as far as that is possible here."),
    ] = Mode.AUTO,
    target: Annotated[
        str | None,
        typer.Option(
            metavar="TARGET", help="The agent with the embedding model, if not on record."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines.")] = False,
) -> int:
    """Search a set, by words and, with the agent's own embedding model, by meaning."""
    if not query.strip():
        raise UsageError("An empty text has no meaning.", hint="Give words to look for.")
    with StoreReader(state) as reader:
        place = find_set(reader, name, key, shared=shared)
        with opened_set(reader, place) as opened:
            settings = opened.settings()
        vector, how = b"", "by words"
        if mode is not Mode.TEXT:
            with AgentModels(reader.view.manifest, target) as models:
                vector, how = _vector(models, place, settings, query, must=mode is Mode.VECTOR)
        wanted = Query(
            "" if mode is Mode.VECTOR else query,
            vector,
            limit,
            filters_of(where),
            half_life=settings.half_life,
            now=clock.now(),
        )
        with opened_set(reader, place) as opened:
            found = opened.find(wanted)
    if as_json:
        for each in found:
            write_line(json_line({**item_row(place, each.item), "score": each.score}))
    else:
        _print_items((each.item, each.score) for each in found)
    searched = shown_place(place)
    error_console().print(
        f"{count(len(found), 'item')} found in {searched}, {how}"
        if found
        else f"Nothing was found in {searched}, {how}.",
        style="dim",
        markup=False,
    )
    return 0


def _vector(
    models: AgentModels, place: SetPlace, settings: SetSettings, query: str, *, must: bool
) -> tuple[bytes, str]:
    """The vector to search for, empty for none; and how the search goes, for people.

    Raises:
        TamiasError: there can be none, and there must be one.
    """
    if not settings.dimensions:
        if must:
            raise UsageError(f"There are no vectors in {shown_place(place)}.")
        return b"", "by words (it has no vectors)"
    try:
        model = models.get(settings.embedding)
        if model.model != settings.model:
            raise MemorySetError(
                f"its vectors are of the model {settings.model!r}, and {model.name!r} is "
                f"{model.model!r} now",
                hint="tamias memory reembed makes them anew.",
            )
        vector = pack_vector(model.embed([query])[0])
        if len(vector) != 2 * settings.dimensions:
            raise MemorySetError(f"{model.name!r} gives vectors of {len(vector) // 2} dimensions")
    except (TamiasError, MissingExtraError, ValueError) as error:
        if must:
            raise
        reason = error.message if isinstance(error, TamiasError) else str(error)
        return b"", f"by words alone: {reason.strip().rstrip('.')}"
    how = "by meaning" if must else "by words and by meaning"
    return vector, f"{how} ({model.name!r}, {settings.model})"


def item_row(place: SetPlace, item: StoredItem) -> dict[str, Any]:
    """An item as a JSON object, without its vector."""
    return {
        "set": place.name,
        "key": None if place.key is None else shown_key(place.key),
        "shared": place.key is None,
        "id": item.id,
        "value": item.value,
        "metadata": item.metadata,
        "created": item.created,
        "accessed": item.accessed,
        "expires": item.expires or None,
        "keep": item.keep,
        "compacted": item.compacted,
        "tokens": item.tokens,
        **({"added_by": shown_key(item.owner)} if item.owner else {}),
    }


def _print_head(place: SetPlace, row: dict[str, Any]) -> None:
    of = f" of {row['capacity']:,}" if row["capacity"] else ""
    facts = [f"{row['items']:,}{of} items", size(row["bytes"]), count(row["tokens"], "token")]
    for name, text in (
        ("", model_of(row)),
        ("ttl ", f"{row['ttl']:g} s" if row["ttl"] else ""),
        ("half-life ", f"{row['half_life']:g} s" if row["half_life"] else ""),
        ("", "compacted by a model" if row["compaction"] else ""),
    ):
        if text:
            facts.append(name + text)
    console = output_console()
    head = shown_place(place).removeprefix("the ")
    console.print(Text(head, style="bold"), end=": ")
    console.print(", ".join(facts), markup=False)


def _print_items(items: Iterable[tuple[StoredItem, float | None]]) -> None:
    """Print an item a line: when it was made, its id if an action has given it one, its value."""
    console = output_console()
    lines = list(_lines(items))
    width = max((len(name) for _, _, name, _, _ in lines), default=0)
    for score, made, name, value, more in lines:
        named = f"{name:{width}}  " if width else ""
        line = Text.assemble((f"{score}{made}  {named}", "dim"), value, (more, "dim"))
        if console.is_terminal:
            line.truncate(console.width, overflow="ellipsis")
            console.print(line)
        else:
            write_line(line.plain)


def _lines(
    items: Iterable[tuple[StoredItem, float | None]],
) -> Iterator[tuple[str, str, str, str, str]]:
    for item, score in items:
        value = item.value
        if isinstance(value, dict) and "role" in value and isinstance(value.get("content"), str):
            value = f"{value['role']}: {value['content']}"
        text = value if isinstance(value, str) and value.isprintable() else json_line(value)
        notes = [json_line(item.metadata)] if item.metadata else []
        notes += ["keep"] * item.keep + ["compacted"] * item.compacted
        if item.owner:
            notes.append(f"of {json_line(shown_key(item.owner))}")
        name = "" if _MADE_ID.fullmatch(item.id) else item.id
        if len(name) > _LONGEST_ID:
            name = f"{name[: _LONGEST_ID - 3]}..."
        yield (
            "" if score is None else f"{score:8.4f}  ",
            date_of(item.created, "%Y-%m-%d %H:%M"),
            "".join(letter if letter.isprintable() else "?" for letter in name),
            text,
            f"  {' '.join(notes)}" if notes else "",
        )
