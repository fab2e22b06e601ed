"""The program of a pool process: runs a job or a service, as `tamias run` and `tamias serve` do.

It reads what to run from standard input, reports over a channel (`channel.py`), and prints nothing.
An exception that is not a `TamiasError` is a mistake in tamias: it ends the process without a
report, as a signal would, with a traceback in its log.
"""

from __future__ import annotations

import json
import logging
import signal
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import setproctitle

from ..agent.errors import TamiasError
from ..agent.failures.error_json import error_to_json
from ..launcher.jobs.exit_codes import DONE, INTERRUPTED
from ..launcher.jobs.file_job import JobSpec, run_file_job
from ..service.server.service import ServeSpec, serve
from ..worker.process.reaper import die_with_parent
from .channel import Channel
from .spec import target_of

if TYPE_CHECKING:
    from ..launcher.jobs.report import Report
    from ..launcher.pool.status import PoolStatus
    from ..service.server.frontend import Frontend


def main() -> None:
    """Run what standard input describes, for the parent that the arguments name."""
    parent, descriptor = map(int, sys.argv[1:])
    die_with_parent(parent)
    channel = Channel.inherited(descriptor)
    request = json.load(sys.stdin)
    setproctitle.setproctitle(f"tamias: pool {request['name']}")
    log = logging.getLogger("tamias")
    log.addHandler(_ChannelHandler(channel))
    log.propagate = False
    logging.getLogger("tamias.environments").setLevel(logging.INFO)  # making one can take minutes
    # Before and after the pool runs; the pool itself drains at SIGTERM.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        report, code = _perform(request, channel)
    except KeyboardInterrupt:
        channel.send_last(interrupted=True, code=INTERRUPTED)
    except TamiasError as error:
        channel.send_last(error=error_to_json(error), code=error.exit_code)
    else:
        channel.send_last(report=asdict(report), code=code)


def _perform(request: dict[str, Any], channel: Channel) -> tuple[Report, int]:
    """Run it to its end; return its report and its exit code."""
    state = Path(request["state"])

    def on_status(status: PoolStatus) -> None:
        # The metrics are in the state directory, and may be large.
        data = status.to_json()
        data.update(metrics={}, measures={}, histograms={})
        channel.send(status=data)

    def on_ready(frontend: Frontend) -> None:
        channel.send(ready={"address": frontend.address, "listen": frontend.listens_on})

    if request["kind"] == "service":
        service = ServeSpec(**request["spec"])
        if request["again"]:
            service = ServeSpec.recorded(state, service.config)
        service = replace(service, target=target_of(service))
        return serve(service, state, on_ready=on_ready, on_status=on_status), DONE
    job = JobSpec(**request["spec"])
    if request["again"]:
        job = JobSpec.recorded(state, job.config)
    job = replace(job, target=target_of(job))
    report = run_file_job(job, state, overwrite=request["overwrite"], on_status=on_status)
    return report, report.exit_code


class _ChannelHandler(logging.Handler):
    """Sends log lines to the supervisor."""

    def __init__(self, channel: Channel) -> None:
        super().__init__()
        self._channel = channel

    def emit(self, record: logging.LogRecord) -> None:
        """As `logging.Handler.emit`."""
        self._channel.send(log=record.getMessage())
