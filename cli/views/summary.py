"""The summary at the end of a job: its counts, its files, and what to do next."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ...launcher.pool.at_end import describe_waiting
from ...store import clock
from ..text import count, duration, error_console, rate, shown, size, typed

if TYPE_CHECKING:
    from rich.console import Console

    from ...launcher.jobs.file_job import JobSpec
    from ...launcher.jobs.report import Report
    from ..paths import StatePlace


_MOST: Final = 4
"""Things that a list names, and kinds of failures."""


def how_to_go_on(spec: JobSpec, state: StatePlace) -> str:
    """Return a sentence on how to resume an interrupted or failed job."""
    feed = " with the same input on stdin" if spec.input == "-" else ""
    return f"To carry on{feed}: tamias resume {typed(state.path)}"


def job_ended(spec: JobSpec, state: StatePlace, report: Report, *, quiet: bool) -> None:
    """Print on stderr how a run of a job has ended; if `quiet`, only what is left to do."""
    console = error_console()
    if not quiet:
        _print_summary(console, spec, state, report)
    if report.left:
        console.print(
            f"{report.left} When it is completed, the same command reads it.", markup=False
        )
    if report.changed and report.finished and report.events == report.resumed_at:
        console.print(
            f"Changed since it was done: {_files(report.changed)}. What is done is not done again; "
            "--fresh begins anew.",
            markup=False,
        )
    if not report.finished:
        console.print(f"Nothing is lost. {how_to_go_on(spec, state)}", markup=False)
    if report.finished and report.waiting:
        console.print(
            f"{describe_waiting(report.waiting, clock.now())}; "
            + (
                f"tamias resume {typed(state.path)} carries on."
                if state.is_kept
                else "they are lost with the temporary state."
            ),
            markup=False,
        )
    if report.dead_letters:
        are = "input is" if report.dead_letters == 1 else "inputs are"
        console.print(
            f"{report.dead_letters:,} {are} in the dead letters: "
            f"tamias dead-letters list {typed(state.path)}",
            markup=False,
        )


def _files(changed: list[str]) -> str:
    names = [shown(name) if name.startswith("/") else name for name in changed]
    return ", ".join(names[:_MOST]) + (" ..." if len(names) > _MOST else "")


def _print_summary(console: Console, spec: JobSpec, state: StatePlace, report: Report) -> None:
    console.print(f"{_outcome(report)}{figures(report)}")
    for text in remarks(report):
        console.print(f"  {text}", style="yellow", markup=False)
    if spec.output != "-":
        _line(console, "outputs", f"{shown(spec.output)} ({count(report.outputs, 'line')})")
    if state.is_kept:
        _line(console, "state", shown(state.path))
    if report.log:
        _line(console, "log", _log(Path(report.log), state))


def _log(log: Path, state: StatePlace) -> str:
    if not state.is_kept:
        return "deleted with the temporary state; --logs shows what the workers print"
    try:
        length = f" ({size(log.stat().st_size)})"
    except OSError:
        length = ""
    return f"{shown(log)}{length}"


def _outcome(report: Report) -> str:
    if not report.finished:
        return "[bold yellow]interrupted[/]"
    if report.waiting:
        return "[bold yellow]waiting[/]"
    return "[bold red]failed[/]" if all_failed(report) else "[bold green]done[/]"


def all_failed(report: Report) -> bool:
    """Whether a run of a job has done inputs, and none of them has succeeded."""
    return 0 < report.events - report.resumed_at <= report.failed


def remarks(report: Report) -> list[str]:
    """Return lines on what a run of a job has met: kinds of failures, and warnings."""
    warnings = [
        f"warning: {text}" + (f" ({times:,} times)" if times > 1 else "")
        for text, times in report.notices.items()
    ]
    return [*failures(report.failures, report.failed), *warnings]


def failures(kinds: dict[str, list[Any]], total: int = 0) -> list[str]:
    """Return a line for each of the most frequent kinds of failure, with its first input.

    `total` inputs have failed; the kinds that a dead worker had not reported yet are unknown.
    """
    lines = []
    for kind, (number, offset, error) in list(kinds.items())[:_MOST]:
        name, _, rest = kind.partition(" (")
        place = rest.removesuffix(")") if ": " not in name else ""  # else a text of the launcher
        at = f" ({shown(place)})" if place else ""
        first = "" if offset is None else f", first input {offset}"
        lines.append(f"{number:,} failed{first}: {error}{at}")
    numbers = [number for number, _, _ in kinds.values()]
    left = max(total, sum(numbers)) - sum(numbers[:_MOST])
    return [*lines, f"{left:,} failed otherwise"] if left else lines


def _done(report: Report, done: int) -> str:
    inputs = count(done, "input")
    if report.finished and report.waiting:
        inputs += " done"
    if report.failed > done:  # timers have failed, too
        return f"{inputs}, {count(report.failed, 'failure')}"
    return f"{report.failed:,} of {inputs}" if all_failed(report) else inputs


def figures(report: Report) -> str:
    """Return the counts of a run of a job, to follow the word for how it has ended."""
    done = report.events - report.resumed_at
    if report.finished and not done and report.resumed_at:
        inputs = count(report.events, "input")
        if report.waiting:
            return f": {inputs} done before; nothing is due"
        return f" before: {inputs}; nothing is new"
    parts = [f"{_done(report, done)} in {duration(report.seconds)}"]
    if report.seconds > 0 and done:
        parts[0] += f" ({rate(done / report.seconds)})"
    if report.resumed_at:
        parts.append(f"{report.events:,} with earlier lives")
    if report.retries:
        parts.append(count(report.retries, "retry", "retries"))
    if report.deaths:
        parts.append(count(report.deaths, "worker death"))
    if report.requeued:
        parts.append(f"{report.requeued:,} requeued")
    if report.failed and not all_failed(report):
        parts.append(f"{report.failed:,} failed")
    if report.ignored:
        parts.append(f"{report.ignored:,} ignored")
    return f": {', '.join(parts)}"


def _line(console: Console, name: str, text: str) -> None:
    console.print(f"  [dim]{name + ':':9}[/]", end="")
    console.print(text, markup=False)
