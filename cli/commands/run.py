"""`tamias run` and `tamias resume`: run a job to its end."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from ...agent.config.configuration import Configuration
from ...agent.config.options import PoolOptions
from ...agent.errors import AgentFailedError, TamiasError, UsageError
from ...launcher.jobs.file_job import JobSpec, run_file_job
from ...launcher.jobs.target import checked_target
from ...launcher.logs.end_report import keep_output
from ...launcher.sinks.appendfile import OutputClosedError
from .. import flags
from ..environment_flags import EnvironmentFlags, environment_spec, takes_environment
from ..observing.batch import check_profile, profiled
from ..observing.exporter import Exporter
from ..paths import StatePlace, absolute, check_output, check_streams
from ..settings import configuration, for_workers
from ..text import write_line
from ..views.progress import watcher
from ..views.summary import how_to_go_on, job_ended


@takes_environment
def run(
    target: flags.Target,
    *,
    source: Annotated[
        str,
        typer.Option(
            "--input", "-i", metavar="FILE", help="JSON lines, CSV or TSV (also .gz); - is stdin."
        ),
    ],
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help="JSON lines; - is stdout.")
    ] = "-",
    key: Annotated[
        str | None,
        typer.Option(
            metavar="FIELD",
            help="The field with the key; the value is the whole object then. Without: each line "
            "has a key and a value.",
        ),
    ] = None,
    input_format: Annotated[
        str | None,
        typer.Option(metavar="json|csv|tsv", help="For an input whose name does not show it."),
    ] = None,
    ordered: Annotated[
        bool, typer.Option("--ordered", help="Write outputs in the order of the inputs.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Let a new job empty an existing output.")
    ] = False,
    fresh: Annotated[
        bool,
        typer.Option("--fresh", help="Remove the state and output of earlier runs; begin anew."),
    ] = False,
    workers: flags.Workers = None,
    state: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="The state directory. Default: OUTPUT.tamias; a temporary one for stdout.",
        ),
    ] = None,
    durability: flags.Durability = None,
    config: flags.Config = None,
    settings: flags.Settings = None,
    run_timeout: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="The longest a run may take, as 30s. Default: any time."),
    ] = None,
    memory_limit: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="A worker with more memory is killed, as 512MiB. Default: its share of 80 %.",
        ),
    ] = None,
    memory_soft_limit: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="A worker with more is replaced between two runs."),
    ] = None,
    user: Annotated[
        str | None, typer.Option(metavar="NAME", help="Whom workers run as, if you are root.")
    ] = None,
    max_attempts: Annotated[
        int | None,
        typer.Option(metavar="N", help="Tries until an input is set aside. Default: 3."),
    ] = None,
    on_error: Annotated[
        str | None,
        typer.Option(
            metavar="fail|dead-letter|ignore",
            help="What an action's exception leads to. Default: dead-letter.",
        ),
    ] = None,
    record: Annotated[
        list[str] | None,
        typer.Option(
            metavar="failed|all|KEY",
            help="Record these runs, so that tamias debug can execute them again. Repeatable.",
        ),
    ] = None,
    asked: EnvironmentFlags,
    metrics: flags.Metrics = None,
    otlp: flags.Otlp = None,
    profile: flags.Profile = None,
    logs: Annotated[
        bool | None, typer.Option("--logs", help="Show what the workers print.")
    ] = None,
    as_json: flags.Report = False,
    quiet: flags.Quiet = False,
) -> int:
    """Run an agent over an input; repeated after an interruption, carry on.

    Each output line is {"key": ..., "output": ..., "offset": N}, N being the input's position.
    """
    given = {
        "workers": workers,
        "state-dir": state,
        "durability": durability,
        "run-timeout": run_timeout,
        "memory-limit": memory_limit,
        "memory-soft-limit": memory_soft_limit,
        "user": user,
        "max-attempts": max_attempts,
        "on-error": on_error,
        "show-logs": logs,
        "record": ",".join(record) if record else None,
    }
    settled = configuration(config, settings, given, target=target)
    if as_json and output == "-":
        raise UsageError(
            "--json would mix with the outputs on stdout.", hint="Name a file with --output."
        )
    environment = environment_spec(settled, asked)
    spec = JobSpec(
        target=checked_target(target, elsewhere=bool(environment)),
        input=absolute(source),
        output=absolute(output),
        key=key,
        input_format=input_format,
        ordered=ordered,
        on_error=settled.get(PoolOptions.ON_ERROR) or "dead-letter",
        config=for_workers(settled),
        folder=str(Path.cwd()),
        environment=environment.to_mapping(),
    )
    check_output(spec.input, spec.output)
    check_profile(profile, settled)
    with (
        StatePlace(
            settled.get(PoolOptions.STATE_DIR) or None,
            spec.output,
            settled.get(PoolOptions.DURABILITY),
        ) as state_place,
        profiled(state_place.path, profile),
    ):
        return _perform(
            spec,
            state_place,
            Exporter(
                [state_place.path],
                metrics,
                otlp,
                name=Path(spec.target).name if state_place.is_temporary else "",
            ),
            overwrite=overwrite,
            fresh=fresh,
            as_json=as_json,
            quiet=quiet,
        )


def resume(
    state: Annotated[
        Path, typer.Argument(metavar="STATE_DIR", readable=False, help="As run has printed it.")
    ],
    *,
    workers: Annotated[
        int | None, typer.Option("--workers", "-w", metavar="N", help="Another number of them.")
    ] = None,
    metrics: flags.Metrics = None,
    otlp: flags.Otlp = None,
    profile: flags.Profile = None,
    as_json: flags.Report = False,
    quiet: flags.Quiet = False,
) -> int:
    """Carry on with an interrupted job, which its state directory knows."""
    spec = JobSpec.recorded(state)
    if as_json and spec.output == "-":
        raise UsageError("--json would mix with the outputs on stdout.", hint="Leave it out.")
    if workers is not None:
        given = configuration(None, None, {"workers": workers}).data
        spec = replace(spec, config={**spec.config, **given})
    check_profile(profile, Configuration(spec.config))
    with StatePlace(str(state), spec.output) as state_place, profiled(state_place.path, profile):
        exporter = Exporter([state_place.path], metrics, otlp)
        return _perform(spec, state_place, exporter, as_json=as_json, quiet=quiet)


def _perform(
    spec: JobSpec,
    state: StatePlace,
    exporter: Exporter,
    *,
    overwrite: bool = False,
    fresh: bool = False,
    as_json: bool,
    quiet: bool,
) -> int:
    check_streams(spec.input, spec.output)
    with exporter, watcher(spec, quiet=quiet) as watch:
        if exporter.url:
            watch.print_line(f"metrics at {exporter.url}")
        try:
            report = run_file_job(
                spec,
                state.path,
                overwrite=overwrite,
                fresh=fresh,
                scratch=state.scratch,
                on_status=watch.show,
                on_output=watch.print_line,
            )
        except TamiasError as error:
            if error.exit_code == 1 and not isinstance(error, OutputClosedError):
                state.keep()
                error.hint = f"{error.hint} {_advice(error)}{how_to_go_on(spec, state)}".strip()
            elif state.is_temporary:
                keep_output(state.path, error)
            raise
    if not report.finished or report.dead_letters:
        state.keep()
    job_ended(spec, state, report, quiet=quiet)
    if as_json:
        write_line(
            json.dumps({**asdict(report), "output": spec.output, "exit_code": report.exit_code})
        )
    return report.exit_code


def _advice(error: TamiasError) -> str:
    if isinstance(error, AgentFailedError):
        return (
            "Nothing of this input was kept. Repair the agent; or repeat the command with "
            "--on-error dead-letter, to set such inputs aside. "
        )
    return ""
