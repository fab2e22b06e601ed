"""`tamias serve`: run a pool that takes its inputs from clients, until it is stopped."""

from __future__ import annotations

import json
import logging
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...agent.config.options import PoolOptions
from ...agent.errors import UsageError
from ...launcher.jobs.target import checked_target
from ...service.server.service import ServeSpec, serve
from .. import flags
from ..environment_flags import EnvironmentFlags, environment_spec, takes_environment
from ..observing.exporter import Exporter
from ..settings import configuration, for_workers
from ..text import count, duration, error_console, shown, write_line
from ..views.failures import FailureReporter
from ..views.summary import failures

if TYPE_CHECKING:
    from ...launcher.pool.status import PoolStatus
    from ...service.server.frontend import Frontend


@takes_environment
def run_service(
    target: flags.Target,
    *,
    state: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="The state directory. Default: the option state-dir."),
    ] = None,
    workers: flags.Workers = None,
    listen: Annotated[
        str | None,
        typer.Option(
            metavar="tcp://HOST:PORT", help="Serve clients there, too; only those with keys."
        ),
    ] = None,
    keys: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The keys for --listen, as tamias keys makes them."),
    ] = None,
    durability: flags.Durability = None,
    config: flags.Config = None,
    settings: flags.Settings = None,
    asked: EnvironmentFlags,
    metrics: flags.Metrics = None,
    otlp: flags.Otlp = None,
    as_json: flags.Events = False,
    quiet: flags.Quiet = False,
) -> int:
    """Serve an agent to clients (tamias.Client); repeated, carry on.

    SIGTERM or Ctrl-C ends it: what is in flight is finished, the rest waits in the state directory.
    """
    given = {"workers": workers, "state-dir": state, "durability": durability}
    settled = configuration(config, settings, given, target=target)
    place = settled.get(PoolOptions.STATE_DIR)
    if not place:
        raise UsageError(
            "A service needs a state directory, by which its clients find it.",
            hint="Name one: --state DIR.",
        )
    environment = environment_spec(settled, asked)
    spec = ServeSpec(
        target=checked_target(target, elsewhere=bool(environment)),
        listen=listen,
        keys=str(keys.absolute()) if keys is not None else None,
        config=for_workers(settled),
        folder=str(Path.cwd()),
        environment=environment.to_mapping(),
    )
    printer = _EventPrinter(as_json=as_json, quiet=quiet)
    if not quiet:
        logging.getLogger("tamias").addHandler(printer)
    state_path = Path(place).absolute()
    try:
        with Exporter([state_path], metrics, otlp) as exporter:
            if exporter.url:
                printer.print_event(
                    {"event": "metrics", "url": exporter.url}, f"metrics at {exporter.url}"
                )
            report = serve(
                spec,
                state_path,
                on_ready=lambda frontend: printer.ready(frontend, place),
                on_status=printer.report_failures,
            )
    finally:
        logging.getLogger("tamias").removeHandler(printer)
    printer.print_event(
        {"event": "stopped", **asdict(report)},
        f"stopped after {duration(report.seconds)}: "
        f"{count(report.events - report.resumed_at, 'input')} done, "
        f"{count(report.dead_letters, 'dead letter')} in all",
    )
    return 0


class _EventPrinter(logging.Handler):
    """Prints the events of a service, as text or JSON, and warnings."""

    def __init__(self, *, as_json: bool, quiet: bool) -> None:
        super().__init__(logging.WARNING)
        self._as_json = as_json
        self._quiet = quiet
        self._failures = FailureReporter()

    def emit(self, record: logging.LogRecord) -> None:
        """As `logging.Handler.emit`."""
        error_console().print(record.getMessage(), markup=False)

    def ready(self, frontend: Frontend, place: str) -> None:
        """Print that the service is open."""
        also = f" and {frontend.listens_on}" if frontend.listens_on else ""
        self.print_event(
            {"event": "ready", "address": frontend.address, "listen": frontend.listens_on},
            f"ready: tamias.Client({shown(Path(place).absolute())!r}){also}",
        )

    def report_failures(self, status: PoolStatus) -> None:
        """Print the kinds of failures that are new, or have become more."""
        due = self._failures.update(status.failures)
        for (kind, (number, offset, error)), text in zip(due.items(), failures(due), strict=False):
            self.print_event(
                {"event": "failed", "kind": kind, "count": number, "first": offset, "error": error},
                text,
            )

    def print_event(self, record: dict[str, Any], text: str) -> None:
        """Print one event."""
        if self._as_json:
            write_line(json.dumps(record))
            sys.stdout.flush()
        elif not self._quiet:
            error_console().print(text, markup=False)
