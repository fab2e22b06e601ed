"""`tamias profile`: shows where the workers of a job spend their time, or their memory."""

from __future__ import annotations

import json
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NamedTuple

import typer

from ...agent.config.values import parse_duration
from ...agent.errors import InputError, UsageError
from ...console.profiles.collecting import Wanted, ask_workers, joined, recorded
from ...console.profiles.memory import MEMORY_MODES, profile_of_file, track_memory
from ...console.profiles.writing import FORMATS, as_format, format_of
from ...console.values.json_text import given_keys
from ...store.encoding.keys import encode_key
from ...store.state.directory import StateDirectory
from ...worker.profiling.profile import Profile
from ..text import count, duration, error_console, output_console, write_line
from .batch import check_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ...store.state.directory import StateView
    from ...worker.profiling.recording import Stretch

_MODES: Final = ("wall", "cpu", "await")
_MEMRAY_ENDINGS: Final = (".bin", ".memray")


def profile(
    state: Annotated[Path, typer.Argument(metavar="STATE_DIR", readable=False)],
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
    key: Annotated[
        str | None, typer.Option(metavar="KEY", help="Only this key: text, or JSON.")
    ] = None,
    by_key: Annotated[bool, typer.Option("--keys", help="Show keys below actions.")] = False,
    mode: Annotated[
        str | None,
        typer.Option(
            metavar="wall|cpu|await",
            help="Time that passes, CPU time, what tasks wait for. With --memory: held|peak.",
        ),
    ] = None,
    memory: Annotated[
        bool, typer.Option("--memory", help="What is allocated meanwhile, in bytes, by memray.")
    ] = False,
    native: Annotated[
        bool, typer.Option("--native", help="Frames of C, too; time is then seen by py-spy.")
    ] = False,
    hz: Annotated[float, typer.Option(metavar="N", help="Samples a second.")] = 100.0,
    form: Annotated[
        str | None, typer.Option("--format", metavar="FORMAT", help=", ".join(FORMATS))
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
    """Show where the workers of a job spend their time or memory: now, or in the last hour."""
    if output is not None:
        check_folder(output)
    raw = output if memory and form is None and _is_of_memray(output) else None
    chosen = "text" if raw else format_of(form, output)
    mode = _mode(mode, memory=memory)
    if not 0 < hz <= 1000:
        raise UsageError(f"--hz {hz:g} is not possible: 1 to 1000 samples a second.")
    if memory and (last is not None or action or key is not None or by_key):
        raise UsageError(
            "Memory is not recorded, and memray knows neither actions nor keys.",
            hint="With --memory, leave out --last, --action, --key and --keys.",
        )
    if last is not None and (key is not None or by_key or native or mode == "await"):
        raise UsageError(
            "Keys, frames of C and what tasks wait for are not recorded.",
            hint="Leave --last out, to look now.",
        )
    before = _read(diff, "B" if memory else "s") if diff is not None else None
    with StateDirectory.view(state) as view:
        if memory:
            of = Allocations(_seconds("seconds", seconds), worker, mode, native)
            if raw is not None:
                return _write_memray(view, of, raw)
            found, title = _memory(view, of, state.name)
        elif last is not None:
            now = time.time()
            stretches: Sequence[Stretch] = recorded(view, now - _seconds("last", last), now, worker)
            found, title = joined(stretches, mode, action), title_of(state, stretches, mode, action)
        else:
            keys = None if key is None else _encoded(key)
            stretches = _ask(
                view,
                Wanted(
                    _seconds("seconds", seconds),
                    hz,
                    worker,
                    action,
                    tasks=mode == "await",
                    keys=keys,
                    by_key=by_key,
                    native=native,
                    cpu=mode == "cpu",
                ),
            )
            found, title = joined(stretches, mode, action), title_of(state, stretches, mode, action)
    text = as_format(chosen, found, title, before, "B" if memory else "s")
    if output is not None:
        output.write_text(text)
        write_line(f"{title}: {output}")
    elif chosen == "text":
        output_console().print(text, markup=False, highlight=False, end="")
    else:
        write_line(text.rstrip("\n"))
    return 0


def _is_of_memray(output: Path | None) -> bool:
    return output is not None and output.suffix in _MEMRAY_ENDINGS


def _ask(view: StateView, wanted: Wanted) -> Sequence[Stretch]:
    with _looking(wanted.seconds) as waiting:
        stretches, silent, outside = ask_workers(view, wanted, waiting=waiting)
    for slot, why in outside.items():
        if why:
            _report(f"worker {slot} was looked at from outside, by py-spy: {why}")
    for slot, why in silent.items():
        _report(f"worker {slot} gave no answer: {why}")
    if not stretches:
        raise UsageError(
            "No worker has answered.",
            hint="tamias stacks shows what can be seen of them, tamias logs what they print.",
        )
    return stretches


class Allocations(NamedTuple):
    """What is to be tracked of memory: for how long, of which worker, and what is shown of it."""

    seconds: float
    worker: int | None
    mode: str
    native: bool


@contextmanager
def _tracked(view: StateView, of: Allocations) -> Iterator[dict[int, Path]]:
    """Memray's files of the workers that have answered, for this block."""
    with tempfile.TemporaryDirectory(prefix="tamias-memory-") as folder:
        with _looking(of.seconds) as waiting:
            files, silent = track_memory(
                view,
                Path(folder),
                seconds=of.seconds,
                worker=of.worker,
                native=of.native,
                waiting=waiting,
            )
        for slot, why in silent.items():
            _report(f"worker {slot} gave no answer: {why}")
        if not files:
            raise UsageError(
                "No worker has tracked its memory.",
                hint="tamias stacks shows what they do; memray has to be installed for them.",
            )
        yield files


def _memory(view: StateView, of: Allocations, name: str) -> tuple[Profile, str]:
    found = Profile()
    with _tracked(view, of) as files:
        for path in files.values():
            found.merge(profile_of_file(path, of.mode))
    workers = count(len(files), "worker")
    what = "allocated and held" if of.mode == "held" else "allocated, at the peak"
    return found, f"{name}: memory {what}, {workers}, {of.seconds:.0f} s"


def _write_memray(view: StateView, of: Allocations, output: Path) -> int:
    """Write memray's own file of one worker."""
    with _tracked(view, of) as files:
        if len(files) > 1:
            raise UsageError(
                f"memray's own files are one for each worker, and {len(files)} have answered.",
                hint="Name one: --worker N.",
            )
        (path,) = files.values()
        output.write_bytes(path.read_bytes())
    write_line(f"{output}: for memray (memray flamegraph --leaks --no-web {output})")
    return 0


@contextmanager
def _looking(seconds: float) -> Iterator[Callable[[float], None]]:
    """Show how much of the time has passed; yields a function that takes its share, 0 to 1."""
    with error_console().status(f"looking for {duration(seconds)}") as status:
        yield lambda share: status.update(f"looking for {duration(seconds)}: {100 * share:.0f} %")


def _report(text: str) -> None:
    error_console().print(text, markup=False, highlight=False)


def title_of(state: Path, stretches: Sequence[Stretch], mode: str, action: str = "") -> str:
    """What a profile is made of, on one line."""
    workers = len({stretch.slot for stretch in stretches})
    seconds = sum(stretch.seconds for stretch in stretches)
    samples = sum(stretch.count for stretch in stretches)
    of = f" of action {action}" if action else ""
    many = count(workers, "worker")
    return f"{state.name}: {mode} profile{of}, {many}, {seconds:.0f} s, {samples:,} samples"


def _read(path: Path, unit: Literal["s", "B"]) -> Profile:
    try:
        found: Any = json.loads(path.read_text())
        profile = Profile.from_json(found)
        is_same = found.get("unit", "s") == unit
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise UsageError(
            f"{path} is no profile that can be compared with.",
            hint="Write one with --format json --output FILE.",
        ) from error
    if not is_same:
        raise UsageError("A profile of time cannot be compared with one of memory.")
    return profile


def _mode(mode: str | None, *, memory: bool) -> str:
    modes = MEMORY_MODES if memory else _MODES
    if mode is None:
        return modes[0]
    if mode not in modes:
        raise UsageError(f"--mode {mode} is unknown.", hint=f"Known: {', '.join(modes)}.")
    return mode


def _encoded(text: str) -> tuple[bytes, ...]:
    """The keys that a text may mean, encoded."""
    found = []
    for candidate in given_keys(text):
        try:
            found.append(encode_key(candidate))
        except InputError:  # NaN, for example, is no key
            continue
    return tuple(found)


def _seconds(option: str, text: str) -> float:
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise UsageError(f"--{option} {text}: {error}") from error
    if not 0 < seconds <= 3600:
        raise UsageError(f"--{option} {text} is not possible: more than 0, up to an hour.")
    return seconds
