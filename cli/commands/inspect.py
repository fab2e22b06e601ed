"""`tamias inspect`: shows the content of a state directory, also while workers write to it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer
from rich.markup import escape

from ...agent.errors import UsageError
from ...console.values.agent_code import AgentCode
from ...console.values.json_text import given_keys, json_line, key_name, plain
from ...launcher.delivery.checkpoint import Checkpoint
from ...launcher.pool.at_end import describe_waiting
from ...store import clock
from ...store.encoding.keys import decode_key
from ...store.shard.live_fields import LiveFields
from ...store.state.reader import StoreReader
from ...store.state.stored_keys import keys_in
from ...store.state.waiting import waiting_counts
from ..memory.summary import described_set, described_sets, sets_in_all, sets_of_key
from ..text import count, error_console, output_console, shown, size, typed, write_line
from ..views.fitting import folded
from ..waiting.of_key import as_tree, what_waits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from ...store.state.directory import StateView

_NARROWEST = 20
"""Columns for a value, at least."""
_LONGEST = 200
"""Characters of a value that are shown in a tree."""


def inspect(
    state: Annotated[Path, typer.Argument(metavar="STATE_DIR", readable=False)],
    *,
    key: Annotated[
        str | None,
        typer.Option(
            metavar="KEY", help="Show this key's memory. Text, or JSON: 42, true, null, '\"null\"'."
        ),
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=0, help="Show so many keys.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Show the state of a job, or the memory of a key and what waits; also while it runs."""
    with StoreReader(state) as reader:
        if key is None:
            _overview(reader, limit, as_json=as_json)
        else:
            for found in _find(reader, key):
                _print_memory(found, as_json=as_json)
    return 0


class _KeyMemory(NamedTuple):
    """What there is of a key."""

    key: Any
    short_term: dict[str, Any] | None
    long_term: dict[str, Any]
    """Its memory sets, by name."""
    waiting: dict[str, Any]

    def __bool__(self) -> bool:
        return self.short_term is not None or bool(self.long_term or self.waiting)


def _print_memory(found: _KeyMemory, *, as_json: bool) -> None:
    key = plain(found.key)
    if as_json:
        row = {"key": key, "short_term": found.short_term or {}}
        more = {"long_term": found.long_term, "waiting": found.waiting}
        write_line(json_line({**row, **{name: part for name, part in more.items() if part}}))
        return
    console = output_console()
    width = console.width if console.is_terminal else 0
    console.print(f"[bold]{escape(key_name(key))}[/]")
    _print_tree(found.short_term or {}, console, width)
    if found.long_term:
        console.print("[bold]memory sets[/]")
        for guide, name, _ in _branches(dict.fromkeys(found.long_term, 0)):
            head = f"[dim]{guide}[/]{_escaped(name)} [dim]=[/] "
            console.print(head + escape(described_set(found.long_term[name])))
    if found.waiting:
        console.print("[bold]waiting[/]")
        _print_tree(as_tree(found.waiting), console, width)


def _print_tree(memory: dict[str, Any], console: Console, width: int) -> None:
    for guide, name, text in _branches(memory):
        head = f"{_escaped(name)} [dim]=[/] " if text else f"[bold]{_escaped(name)}[/]"
        first, *more = _lines(text, len(guide) + len(name) + len(" = "), width)
        console.print(f"[dim]{guide}[/]{head}{escape(first)}")
        for line in more:
            console.print(f"[dim]{_below(guide)}[/]    {escape(line)}")


def _lines(text: str, before: int, width: int) -> list[str]:
    """Break a value into lines for a terminal; `before` columns are used on the first one."""
    return folded(text, max(width - before, _NARROWEST)) if width else [text]


def _find(reader: StoreReader, text: str) -> list[_KeyMemory]:
    """Return the keys that a text means, with what there is of them.

    They are two if there is a text of that name, and a value that is written so in JSON.
    """
    code = AgentCode(reader.view.manifest)
    found = [
        _KeyMemory(
            key,
            reader.memory(key, code.stored),
            sets_of_key(reader, key),
            what_waits(reader, key, code),
        )
        for key in given_keys(text)
    ]
    known = list(filter(None, found))
    if known:
        return known
    raise UsageError(
        f"There is no memory of a key {text!r}.",
        hint=f"tamias inspect {typed(reader.view.path)} shows some of the keys that there are.",
    )


def _branches(memory: dict[str, Any], above: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield the lines of a tree: the guide, the field's name, and its value; empty for objects."""
    for number, (name, value) in enumerate(memory.items()):
        is_last = number + 1 == len(memory)
        guide = above + ("└── " if is_last else "├── ")
        if isinstance(value, dict) and value:
            yield guide, name, ""
            yield from _branches(value, _below(guide))
        else:
            text = json_line(value)
            if len(text) > _LONGEST:
                text = f"{text[:_LONGEST]} ... ({len(text):,} characters)"
            yield guide, name, text


def _below(guide: str) -> str:
    """Return the guide of the lines below a line."""
    return guide[:-4] + ("    " if guide.endswith("└── ") else "│   ")


def _escaped(name: Any) -> str:
    return escape(name if isinstance(name, str) else json_line(name))


def _overview(reader: StoreReader, limit: int, *, as_json: bool) -> None:
    view = reader.view
    record = view.progress.load()
    totals = Checkpoint() if record is None else Checkpoint.load(record)
    keys, first = _keys(reader, limit)
    counts = reader.counts()
    journal = reader.interrupted()
    waiting = waiting_counts(reader)
    overview: dict[str, Any] = {
        "state": str(view.path),
        "agent": view.manifest.agent,
        "durability": view.manifest.durability,
        "shards": view.manifest.shards,
        "tamias": view.manifest.tamias,
        "launcher": view.launcher_pid(),
        "inputs_done": totals.totals.events,
        "outputs": totals.totals.outputs,
        "keys": keys,
        "fields": _fields(reader),
        "unfinished_runs": sorted(journal)[:limit],
        "unfinished": len(journal),
        "journal_records": counts["journal"],
        "outbox_records": counts["outbox"],
        "dead_letters": counts["dead"],
        "waiting_runs": waiting.runs,
        "waiting_inputs": waiting.inputs,
        "timers": waiting.timers,
        "questions": waiting.questions,
        "long_term": sets_in_all(reader),
        "next_due": waiting.next,
        "bytes": _bytes(view),
        "first_keys": first,
    }
    if as_json:
        write_line(json_line(overview))
    else:
        _print(overview, describe_waiting(waiting, clock.now()) if waiting else "", view)


def _keys(reader: StoreReader, limit: int) -> tuple[int, list[Any]]:
    """Return the number of keys with memory, and the first of them."""
    keys = 0
    first: list[Any] = []
    for number in range(reader.view.manifest.shards):
        with reader.shard(number) as snapshot:
            for key in keys_in(snapshot) if snapshot is not None else ():
                keys += 1
                if len(first) < limit:
                    first.append(plain(decode_key(key)))
    return keys, first


def _fields(reader: StoreReader) -> int:
    """Return the number of fields of short-term memory, without what has expired."""
    fields = 0
    for number in range(reader.view.manifest.shards):
        with reader.shard(number) as snapshot:
            fields += LiveFields(snapshot).count() if snapshot is not None else 0
    return fields


def _print(overview: dict[str, Any], waiting: str, view: StateView) -> None:
    console = output_console()
    pid = overview["launcher"]
    rows = [
        ("agent", overview["agent"]),
        ("state", f"{shown(view.path)} ({size(overview['bytes'])})"),
        ("", f"durability {overview['durability']}, {count(overview['shards'], 'shard')}"),
        ("launcher", f"running (pid {pid})" if pid else "not running"),
        (
            "done",
            f"{count(overview['inputs_done'], 'input')}, {count(overview['outputs'], 'output')}",
        ),
        ("memory", f"{count(overview['keys'], 'key')}, {count(overview['fields'], 'field')}"),
        *([("sets", described_sets(sets))] if (sets := overview["long_term"])["sets"] else []),
        ("journal", _journal(overview)),
        ("outbox", count(overview["outbox_records"], "record")),
        ("dead letters", f"{overview['dead_letters']:,}"),
        *([("waiting", waiting)] if waiting else []),
    ]
    for name, text in rows:
        console.print(f"[dim]{name:13}[/]{escape(text)}")
    if overview["first_keys"]:
        rest = overview["keys"] - len(overview["first_keys"])
        more = f" and {rest:,} more" if rest else ""
        keys = ", ".join(escape(key_name(key)) for key in overview["first_keys"])
        console.print(f"[dim]{'keys':13}[/]{keys}{more}")
        error_console().print(
            f"A key's memory: tamias inspect {typed(view.path)} --key KEY", style="dim"
        )


def _journal(overview: dict[str, Any]) -> str:
    if not overview["unfinished"]:
        return "no unfinished runs"
    listed = overview["unfinished_runs"]
    more = ", ..." if overview["unfinished"] > len(listed) else ""
    inputs = ", ".join(map(str, listed)) + more
    return (
        f"{count(overview['unfinished'], 'unfinished run')} (inputs {inputs}), "
        f"{count(overview['journal_records'], 'record')}"
    )


def _bytes(view: StateView) -> int:
    """Return the bytes of the directory on disk, which are fewer than its sparse files' sizes."""
    total = 0
    for path in view.path.rglob("*"):
        try:
            total += path.stat().st_blocks * 512
        except OSError:
            continue  # it was a temporary file
    return total
