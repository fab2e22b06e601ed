"""`tamias profile`: shows where the workers of a job spend their time."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ...agent.config.values import parse_duration
from ...agent.errors import UsageError
from ...console.profiles.collecting import Wanted, ask_workers, joined, recorded
from ...console.profiles.flame_graph import as_page
from ...console.profiles.formats import as_chrome, as_collapsed, as_speedscope, frame_text
from ...store.state.directory import StateDirectory
from ...worker.profiling.profile import Profile
from ...worker.profiling.sampler import IDLE
from ..text import duration, error_console, output_console, write_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...store.state.directory import StateView
    from ...worker.profiling.recording import Stretch

_MODES: Final = ("wall", "cpu", "await")
_FORMATS: Final = ("text", "speedscope", "html", "collapsed", "chrome", "json")
_ENDINGS: Final = {
    ".html": "html",
    ".txt": "collapsed",
    ".folded": "collapsed",
    ".cpuprofile": "chrome",
    ".json": "speedscope",
}
_SHOWN: Final = 15


def profile(
    state: Annotated[Path, typer.Argument(metavar="STATE_DIR")],
    *,
    seconds: Annotated[
        str, typer.Option("--seconds", metavar="T", help="For how long to look.")
    ] = "10",
    last: Annotated[
        str | None,
        typer.Option("--last", metavar="T", help="What was recorded in the last T instead."),
    ] = None,
    worker: Annotated[int | None, typer.Option(metavar="N", help="Only this worker.")] = None,
    action: Annotated[str, typer.Option(metavar="NAME", help="Only this action.")] = "",
    mode: Annotated[
        str,
        typer.Option(
            metavar="wall|cpu|await",
            help="Time that passes, CPU time, or what tasks wait for.",
        ),
    ] = "wall",
    hz: Annotated[float, typer.Option(metavar="N", help="Samples a second.")] = 100.0,
    form: Annotated[
        str | None, typer.Option("--format", metavar="FORMAT", help=", ".join(_FORMATS))
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write it; the ending says as what."),
    ] = None,
    diff: Annotated[
        Path | None,
        typer.Option("--diff", metavar="FILE", help="Compare with one that was written as json."),
    ] = None,
) -> int:
    """Show where the workers of a job spend their time: now, or in the last hour."""
    chosen = _format(form, output)
    _check_one_of("mode", mode, _MODES)
    if not 0 < hz <= 1000:
        raise UsageError(f"--hz {hz:g} is not possible: 1 to 1000 samples a second.")
    with StateDirectory.view(state) as view:
        if last is not None:
            if mode == "await":
                raise UsageError(
                    "What tasks wait for is not recorded.", hint="Leave --last out, to look now."
                )
            now = time.time()
            stretches: Sequence[Stretch] = recorded(view, now - _seconds("last", last), now, worker)
        else:
            wanted = Wanted(_seconds("seconds", seconds), hz, worker, action, mode == "await")
            stretches = _ask(view, wanted)
    found = joined(stretches, mode, action)
    before = _read(diff) if diff is not None else None
    title = _title(state, stretches, mode, action)
    text = _written(chosen, found, title, before)
    if output is not None:
        output.write_text(text)
        write_line(f"{title}: {output}")
    elif chosen == "text":
        output_console().print(text, markup=False, highlight=False, end="")
    else:
        write_line(text.rstrip("\n"))
    return 0


def _ask(view: StateView, wanted: Wanted) -> Sequence[Stretch]:
    console = error_console()
    with console.status(f"looking for {duration(wanted.seconds)}"):
        stretches, silent, outside = ask_workers(view, wanted)
    for slot, why in outside.items():
        if why:
            text = f"worker {slot} was looked at from outside, by py-spy: {why}"
            console.print(text, markup=False, highlight=False)
    for slot, why in silent.items():
        console.print(f"worker {slot} gave no answer: {why}", markup=False, highlight=False)
    if not stretches:
        raise UsageError(
            "No worker has answered.",
            hint="tamias stacks shows what can be seen of them, tamias logs what they print.",
        )
    return stretches


def _title(state: Path, stretches: Sequence[Stretch], mode: str, action: str) -> str:
    workers = len({stretch.slot for stretch in stretches})
    seconds = sum(stretch.seconds for stretch in stretches)
    samples = sum(stretch.count for stretch in stretches)
    of = f" of action {action}" if action else ""
    many = "1 worker" if workers == 1 else f"{workers} workers"
    return f"{state.name}: {mode} profile{of}, {many}, {seconds:.0f} s, {samples:,} samples"


def _written(chosen: str, found: Profile, title: str, before: Profile | None) -> str:
    if chosen == "html":
        return as_page(found, title, before)
    if chosen == "json":
        return json.dumps({"title": title, **found.to_json()}) + "\n"
    if chosen == "collapsed":
        return as_collapsed(found)
    if chosen == "speedscope":
        return as_speedscope(found, title) + "\n"
    if chosen == "chrome":
        return as_chrome(found) + "\n"
    return _table(found, title, before)


def _table(found: Profile, title: str, before: Profile | None) -> str:
    """The functions that have taken most, as text."""
    busy = found.without(IDLE)
    lines = [title]
    total = busy.total
    if not total:
        return f"{title}\nnothing was executed: the workers have waited for work\n"
    if found.total:
        lines.append(f"busy {100 * total / found.total:.0f} % of the time of all threads")
    own, inclusive = busy.own(), busy.inclusive()
    old_busy = before.without(IDLE) if before is not None else None
    old = old_busy.own() if old_busy is not None else {}
    old_total = (old_busy.total if old_busy is not None else 0.0) or 1.0
    lines += [
        "",
        "   own   with inner  function"
        if before is None
        else "   own  before  with inner  function",
    ]
    for frame in sorted(own, key=lambda each: -own[each])[:_SHOWN]:
        shares = f"{100 * own[frame] / total:5.1f} %"
        if before is not None:
            shares += f" {100 * old.get(frame, 0.0) / old_total:5.1f} %"
        lines.append(f"{shares}  {100 * inclusive[frame] / total:8.1f} %  {frame_text(frame)}")
    actions = {frame: value for frame, value in inclusive.items() if not frame.file}
    lines += ["", "   time  of"]
    for frame in sorted(actions, key=lambda each: -actions[each])[:_SHOWN]:
        lines.append(f"{100 * actions[frame] / total:5.1f} %  {frame.name}")
    return "\n".join(lines) + "\n"


def _read(path: Path) -> Profile:
    try:
        found: Any = json.loads(path.read_text())
        return Profile.from_json(found)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise UsageError(
            f"{path} is no profile that can be compared with.",
            hint="Write one with --format json --output FILE.",
        ) from error


def _format(form: str | None, output: Path | None) -> str:
    if form is None:
        return "text" if output is None else _ENDINGS.get(output.suffix, "speedscope")
    return _check_one_of("format", form, _FORMATS)


def _check_one_of(option: str, value: str, allowed: Sequence[str]) -> str:
    if value not in allowed:
        raise UsageError(f"--{option} {value} is unknown.", hint=f"Known: {', '.join(allowed)}.")
    return value


def _seconds(option: str, text: str) -> float:
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise UsageError(f"--{option} {text}: {error}") from error
    if not 0 < seconds <= 3600:
        raise UsageError(f"--{option} {text} is not possible: more than 0, up to an hour.")
    return seconds
