"""`tamias dev`: runs a whole pool in one process, for development."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ...agent.config.options import PoolOptions
from ...agent.errors import UsageError
from ...agent.plan import AgentPlan
from ...console.debugging.debugger import ActionPdb, stop_at_breakpoints
from ...console.debugging.development import Development
from ...launcher.delivery.checkpointed import CheckpointedDelivery
from ...launcher.jobs.exit_codes import INTERRUPTED
from ...launcher.jobs.file_job import JobSpec
from ...launcher.jobs.job import Job
from ...launcher.jobs.target import checked_target
from ...launcher.sinks.jsonlines import JsonLinesSink
from ...launcher.sources.factory import open_source
from ...launcher.testing.foreground import Foreground
from ...launcher.testing.skipped_waits import SkippedWaits
from ...worker.importing.target_loader import load_target
from ...worker.intercepting.plan import intercepted
from ...worker.own_code import OWN_FOLDERS
from .. import flags
from ..paths import StatePlace, absolute, check_output, check_streams
from ..settings import configuration, for_workers
from ..views.summary import job_ended

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...agent.config.configuration import Configuration
    from ...agent.waiting.questions import Question
    from ...launcher.control.commands import Answer, Command
    from ...launcher.jobs.report import Report
    from ...store.waiting.reading import WaitingCounts

_LONGEST_WAIT: Final = 365 * 86_400.0
_DEFAULTS: Final = ("max-attempts=1", "window=1", "batch-size=1")
"""An input that fails is reported at once, and one input is executed after the other."""


def dev(
    target: flags.Target,
    *,
    source: Annotated[
        str,
        typer.Option("--input", "-i", metavar="FILE", help="As of run; standard input is yours."),
    ],
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help="JSON lines; - is stdout.")
    ] = "-",
    key: Annotated[
        str | None, typer.Option(metavar="FIELD", help="The field with the key, as of run.")
    ] = None,
    input_format: Annotated[
        str | None,
        typer.Option(metavar="json|csv|tsv", help="For an input whose name does not show it."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Empty an existing output.")
    ] = False,
    state: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Keep the state there. Default: a temporary directory."),
    ] = None,
    stops: Annotated[
        bool, typer.Option("--pdb", help="Stop in the debugger where an action raises.")
    ] = False,
    skip_waits: Annotated[
        bool,
        typer.Option("--skip-waits", help="Move the clock instead of waiting until it is time."),
    ] = False,
    config: flags.Config = None,
    settings: flags.Settings = None,
    quiet: flags.Quiet = False,
) -> int:
    """Run an agent over an input in this process alone, for development.

    `breakpoint()` and `print` work in actions, tracebacks are printed at once. The first Ctrl-C
    ends the job when the runs under way have ended, the second one at once.
    """
    if source == "-":
        raise UsageError(
            "Standard input belongs to the debugger here.", hint="Name a file with --input."
        )
    settled = configuration(config, [*_DEFAULTS, *(settings or ())], {"workers": 1}, target=target)
    settled.set(PoolOptions.AT_END, "wait")
    spec = JobSpec(
        target=checked_target(target),
        input=absolute(source),
        output=absolute(output),
        key=key,
        input_format=input_format,
        on_error=settled.get(PoolOptions.ON_ERROR) or "dead-letter",
        config=for_workers(settled),
        folder=str(Path.cwd()),
    )
    check_output(spec.input, spec.output)
    check_streams(spec.input, spec.output)
    with StatePlace(state, "-", "none") as place:
        return _perform(
            spec,
            settled,
            place,
            stops=stops,
            skips=skip_waits,
            overwrite=overwrite,
            quiet=quiet,
        )


def _perform(
    spec: JobSpec,
    settled: Configuration,
    place: StatePlace,
    *,
    stops: bool,
    skips: bool,
    overwrite: bool,
    quiet: bool,
) -> int:
    plan = AgentPlan.compile(load_target(spec.target), settled)
    plan.check_handles_input()
    development = Development(_print, stops=stops)
    foreground = Foreground(intercepted(plan, development))
    development.quits = foreground.abandon
    waits = SkippedWaits(place.path, _asked, _LONGEST_WAIT)
    job = Job(
        spec.agent_spec(),
        scratch=place.scratch,
        controllable=False,
        ends_input=True,
        handle_signals=False,
        make_starter=foreground.make_starter,
        on_pool=foreground.set_post,
        on_rest=waits.at_rest if skips else _Rest(waits).at_rest,
    )
    stop_at_breakpoints()
    before = signal.signal(signal.SIGINT, _Interrupts(foreground, place))
    try:
        with (
            open_source(spec.input, spec.key, spec.input_format) as source,
            job.open_state(
                place.path, {"spec": spec.record(), "input": source.identity()}
            ) as state,
        ):
            sink = JsonLinesSink(spec.output, ordered=False, sync=False, overwrite=overwrite)
            delivery = CheckpointedDelivery(sink, state.progress, source)
            report: Report = foreground.run(lambda: job.run(state, source, delivery))
    finally:
        signal.signal(signal.SIGINT, before)
        waits.restore()
    if waits.error is not None:
        raise waits.error
    if report.dead_letters:
        place.keep()
    if development.has_quit or not report.finished:
        return INTERRUPTED
    job_ended(spec, place, report, quiet=quiet)
    return report.exit_code


def _print(text: str) -> None:
    sys.stdout.flush()
    sys.stderr.write(f"{text}\n")


class _Rest:
    """What is done when nothing is to be done now: questions are asked, moments are waited for."""

    def __init__(self, waits: SkippedWaits) -> None:
        self._waits = waits

    def at_rest(self, counts: WaitingCounts, post: Callable[[Command], Answer]) -> bool:
        """As `PoolSettings.on_rest`."""
        if counts.questions and self._waits.answer(post):
            return False
        return counts.next is None


_open: set[str] = set()
"""Tokens of questions that are left open."""


def _asked(question: Question) -> Any:
    """Ask the person at the terminal; `NotImplemented` leaves the question open."""
    if question.token in _open or not sys.stdin.isatty():
        return NotImplemented
    print(f"question {question.name!r} of key {question.key!r}: {question.ask!r}")  # noqa: T201
    while True:
        text = input("answer, as Python (empty: leave it open): ").strip()
        if not text:
            _open.add(question.token)
            return NotImplemented
        try:
            return eval(text)  # noqa: S307 (typed by the person who runs the code)
        except Exception as error:  # noqa: BLE001 (a mistake in what was typed)
            _print(f"{type(error).__name__}: {error}")


class _Interrupts:
    """Handles Ctrl-C."""

    def __init__(self, foreground: Foreground, place: StatePlace) -> None:
        self._foreground = foreground
        self._place = place
        self._count = 0

    def __call__(self, _: int, frame: FrameType | None) -> None:
        """End the job, the second time at once; the debugger has its own way."""
        if ActionPdb.is_asking:
            raise KeyboardInterrupt
        self._count += 1
        if self._count == 1:
            self._foreground.stop()
            _print("ends when the runs under way have ended; Ctrl-C again ends at once")
            return
        _print(f"ended{_place_of(frame)}")
        sys.stdout.flush()
        if self._place.scratch is not None:
            shutil.rmtree(self._place.scratch, ignore_errors=True)
        os._exit(INTERRUPTED)


def _place_of(frame: FrameType | None) -> str:
    """Where the user's code was."""
    while frame is not None and frame.f_code.co_filename.startswith((*OWN_FOLDERS, __file__)):
        frame = frame.f_back
    if frame is None:
        return ""
    return f" in {frame.f_code.co_name}, {frame.f_code.co_filename}:{frame.f_lineno}"
