"""`tamias reload`: once, or whenever the code is edited."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ...agent.errors import ConfigError, TamiasError, UsageError
from ...environments.spec import EnvironmentSpec
from ...launcher.control.client import NoAnswerError, send_request
from ...launcher.jobs.target import checked_target
from ...launcher.reload import generation_record
from ...store.state.directory import StateDirectory
from ..code_watch import CodeWatch
from ..environment_flags import EnvironmentFlags, environment_spec, takes_environment
from ..flags import Config, Settings
from ..settings import configuration, for_workers
from ..text import count, duration, error_console, shown
from .control import Json, State, print_answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...agent.config.configuration import Configuration

SCAN_SECONDS: Final = 0.5
"""The time between two scans of the files; one that does not change meanwhile is complete."""


@takes_environment
def reload(
    state: State,
    *,
    target: Annotated[
        str | None, typer.Option(metavar="TARGET", help="The same agent from another place.")
    ] = None,
    smoke: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Inputs that new code must get through first."),
    ] = None,
    config: Config = None,
    settings: Settings = None,
    asked: EnvironmentFlags,
    watch: Annotated[
        bool, typer.Option("--watch", help="Again whenever the code is edited, until Ctrl-C.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Go over to the code that is on disk now, to new settings or packages; rolled back if bad.

    What is not given stays as it is. The command ends when the reload has succeeded or failed.
    """

    def arguments() -> dict[str, Any]:
        settled = configuration(config, settings, {})
        requested: dict[str, Any] = {"settings": for_workers(settled)}
        environment = _environment(state, settled, asked)
        if environment is not None:
            requested["environment"] = environment
        if target is not None:
            requested["target"] = checked_target(target, elsewhere=True)
        if smoke is not None:
            requested["smoke"] = _smoke(smoke)
        return requested

    if watch:
        also = [config, smoke, Path(asked.requirements) if asked.requirements else None]
        _watch(state, arguments, [path for path in also if path is not None], as_json=as_json)
    else:
        _print_result(send_request(state, "reload", arguments()), as_json=as_json)
    return 0


# -- what is asked for -----------------------------------------------------------------------------


def _environment(
    state: Path, settled: Configuration, asked: EnvironmentFlags
) -> dict[str, Any] | None:
    """Return the whole environment to reload into; None: the present one.

    A section `environment` in the file replaces the recorded one. Flags alone change only their own
    part of it, so that new requirements do not silently change the Python.
    """
    requested = environment_spec(settled, asked).to_mapping()
    if not requested:
        return None
    if not settled.section("environment"):
        recorded = _recorded(state)
        variables = {**recorded.get("variables", {}), **requested.get("variables", {})}
        requested = {**recorded, **requested}
        if variables:
            requested["variables"] = variables
    return EnvironmentSpec.of(requested).to_mapping()


def _recorded(state: Path) -> dict[str, Any]:
    with StateDirectory.view(state) as view:
        job = view.manifest.job
    return generation_record.recorded_environment(job)


def _smoke(path: Path) -> str:
    if not path.is_file():
        raise UsageError(
            f"There is no file {shown(path)} with smoke inputs.",
            hint="It has a few inputs, in the form of the job's.",
        )
    return str(path.absolute())


# -- watching --------------------------------------------------------------------------------------


def _watch(
    state: Path, arguments: Callable[[], dict[str, Any]], also: list[Path], *, as_json: bool
) -> None:
    """Reload whenever the code has been edited, until Ctrl-C or the pool's end."""
    launcher = _read_pool(state)[0]
    if launcher is None:
        send_request(state, "status")  # raises an error with a hint
    watch = CodeWatch(also)
    due = any(arguments().values())
    first = True
    try:
        _print_note(f"watching the code of {shown(state)}; Ctrl-C ends it", as_json=as_json)
        while True:
            pid, files = _read_pool(state)
            if pid != launcher:
                _print_note("the pool has ended", as_json=as_json)
                return
            edited = watch.scan(files)
            if edited or due:
                due = False
                if edited:
                    _print_note(_edited(edited), as_json=as_json)
                watch.trying()
                if _once(state, arguments, as_json=as_json, first=first):
                    watch.took_over()
                else:
                    watch.rolled_back()
                first = False
            time.sleep(SCAN_SECONDS)
    except KeyboardInterrupt:
        return


def _read_pool(state: Path) -> tuple[int | None, dict[str, str]]:
    """Return the launcher's pid, and the files of the code that the pool runs."""
    with StateDirectory.view(state) as view:
        return view.launcher_pid(), generation_record.files(view.manifest)


def _once(
    state: Path, arguments: Callable[[], dict[str, Any]], *, as_json: bool, first: bool
) -> bool:
    """Reload and print the result; return whether it has succeeded.

    A half-written file leads to all kinds of errors, and the next scan tries again. But an error at
    the first time is a mistake in the command.
    """
    try:
        answer = send_request(state, "reload", arguments())
    except NoAnswerError:
        return False  # the next scan finds whether the pool has ended
    except TamiasError as error:
        if first and isinstance(error, (UsageError, ConfigError)):
            raise
        record = {"outcome": "failed", "reason": error.message}
        print_answer(record, error.message, as_json=as_json)
        return False
    _print_result(answer, as_json=as_json)
    return True


def _print_result(answer: dict[str, Any], *, as_json: bool) -> None:
    number = answer["generation"]
    if answer["outcome"] == "applied":
        changed = ", ".join(answer["changed"])
        text = f"generation {number} uses the new settings: {changed}"
    else:
        pause = answer["longest_pause"] * 1000
        moved = f"{count(answer['moves'], 'shard')} moved, {pause:.0f} ms at most"
        text = f"generation {number} has taken over: {moved}, in {duration(answer['seconds'])}"
    print_answer(answer, text, as_json=as_json)


def _edited(files: list[str]) -> str:
    return shown(files[0]) + (f" and {count(len(files) - 1, 'other file')}" if files[1:] else "")


def _print_note(text: str, *, as_json: bool) -> None:
    if not as_json:
        error_console().print(text, markup=False, style="dim")
