"""`tamias debug`: executes one recorded run again, in one process, under pdb."""

from __future__ import annotations

import faulthandler
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...agent.config.configuration import parse_assignments
from ...agent.errors import UsageError
from ...console.debugging.calls import ASK, CALLS, REFUSE
from ...console.debugging.session import Request, debug
from ...environments.provide import provide_launch
from ...launcher.jobs.target import checked_target
from ...launcher.reload import generation_record
from ...store.state.directory import StateDirectory
from ...worker.importing.codebase import changed
from .. import flags
from ..text import error_console, typed

if TYPE_CHECKING:
    from ...environments.launch import Launch
    from ...store.state.manifest import Manifest

_FIRST = "first"


def debug_run(
    state: Annotated[Path, typer.Argument(metavar="STATE_DIR", readable=False)],
    offset: Annotated[int, typer.Argument(metavar="OFFSET", min=0)],
    *,
    break_at: Annotated[
        str | None,
        typer.Option(
            "--break",
            metavar="ACTION",
            help="Stop at the first line of this action, too; `first`: of whichever is called "
            "first.",
        ),
    ] = None,
    all_actions: Annotated[
        bool,
        typer.Option(
            "--all-actions", help="Call actions, too, that had ended before the run failed."
        ),
    ] = False,
    repeat_failed: Annotated[
        bool,
        typer.Option(
            "--repeat-failed", help="Make the durable calls again that have made the run fail."
        ),
    ] = False,
    calls: Annotated[
        str | None,
        typer.Option(
            metavar="ask|make|refuse",
            help="What becomes of durable calls that are not on record. Default: ask; refuse with "
            "--no-pdb.",
        ),
    ] = None,
    no_pdb: Annotated[
        bool,
        typer.Option("--no-pdb", help="Print the traceback with local variables, and ask nothing."),
    ] = False,
    agent: Annotated[
        str | None,
        typer.Option(
            "--agent",
            metavar="TARGET",
            help="The agent, where a program has started the job, or another one than the job's.",
        ),
    ] = None,
    settings: flags.Settings = None,
) -> int:
    """Execute the run of a dead letter, or of a recorded input, again: in one process, under pdb.

    It stops where an action fails. The memory is that before the run, on a copy; durable calls are
    answered from record. Nothing is sent, and the state directory is not changed.
    """
    mode = calls or (REFUSE if no_pdb else ASK)
    if mode not in CALLS:
        raise UsageError(f"--calls {mode} is unknown.", hint=f"Known: {', '.join(CALLS)}.")
    with StateDirectory.view(state, with_progress=False) as view:
        manifest = view.manifest
    target, folder, config = _agent(state, manifest, agent)
    config.update(parse_assignments(settings or ()))
    request = Request(
        state=str(state.absolute()),
        offset=offset,
        target=target,
        folder=folder,
        config=config,
        output_codec="json-lines" if "spec" in manifest.job else "pickle",
        changed=tuple(changed(generation_record.files(manifest))),
        calls=mode,
        break_at="*" if break_at == _FIRST else break_at,
        all_actions=all_actions,
        repeats_failed=repeat_failed,
        is_main=manifest.agent.startswith("__main__:"),
        interactive=not no_pdb,
    )
    launch = provide_launch(generation_record.recorded_environment(manifest.job))
    if launch is not None and agent is None:
        return _in_environment(launch, request)
    faulthandler.enable()  # a dead letter may be of a crash
    return debug(request, _write)


def _write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _agent(
    state: Path, manifest: Manifest, given: str | None
) -> tuple[str, str | None, dict[str, Any]]:
    """The agent's target, the folder for its modules, and its settings."""
    for spec in generation_record.specs(manifest.job).values():
        target, folder = spec.get("target"), spec.get("folder")
        config = dict(spec.get("config") or {})
        if given is not None:
            return checked_target(given), None, config
        if isinstance(target, str):
            return target, folder if isinstance(folder, str) else None, config
    if given is None:
        raise UsageError(
            f"A program has started the job of {typed(state)}, so its agent has no name there.",
            hint="Name it with --agent, as package.module:name or path/to/file.py:name.",
        )
    return checked_target(given), None, {}


def _in_environment(launch: Launch, request: Request) -> int:
    """Execute the session in the interpreter of the agent's environment."""
    error_console().print(
        f"the agent has an environment of its own: {launch.python}",
        style="dim",
        markup=False,
        highlight=False,
    )
    command = launch.command(
        "tamias.console.debugging.main:main",
        json.dumps(request.to_json()),
        folders=[request.folder] if request.folder else [],
    )
    done = subprocess.run(command, env=launch.environ, cwd=launch.folder, check=False)
    return done.returncode
