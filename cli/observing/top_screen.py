"""Draws what `tamias top` shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rich.console import Group
from rich.table import Table
from rich.text import Text

from ...console.top.model import ORDERS
from ..text import count, duration, printable, rate, size

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ...console.top.model import PoolView, WorkerRow

__all__ = ["HELP", "pool_screen"]

HELP: Final = f"""\
up, down, j, k   select a worker
s                order: {", ".join(ORDERS)}
c, m, l          order by CPU, memory, lag
enter            look at the worker
t                the stacks of its threads and tasks
p                a profile of five seconds
x                replace the worker by a fresh one, without an interruption
?                this help
q                quit
"""
_KEYS: Final = "s order  enter worker  t stacks  p profile  x swap  ? help  q quit"
_NARROW: Final = 110
_HOT: Final = 5
_FIXED: Final = 5
"""Lines beside the workers: two of the pool, the head of the table, the last two."""


def pool_screen(view: PoolView, width: int, height: int, *, live: bool, note: str = "") -> Group:
    """The pool and its workers in so many columns and lines.

    `live` is for a screen that keys work on; otherwise all workers are shown.
    """
    parts: list[RenderableType] = [*_pool_lines(view)]
    rows = view.rows()
    hot = _hot_keys(view, width)
    room = max(1, height - _FIXED - (1 if hot else 0))
    shown = _visible_rows(rows, view.selected, room) if live else rows
    if rows:
        parts.append(_workers(shown, view, width, live=live))
    if len(shown) < len(rows):
        parts.append(Text(f"{len(shown)} of {len(rows)} workers", style="dim"))
    if hot:
        parts.append(hot)
    if live:
        parts.append(_line(note or _KEYS, "bold" if note else "dim"))
    return Group(*parts)


def _line(text: str, style: str = "") -> Text:
    return Text(printable(text), style=style, no_wrap=True, overflow="ellipsis")


def _pool_lines(view: PoolView) -> list[Text]:
    status = view.status
    if not view.running:
        phase = status.get("phase")
        ended = phase if phase in ("finished", "interrupted", "failed") else "killed"
        what = f"not running: {ended}, {status.get('events', 0):,} inputs done" if status else ""
        return [_line(what or "not running: there is no status", "bold")]
    fraction = status.get("fraction")
    first = [
        f"{status.get('phase')} for {duration(float(status.get('elapsed') or 0.0))}",
        f"{status.get('events', 0):,} inputs done",
        rate(float(status.get("rate") or 0.0)),
    ]
    if fraction and fraction < 1:
        first.append(f"{100 * fraction:.0f} % of the input read")
    if status.get("oldest_age"):
        first.append(f"oldest {duration(status['oldest_age'])}")
    second = [
        count(int(status.get(name) or 0), *words)
        for name, words in _COUNTED.items()
        if status.get(name)
    ]
    if status.get("degraded"):
        second.append(f"degraded: {status['degraded']}")
    lines = [_line(", ".join(first), "bold")]
    if second:
        lines.append(_line(", ".join(second), "yellow" if status.get("degraded") else ""))
    return lines


_COUNTED: Final = {
    "retries": ("retry", "retries"),
    "dead_letters": ("dead letter", "dead letters"),
    "deaths": ("worker death", "worker deaths"),
    "waiting_runs": ("run that waits", "runs that wait"),
    "timers": ("timer", "timers"),
    "questions": ("question", "questions"),
}


def _visible_rows(rows: list[WorkerRow], selected: int | None, room: int) -> list[WorkerRow]:
    """So many rows as there is room for, the selected one among them."""
    if len(rows) <= room:
        return rows
    room = max(1, room - 1)  # a line says that there are more
    place = next((n for n, row in enumerate(rows) if row.slot == selected), 0)
    first = min(max(0, place - room // 2), len(rows) - room)
    return rows[first : first + room]


def _workers(rows: list[WorkerRow], view: PoolView, width: int, *, live: bool) -> Table:
    wide = width >= _NARROW
    table = Table(box=None, padding=(0, 1, 0, 0), expand=live)
    numbers = ["worker", "pid", "CPU", "memory", "inputs"]
    if wide:
        numbers += ["lag", "restarts"]
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("executes", ratio=1, no_wrap=True, overflow="ellipsis")
    for row in rows:
        cells = [
            str(row.slot),
            "" if row.pid is None else str(row.pid),
            "" if row.cpu is None else f"{100 * row.cpu:.0f} %",
            "" if row.rss is None else size(row.rss),
            f"{row.in_flight:,}",
        ]
        if wide:
            cells += [f"{1000 * row.lag:.0f} ms", str(row.restarts) if row.restarts else ""]
        is_selected = live and row.slot == view.selected
        style = "reverse" if is_selected else _style(row)
        table.add_row(*cells, _what(row, view.seen_at), style=style)
    return table


def _style(row: WorkerRow) -> str:
    if row.held:
        return "yellow"
    return "" if row.state == "ready" else "dim"


def _what(row: WorkerRow, now: float) -> Text:
    """What a worker does, in one line."""
    if row.held:
        return _line(row.held)
    if row.state != "ready":
        died = f" after: {row.last_death}" if row.last_death else ""
        return _line(f"{row.state}{died}")
    if not row.executing:
        return _line("" if not row.in_flight else "waits")
    more = f" and {len(row.executing) - 1} more" if len(row.executing) > 1 else ""
    oldest = min(row.executing, key=lambda each: each.get("since") or float("inf"))
    return _line(_run(oldest, now) + more)


def _run(each: dict[str, Any], now: float) -> str:
    parts = [str(each.get("action") or "input"), str(each.get("key") or each.get("offset"))]
    if each.get("since"):
        parts.append(f"for {duration(max(0.0, now - each['since']))}")
    return " ".join(parts)


def _hot_keys(view: PoolView, width: int) -> Text | None:
    keys = (view.status.get("hot_keys") or [])[:_HOT] if view.running else []
    if not keys:
        return None
    named = ", ".join(f"{printable(key)} {number:,}" for key, number in keys)
    return Text(f"keys by use: {named}"[: width or None], no_wrap=True, overflow="ellipsis")


def worker_text(row: WorkerRow, now: float, seen_at: float) -> str:
    """All that is known of one worker, line by line; `seen_at` is when it was so."""
    lines = [
        f"worker {row.slot}, process {row.pid}: {row.state}",
        f"generation {row.generation}, {count(row.shards, 'shard')}",
        f"CPU {'' if row.cpu is None else f'{100 * row.cpu:.0f} % of a core'}",
        f"memory {size(row.rss or 0)}, its own {size(row.own or 0)}",
        f"event loop late by {1000 * row.lag:.0f} ms",
        f"{count(row.in_flight, 'input')} sent to it",
        f"{row.queued:,} have not begun, with those that wait to be sent",
    ]
    if row.held:
        lines.append(f"held: {row.held}")
    if row.restarts:
        ago = duration(max(0.0, now - row.last_death_at)) if row.last_death_at else "?"
        lines.append(f"{count(row.restarts, 'restart')}; {ago} ago: {row.last_death}")
    lines += ["", *(_run(each, seen_at) for each in row.executing)]
    return "\n".join(lines) + "\n"
