"""`tamias up`: run the agents of a deployment file, until all are done or it is stopped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...deployment.checks import check_members
from ...deployment.spec import Deployment, problems_error
from ...deployment.supervisor import Supervisor
from ...launcher.jobs.exit_codes import DONE, FAILED, INTERRUPTED, WAITING, WRONG
from ...launcher.pool.at_end import describe_waiting
from ...store import clock
from .. import flags
from ..environment_flags import described
from ..errors import print_error
from ..observing.exporter import Exporter
from ..text import count, error_console, output_console, shown, typed, write_line
from ..views.deployment import JsonViews, results, views

if TYPE_CHECKING:
    from ...agent.errors import TamiasError
    from ...deployment.spec import Member
    from ..views.deployment import Views


def up(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The deployment file, in YAML.")],
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Only check the file and what it names; start nothing.")
    ] = False,
    metrics: flags.Metrics = None,
    otlp: flags.Otlp = None,
    as_json: flags.Events = False,
    quiet: flags.Quiet = False,
) -> int:
    """Run the agents of a deployment file side by side; repeated, carry on with each.

    Each agent has a pool, an environment and a state directory of its own, so that the trouble of
    one is not another's. SIGTERM or Ctrl-C stops all after what is in flight, resumably.

    A file has `agents:`, and for each a target, either input and output (and key, format, ordered,
    overwrite) or serve (listen, keys), and perhaps workers, environment and settings; besides,
    `state:`, the directory for all state, and `defaults:`, settings for all.
    """
    if check:
        return _check(file, as_json=as_json)
    deployment = Deployment.read(file)
    states = [member.state for member in deployment.members]
    with (
        Exporter(states, metrics, otlp) as exporter,
        views(deployment, as_json=as_json, quiet=quiet) as watch,
    ):
        if exporter.url:
            watch.metrics_served(exporter.url)
        supervisor = Supervisor(deployment, watch)
        code = supervisor.run()
    if isinstance(watch, JsonViews):
        codes = {name: supervisor.policy.code(name) for name in watch.agents}
        watch.print_event("over", exit_code=code, agents=codes)
    else:
        _print_results(deployment, watch, supervisor, quiet=quiet)
    return code


def _print_results(
    deployment: Deployment, watch: Views, supervisor: Supervisor, *, quiet: bool
) -> None:
    console = error_console()
    if not quiet:
        console.print(results(deployment, watch))
    for member in deployment.members:
        report = watch.agents[member.name].report
        if report is not None and report.finished and report.waiting:
            waiting = describe_waiting(report.waiting, clock.now())
            console.print(f"{member.name}: {waiting}", markup=False)
        if report is not None and report.dead_letters:
            console.print(
                f"{member.name} has {count(report.dead_letters, 'dead letter')}: "
                f"tamias dead-letters list {typed(member.state)}",
                markup=False,
            )
    codes = {supervisor.policy.code(member.name) for member in deployment.members}
    again = f"tamias up {typed(deployment.path)}"
    if INTERRUPTED in codes:
        console.print(f"Nothing is lost. To carry on: {again}", markup=False)
    elif WAITING in codes:
        console.print(f"What waits goes on with: {again}", markup=False)
    elif codes & {FAILED, WRONG}:
        console.print(f"When it is repaired, to carry on: {again}", markup=False)


def _check(file: Path, *, as_json: bool) -> int:
    """Print what the file describes, and all that is wrong with it, in one round.

    Raises:
        ConfigError: the text itself has mistakes; with those of the agents' files.
    """
    draft = Deployment.draft(file)
    problems = check_members(draft.members)
    if draft.problems:
        found = [
            draft.problem(("agents", agent, *place), _in_words(error))
            for agent, place, error in problems
        ]
        raise problems_error(file, [*draft.problems, *found])
    console = output_console()
    for member in draft.members:
        own = [problem for problem in problems if problem.agent == member.name]
        if as_json:
            wrong = [{"message": error.message, "hint": error.hint} for _, _, error in own]
            first = wrong[0] if wrong else None
            record = {"agent": member.name, "state": str(member.state), "problem": first}
            write_line(json.dumps({**record, "problems": wrong}))
        elif not own:
            console.print(f"{member.name}: {_description(member)}", markup=False)
        for _, place, error in [] if as_json else own:
            line, _ = draft.problem(("agents", member.name, *place), "")
            print_error(f"{member.name}: {error.message}", f"{error.hint} (line {line})".strip())
    return WRONG if problems else DONE


def _in_words(error: TamiasError) -> str:
    """Return an error's message and hint; the hint on a line of its own after a traceback."""
    message = error.message.strip()
    if "\n" in message:
        return f"{message}\n{error.hint}".strip()
    return f"{message.rstrip('.')}. {error.hint}".strip()


def _description(member: Member) -> str:
    spec = member.spec
    what = (
        f"{spec.agent}, a service"
        if member.is_service
        else f"{spec.agent} to {shown(member.output)}"
    )
    environment = f", workers have {described(spec.environment)}" if spec.environment else ""
    return f"{what}{environment}"
