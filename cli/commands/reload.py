"""`tamias reload`: once, or whenever the code has been edited."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ...agent.errors import ConfigError, TamiasError, UsageError
from ...environments.spec import EnvironmentSpec
from ...launcher.control.client import NoAnswerError, ask
from ...launcher.jobs.target import checked_target
from ...launcher.reload import generation_record
from ...store.state.directory import StateDirectory
from ..environment_flags import EnvironmentFlags, environment_spec, takes_environment
from ..flags import Config, Settings
from ..settings import configuration, for_workers
from ..text import count, duration, error_console, shown
from .code_watch import CodeWatch
from .control import Json, State, say

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...agent.config.configuration import Configuration

LOOK_SECONDS: Final = 0.5
"""Between two looks at the files; what stands still for so long has been written."""


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

    What is not said stays as it is. It answers when the matter is decided.
    """

    def arguments() -> dict[str, Any]:
        settled = configuration(config, settings, {})
        said: dict[str, Any] = {"settings": for_workers(settled)}
        environment = _environment(state, settled, asked)
        if environment is not None:
            said["environment"] = environment
        if target is not None:
            said["target"] = checked_target(target, elsewhere=True)
        if smoke is not None:
            said["smoke"] = _smoke(smoke)
        return said

    if watch:
        also = [config, smoke, Path(asked.requirements) if asked.requirements else None]
        _watch(state, arguments, [path for path in also if path is not None], as_json=as_json)
    else:
        _tell(ask(state, "reload", arguments()), as_json=as_json)
    return 0


# -- what is asked for -----------------------------------------------------------------------------


def _environment(
    state: Path, settled: Configuration, asked: EnvironmentFlags
) -> dict[str, Any] | None:
    """The environment to reload into, whole; None for the one that it has.

    A section `environment` in the file says all of it. Flags alone change what they say in the one
    on record, so that new requirements do not silently bring another Python.
    """
    said = environment_spec(settled, asked).to_mapping()
    if not said:
        return None
    if not settled.section("environment"):
        recorded = _recorded(state)
        variables = {**recorded.get("variables", {}), **said.get("variables", {})}
        said = {**recorded, **said}
        if variables:
            said["variables"] = variables
    return EnvironmentSpec.of(said).to_mapping()


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
    launcher = _look(state)[0]
    if launcher is None:
        ask(state, "status")  # says what to do
    watch = CodeWatch(also)
    due = any(arguments().values())
    first = True
    try:
        _note(f"watching the code of {shown(state)}; Ctrl-C ends it", as_json=as_json)
        while True:
            pid, files = _look(state)
            if pid != launcher:
                _note("the pool has ended", as_json=as_json)
                return
            edited = watch.look(files)
            if edited or due:
                due = False
                if edited:
                    _note(_edited(edited), as_json=as_json)
                watch.trying()
                if _once(state, arguments, as_json=as_json, first=first):
                    watch.took_over()
                else:
                    watch.rolled_back()
                first = False
            time.sleep(LOOK_SECONDS)
    except KeyboardInterrupt:
        return


def _look(state: Path) -> tuple[int | None, dict[str, str]]:
    """Who is at work there, and the files of the code that it is at work with."""
    with StateDirectory.view(state) as view:
        return view.launcher_pid(), generation_record.files(view.manifest)


def _once(
    state: Path, arguments: Callable[[], dict[str, Any]], *, as_json: bool, first: bool
) -> bool:
    """Reload, and tell; whether it has succeeded.

    A file that is half written leads to all kinds of errors, and the next look will tell more. But
    what is refused at first is a mistake in the command.
    """
    try:
        answer = ask(state, "reload", arguments())
    except NoAnswerError:
        return False  # the next look tells whether the pool has ended
    except TamiasError as error:
        if first and isinstance(error, (UsageError, ConfigError)):
            raise
        record = {"outcome": "failed", "reason": error.message}
        say(record, error.message, as_json=as_json)
        return False
    _tell(answer, as_json=as_json)
    return True


def _tell(answer: dict[str, Any], *, as_json: bool) -> None:
    number = answer["generation"]
    if answer["outcome"] == "applied":
        changed = ", ".join(answer["changed"])
        text = f"generation {number} goes by the new settings: {changed}"
    else:
        pause = answer["longest_pause"] * 1000
        moved = f"{count(answer['moves'], 'shard')} moved, {pause:.0f} ms at most"
        text = f"generation {number} has taken over: {moved}, in {duration(answer['seconds'])}"
    say(answer, text, as_json=as_json)


def _edited(files: list[str]) -> str:
    return shown(files[0]) + (f" and {count(len(files) - 1, 'other file')}" if files[1:] else "")


def _note(text: str, *, as_json: bool) -> None:
    if not as_json:
        error_console().print(text, markup=False, style="dim")
