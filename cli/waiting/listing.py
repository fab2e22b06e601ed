"""`tamias waiting`: lists the questions that wait for an answer, and what else waits."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.text import Text

from ...agent.errors import InputError
from ...console.values.agent_code import AgentCode
from ...console.values.json_text import given_keys, json_line, key_name, shown_key
from ...launcher.pool.at_end import describe_waiting
from ...store import clock
from ...store.encoding.keys import encode_key
from ...store.records.offsets import RunKind, kind_of, offset_of
from ...store.state.reader import StoreReader
from ...store.state.waiting import all_waiting
from ...store.waiting.records import NEVER
from ..text import (
    date_of,
    duration,
    error_console,
    output_console,
    printable,
    typed,
    write_line,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ...store.state.waiting import WaitingRun, WaitingRuns
    from ...store.waiting.records import OwnedRun, QuestionRecord

_TOGETHER: Final = 200
"""Rows that have columns of one width; more are not kept in memory."""
_LONGEST: Final = 32
_LONGEST_ASK: Final = 80
_DAY: Final = 86_400.0

Row = dict[str, Any]


def waiting(
    state: Annotated[Path, typer.Argument(metavar="STATE_DIR", readable=False)],
    *,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only what has this name (or timer id).")
    ] = None,
    key: Annotated[
        str | None, typer.Option(metavar="KEY", help="Only what waits for this key: text, or JSON.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Suspended runs and timers, too.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines.")] = False,
) -> int:
    """Show the questions that wait for an answer, the oldest first; also while the job runs."""
    now = clock.now()
    with StoreReader(state) as reader, all_waiting(reader) as found:
        rows = _Rows(found, AgentCode(reader.view.manifest), reader.view.manifest.agent, now)
        wanted = _filter(name, key)
        questions = filter(wanted, rows.questions())
        if as_json:
            _write(questions)
            if everything:
                _write(filter(wanted, rows.runs()))
                _write(filter(wanted, rows.timers()))
            return 0
        shown = _print(_question_lines(questions, now), ("token", "name", "key", *_TIMES, "asks"))
        if everything:
            lines = _run_lines(filter(wanted, rows.runs()), now)
            shown += _print(lines, ("run of input", "key", "until", "behind", "failed attempts"))
            lines = _timer_lines(filter(wanted, rows.timers()), now)
            shown += _print(lines, ("timer", "key", "due", "every"))
        counts = found.counts()
        console = error_console()
        if not shown:
            console.print("Nothing waits." if everything else "No question waits for an answer.")
        if counts and (everything or not shown):
            console.print(f"In all, {describe_waiting(counts, now)}.", style="dim", markup=False)
        elif shown:
            console.print(
                f"\nTo answer: tamias answer {typed(state)} TOKEN --json VALUE",
                style="dim",
                markup=False,
            )
    return 0


_TIMES: Final = ("waits", "until")


def _filter(name: str | None, key: str | None) -> Callable[[Row], bool]:
    """What rows are wanted; rows have their encoded key in `encoded`, which is removed."""
    keys = None if key is None else _encoded(key)

    def wanted(row: Row) -> bool:
        encoded = row.pop("encoded")
        return (keys is None or encoded in keys) and (name is None or row["name"] == name)

    return wanted


def _encoded(text: str) -> set[bytes]:
    encoded = set()
    for candidate in given_keys(text):
        try:
            encoded.add(encode_key(candidate))
        except InputError:  # NaN, for example, is no key
            continue
    return encoded


class _Rows:
    """What waits as JSON objects."""

    def __init__(self, found: WaitingRuns, code: AgentCode, agent: str, now: float) -> None:
        self._found = found
        self._code = code
        self._agent = agent
        self._now = now

    def questions(self) -> Iterator[Row]:
        """Yield the open questions."""
        for token, record in self._found.questions():
            yield {"kind": "question", **self._question(token, record)}

    def _question(self, token: str, record: QuestionRecord) -> Row:
        return {
            "token": token,
            "name": record.name,
            "key": shown_key(record.key),
            "ask": self._code.stored(record.ask),
            "asked_at": record.asked_at,
            "deadline": record.deadline,
            "late": record.deadline is not None and record.deadline <= self._now,
            **_source(record.number),
            "agent": self._agent,
            "encoded": record.key,
        }

    def runs(self) -> Iterator[Row]:
        """Yield the suspended runs."""
        for waiting_run in self._found.runs():
            yield self._run(waiting_run)

    def _run(self, waiting_run: WaitingRun) -> Row:
        number, run, woken, behind = waiting_run
        last = run.errors[-1] if run.errors else None
        return {
            "kind": "run",
            "name": run.id or None,
            "key": shown_key(run.key),
            **_source(number, run),
            "until": None if run.due == NEVER else run.due,
            "due": woken or run.due <= self._now,
            "attempts": run.attempts,
            "error": last.error if last else None,
            "error_at": last.at if last else None,
            "behind": behind,
            "encoded": run.key,
        }

    def timers(self) -> Iterator[Row]:
        """Yield the timers."""
        for number, run in self._found.timers():
            yield {
                "kind": "timer",
                "name": run.id or None,
                "id": run.id or None,
                "key": shown_key(run.key),
                **_source(number, run),
                "due": run.due,
                "every": run.every or None,
                "encoded": run.key,
            }


def _source(number: int, run: OwnedRun | None = None) -> Row:
    """What a run is of: an input, by its offset, or a timer or end of the input."""
    kind = RunKind(kind_of(number))
    if kind == RunKind.INPUT:
        offset: int | None = offset_of(number)
    else:
        offset = None if run is None else run.origin
    return {"of": kind.name.lower(), "offset": offset}


def _write(rows: Iterator[Row]) -> None:
    for row in rows:
        write_line(json_line(row))


def _question_lines(rows: Iterator[Row], now: float) -> Iterator[tuple[str, ...]]:
    for row in rows:
        yield (
            row["token"],
            _short(row["name"]),
            _short(key_name(row["key"])),
            _age(max(0.0, now - row["asked_at"])),
            "too late" if row["late"] else _moment(row["deadline"], now),
            _short(json_line(row["ask"]), _LONGEST_ASK),
        )


def _run_lines(rows: Iterator[Row], now: float) -> Iterator[tuple[str, ...]]:
    for row in rows:
        yield (
            _of(row),
            _short(key_name(row["key"])),
            "now" if row["due"] else _moment(row["until"], now),
            f"{row['behind']:,}",
            f"{row['attempts']}, the last: {row['error']}" if row["error"] else "",
        )


def _timer_lines(rows: Iterator[Row], now: float) -> Iterator[tuple[str, ...]]:
    for row in rows:
        yield (
            _short(row["id"] or f"of {_of(row)}"),
            _short(key_name(row["key"])),
            _moment(row["due"], now),
            duration(row["every"]) if row["every"] else "",
        )


def _of(row: Row) -> str:
    """The input that a run is of, or goes back to."""
    if row["of"] == "input":
        return str(row["offset"])
    what = "end" if row["of"] == "end" else "timer"
    return what if row["offset"] is None else f"{row['offset']} ({what})"


def _age(seconds: float) -> str:
    return f"{seconds / _DAY:,.1f} d" if seconds >= _DAY else duration(seconds)


def _moment(moment: float | None, now: float) -> str:
    """A moment, for people; with the date if it is not within a day."""
    if moment is None:
        return "for ever"
    if moment <= now:
        return "now"
    near = moment - now < _DAY
    return date_of(moment, "%H:%M:%S" if near else "%Y-%m-%d %H:%M")


def _short(text: str, longest: int = _LONGEST) -> str:
    text = printable(text)
    return text if len(text) <= longest else text[: longest - 3] + "..."


def _print(lines: Iterator[tuple[str, ...]], titles: tuple[str, ...]) -> int:
    """Print a table, in parts; return how many lines it has without the titles."""
    console = output_console()
    total = 0
    while part := list(islice(lines, _TOGETHER)):
        rows = part if total else [titles, *part]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for number, row in enumerate(rows):
            cells = (f"{cell:{width}}" for cell, width in zip(row, widths, strict=True))
            line = "  ".join(cells).rstrip()
            if not console.is_terminal:
                write_line(line)
                continue
            text = Text(line, style="" if number or total else "dim")
            text.truncate(console.width, overflow="ellipsis")
            console.print(text)
        total += len(part)
    return total
