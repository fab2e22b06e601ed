"""`tamias dead-letters`: list the inputs that were set aside, show one, run them again."""

from __future__ import annotations

import signal
import time
from contextlib import closing, suppress
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from ...agent.errors import UsageError
from ...console.values.agent_code import AgentCode
from ...console.values.json_text import json_line, shown_key
from ...launcher.jobs.exit_codes import DEAD_LETTERS, INTERRUPTED
from ...launcher.jobs.file_job import JobSpec
from ...launcher.jobs.retry import RetryReport, retry_dead_letters
from ...launcher.retries.client import is_running, retry_while_running
from ...store.records.dead_letters import CAUSES
from ...store.records.offsets import RunKind, kind_of
from ...store.state.directory import StateDirectory
from ...store.state.reader import StoreReader
from ..errors import guarded
from ..flags import Quiet
from ..text import at_most, count, error_console, output_console, shown, size, typed, write_line
from ..views.progress import watcher

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...store.records.dead_letters import DeadLetter
    from ...store.state.directory import StateView

_PREVIEW = 2000
"""Characters of a payload that are shown."""
_SEVERAL = 2
_MOST_LISTED = 1000
"""So many are listed for people if they do not ask for more."""

_LONGEST_KEY = 32

State = Annotated[Path, typer.Argument(metavar="STATE_DIR", readable=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def list_letters(
    state: State,
    *,
    cause: Annotated[
        str | None, typer.Option("--cause", metavar="CAUSE", help="Only those of this cause.")
    ] = None,
    after: Annotated[
        int, typer.Option("--after", metavar="OFFSET", min=-1, help="Only those behind this one.")
    ] = -1,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit", metavar="N", min=1, help="At most so many [default: 1000; JSON: all]."
        ),
    ] = None,
    as_json: Json = False,
) -> int:
    """List the inputs that were set aside, by ascending offset."""
    if cause is not None and cause not in CAUSES:
        raise UsageError(
            f"{cause!r} is no cause of dead letters.", hint=f"There are: {', '.join(CAUSES)}."
        )
    with (
        StoreReader(state) as reader,
        closing(reader.dead_letters_after(after, cause=cause)) as letters,
    ):
        found = map(_row, letters)
        most = None if limit is None else at_most(limit)
        if as_json:
            for row in islice(found, most):
                write_line(json_line(row))
            return 0
        rows = list(islice(found, most or _MOST_LISTED))
        more = next(found, None) is not None
        again = not _is_service(reader.view)
    if not rows:
        error_console().print("There are no dead letters.")
        return 0
    console = output_console()
    for line in _table(rows):
        line.truncate(console.width, overflow="ellipsis")
        console.print(line)
    place = typed(state)
    runnable = any(row["cause"] != "bad-input" for row in rows) or more
    again = again and runnable
    rest = f", and more behind them (--after {rows[-1]['offset']})" if more else ""
    error_console().print(
        f"\n{count(len(rows), 'dead letter')}{rest}. To see all of one"
        f"{', to stop where it failed' * runnable}{', or to run them again' * again}:\n"
        f"  tamias dead-letters show {place} OFFSET"
        + f"\n  tamias debug {place} OFFSET" * runnable
        + f"\n  tamias dead-letters retry {place} --all" * again
        + "\nThese cannot be run: repair the lines, and run them as a job of their own."
        * (not runnable),
        style="dim",
        markup=False,
    )
    return 0


def show_letter(
    state: State,
    offset: Annotated[int, typer.Argument(metavar="OFFSET", min=0)],
    *,
    as_json: Json = False,
) -> int:
    """Show all that is known of one: traceback, stacks, the input."""
    with StoreReader(state) as reader:
        found = reader.dead_letter(offset)
        code = AgentCode(reader.view.manifest)
    if found is None:
        raise UsageError(
            f"There is no dead letter of input {offset}.",
            hint=f"tamias dead-letters list {typed(state)} says which there are.",
        )
    _, letter = found
    value = code.payload(letter.codec, letter.payload)
    if as_json:
        more = {
            "recorded_by": letter.recorded_by,
            "recorded": letter.recorded,
            "attempts_errors": letter.attempts_errors,
            "traceback": letter.traceback,
            "stacks": letter.stacks,
            "input": value,
        }
        write_line(json_line({**_row(letter), **more}))
        return 0
    console = output_console()
    for name, text in _facts(letter):
        console.print(f"[dim]{name:11}[/]", end="")
        console.print(text, markup=False)
    for name, text in (
        ("on record", "\n".join(letter.recorded)),
        ("all attempts", _attempts(letter)),
        ("traceback", letter.traceback),
        ("stacks", letter.stacks),
    ):
        if text.strip():
            console.print(f"\n[dim]{name}[/]")
            console.print(text.rstrip(), markup=False)
    console.print("\n[dim]input[/]")
    console.print(_preview(value, len(letter.payload)), markup=False)
    return 0


def retry(
    state: State,
    offsets: Annotated[
        list[int] | None, typer.Argument(metavar="[OFFSET...]", show_default=False)
    ] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a report as JSON.")] = False,
    quiet: Quiet = False,
) -> int:
    """Run inputs again that were set aside, each exactly once.

    What succeeds is a dead letter no more, and its outputs are appended to the job's output. What
    fails again stays one. If the job is running, its workers do it, beside its inputs.
    """
    if every == bool(offsets):
        raise UsageError(
            "No dead letters are named.", hint="Give their offsets, or --all, and not both."
        )
    _refuse_service(state)
    numbers = None if every else offsets
    spec: JobSpec | None = None
    if is_running(state):
        with suppress(UsageError):  # the job of a Python program has no files
            spec = JobSpec.recorded(state)
        report = RetryReport(**retry_while_running(state, numbers), job=None)
    else:
        spec = JobSpec.recorded(state)
        if as_json and spec.output == "-":
            raise UsageError("--json would mix with the outputs on stdout.", hint="Leave it out.")
        with watcher(spec, quiet=quiet) as watch:
            report = retry_dead_letters(spec, state, numbers, on_status=watch.show)
    if as_json:
        fields = asdict(report)
        write_line(
            json_line(
                {"finished": fields.pop("finished"), "revived": fields.pop("succeeded"), **fields}
            )
        )
    if not quiet:
        _print_report(report, spec, state)
    if not report.finished:
        return INTERRUPTED
    return DEAD_LETTERS if report.failed or report.malformed else 0


def _refuse_service(state: Path) -> None:
    """Refuse a service: each submission has one outcome, which was recorded and sent."""
    with StateDirectory.view(state) as view:
        if _is_service(view):
            raise UsageError(
                f"{shown(state)} is a service's, whose clients know of their failures already.",
                hint="Let a client submit such an input again, as a new one; "
                f"tamias dead-letters show {typed(state)} OFFSET --json has it.",
            )


def _is_service(view: StateView) -> bool:
    return "service" in view.manifest.job


def _print_report(report: RetryReport, spec: JobSpec | None, state: Path) -> None:
    console = error_console()
    tried = len(report.succeeded) + len(report.failed) + len(report.waiting)
    if not tried and not report.untried and not report.malformed:
        console.print("There are no dead letters to retry.")
        return
    word = "[bold green]done[/]" if report.finished else "[bold yellow]interrupted[/]"
    console.print(
        f"{word}: {len(report.succeeded):,} of {count(tried, 'retried input')} went through"
    )
    if report.succeeded and spec is not None and spec.output != "-":
        console.print(f"  [dim]outputs:[/] appended to {shown(spec.output)}")
    place = typed(state)
    which = str(report.failed[0]) if len(report.failed) == 1 else "OFFSET"
    for number, text in (
        (len(report.failed), f"failed again: tamias dead-letters show {place} {which}"),
        (len(report.waiting), f"begun, and wait: tamias resume {place} goes on with them"),
        (len(report.untried), "not tried yet: repeat the command"),
        (
            len(report.malformed),
            "malformed, with nothing to run: repair the lines and run them as a job of their own",
        ),
    ):
        if number:
            console.print(f"  {number:,} {text}", markup=False)


def _table(rows: list[dict[str, Any]]) -> Iterator[Text]:
    """Format the rows in columns; the error is last, in full length."""
    cells = [("offset", "tries", "key", "cause", "error")]
    for row in rows:
        of = "" if row["of"] == "input" else f"{_named(row['of'], row['origin'])}: "
        key = row["key"] if isinstance(row["key"], str) else json_line(row["key"])
        if len(key) > _LONGEST_KEY:
            key = key[: _LONGEST_KEY - 3] + "..."
        error = f"{of}{row['error']}"
        cells.append((str(row["offset"]), str(row["attempts"]), key, row["cause"], error))
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for number, (offset, tries, key, cause, error) in enumerate(cells):
        line = (
            f"{offset:>{widths[0]}}  {tries:>{widths[1]}}  {key:{widths[2]}}  {cause:{widths[3]}}"
            f"  {error}"
        )
        yield Text(line, style="" if number else "dim")


def _row(letter: DeadLetter) -> dict[str, Any]:
    """Return the fields of a letter for a list: no payload, no long texts."""
    return {
        "offset": letter.offset,
        "of": _kind(letter),
        "origin": letter.offset if kind_of(letter.offset) == RunKind.INPUT else letter.origin,
        "key": shown_key(letter.key),
        "cause": letter.cause,
        "attempts": letter.attempts,
        "error": letter.error,
        "action": letter.action,
        "signal": letter.signal,
        "retries": letter.retries,
        "generation": letter.generation,
        "worker_pid": letter.worker_pid,
        "at": letter.at,
        "size": len(letter.payload),
    }


def _kind(letter: DeadLetter) -> str:
    """What the letter is of: `input`, `timer` or `end`."""
    return RunKind(kind_of(letter.offset)).name.lower()


def _named(kind: str, origin: int | None) -> str:
    """A run without an input, for people."""
    if kind == "end":
        return "end of the input"
    return "timer" if origin is None else f"timer of input {origin}"


def _facts(letter: DeadLetter) -> Iterator[tuple[str, str]]:
    key = shown_key(letter.key)
    if kind_of(letter.offset) == RunKind.INPUT:
        yield "input", str(letter.offset)
    else:
        yield _kind(letter), f"{letter.offset} ({_named(_kind(letter), letter.origin)})"
    yield "key", key if isinstance(key, str) else json_line(key)
    yield "cause", letter.cause
    yield "error", letter.error
    if letter.action:
        yield "action", letter.action
    if letter.signal:
        yield "signal", f"{letter.signal} ({_signal_name(letter.signal)})"
    yield "attempts", str(letter.attempts)
    if letter.retries:
        yield "retries", str(letter.retries)
    begun = letter.recorded_by is not None and letter.recorded_by != letter.generation
    also = f" (the run was begun by {letter.recorded_by})" if begun else ""
    yield "generation", f"{letter.generation}{also}"
    if letter.worker_pid:
        yield "worker", f"pid {letter.worker_pid}"
    if letter.at:
        yield "at", time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(letter.at))


def _attempts(letter: DeadLetter) -> str:
    """One line for each attempt, if there was more than one."""
    if len(letter.attempts_errors) < _SEVERAL:
        return ""
    return "\n".join(
        f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(each['at']))} {each['of']}:"
        f" {each['error']}"
        for each in letter.attempts_errors
    )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"


def _preview(value: Any, length: int) -> str:
    text = value if isinstance(value, str) else json_line(value)
    if len(text) <= _PREVIEW:
        return text
    return f"{text[:_PREVIEW]}\n... ({size(length)} in all)"


app.command("list")(guarded(list_letters))
app.command("show")(guarded(show_letter))
app.command("retry")(guarded(retry))
