"""`tamias limits`: shows what calls with limits have used, and how their limits stand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...agent.errors import InputError
from ...console.usage.rows import configured_limits, usage_row, usage_rows
from ...console.values.json_text import given_keys, json_line
from ...store.encoding.keys import encode_key, shard_of
from ...store.records.usage import NO_USE, key_name
from ...store.state.reader import StoreReader
from ..text import error_console, output_console, write_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...agent.limits.settings import Limits
    from ...store.records.usage import Use


def limits(
    state: Annotated[Path, typer.Argument(metavar="STATE_DIR", readable=False)],
    *,
    key: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="What calls of this key have used: text, or JSON."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines.")] = False,
) -> int:
    """Show what calls with limits have used in all, of what budget; also while the job runs."""
    with StoreReader(state) as reader:
        configured = configured_limits(reader.view.manifest.job)
        if key is not None:
            rows = _of_key(reader, configured, key)
        else:
            running = reader.view.launcher_pid() is not None
            status = (reader.view.status() or {}).get("limits") if running else None
            rows = usage_rows(reader.usage(), configured, status or {})
    if as_json:
        for row in rows:
            write_line(json_line(row))
    elif rows:
        _print(rows)
    else:
        error_console().print("No call has had a limit.")
    return 0


def _of_key(reader: StoreReader, configured: Limits, key: str) -> list[dict[str, Any]]:
    """What calls of a key have used, under limits that have a budget for each key."""
    rows = []
    for name, limit in sorted(configured.per_key.items()):
        if limit.is_budget:
            uses = (_use_of_key(reader, name, candidate) for candidate in given_keys(key))
            rows.append(usage_row(name, max(uses, default=NO_USE), limit))
    return rows


def _use_of_key(reader: StoreReader, name: str, key: Any) -> Use:
    try:
        encoded = encode_key(key)
    except InputError:  # NaN, for example, is no key
        return NO_USE
    with reader.shard(shard_of(encoded, reader.view.manifest.shards)) as snapshot:
        return NO_USE if snapshot is None else snapshot.usage_of(key_name(name, encoded))


def _print(rows: list[dict[str, Any]]) -> None:
    lines = [("limit", "tokens", "spent", "now")]
    lines += [
        (
            row["limit"],
            _of(f"{row['tokens']:,}", row["budget_tokens"], ","),
            _of(f"{row['spent']:.6g}", row["budget"], ".6g"),
            _now(row),
        )
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    console = output_console()
    for number, line in enumerate(lines):
        text = "  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True))
        if console.is_terminal:
            console.print(text.rstrip(), style="" if number else "dim", markup=False)
        else:
            write_line(text.rstrip())


def _of(used: str, budget: float | None, form: str) -> str:
    return used if budget is None else f"{used} of {budget:{form}}"


def _now(row: dict[str, Any]) -> str:
    """How a limit of a running pool stands."""
    if "granted" not in row:
        return ""
    parts: Iterable[str] = (
        f"{row['granted']:,} granted",
        f"{row['active']:,} under way",
        f"{row['waiting']:,} waiting",
        f"breaker {row['breaker']}" if row["breaker"] != "closed" else "",
    )
    return ", ".join(part for part in parts if part)
