"""What a pool process runs: a job or a service, as `tamias run` and `tamias serve` would.

It reads what to do from standard input, sends how it goes over a channel (`channel.py`), and prints
nothing, unless it is broken: an exception that is no error of tamias's ends it without a word, as a
signal would, with a traceback in its log.
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

from ..agent.error_json import error_to_json
from ..agent.errors import TamiasError
from ..launcher.jobs.exit_codes import DONE, INTERRUPTED
from ..launcher.jobs.file_job import JobSpec, run_file_job
from ..service.server.service import ServeSpec, serve
from ..worker.process.parent_death import die_with_parent
from .channel import Channel
from .spec import target_of

if TYPE_CHECKING:
    from ..launcher.jobs.report import Report
    from ..launcher.pool.status import PoolStatus
    from ..service.server.frontend import Frontend


def main() -> None:
    """Do what standard input says, for the parent that the arguments name."""
    parent, descriptor = map(int, sys.argv[1:])
    die_with_parent(parent)
    channel = Channel.inherited(descriptor)
    order = json.load(sys.stdin)
    setproctitle.setproctitle(f"tamias: pool {order['name']}")
    log = logging.getLogger("tamias")
    log.addHandler(_ChannelHandler(channel))
    log.propagate = False
    logging.getLogger("tamias.environments").setLevel(logging.INFO)  # it can take minutes
    # Until the pool runs, which then drains, and after it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        report, code = _perform(order, channel)
    except KeyboardInterrupt:
        channel.send_last(interrupted=True, code=INTERRUPTED)
    except TamiasError as error:
        channel.send_last(error=error_to_json(error), code=error.exit_code)
    else:
        channel.send_last(report=asdict(report), code=code)


def _perform(order: dict[str, Any], channel: Channel) -> tuple[Report, int]:
    """Run it to its end: what came of it, and its exit code."""
    state = Path(order["state"])

    def on_status(status: PoolStatus) -> None:
        # The metrics are in the state directory, and may be large.
        channel.send(status={**asdict(status), "metrics": {}})

    def on_ready(frontend: Frontend) -> None:
        channel.send(ready={"address": frontend.address, "listen": frontend.listens_on})

    if order["kind"] == "service":
        service = ServeSpec.recorded(state) if order["again"] else ServeSpec(**order["spec"])
        service = replace(service, target=target_of(service))
        return serve(service, state, on_ready=on_ready, on_status=on_status), DONE
    job = JobSpec.recorded(state) if order["again"] else JobSpec(**order["spec"])
    job = replace(job, target=target_of(job))
    report = run_file_job(job, state, overwrite=order["overwrite"], on_status=on_status)
    return report, report.exit_code


class _ChannelHandler(logging.Handler):
    """Sends log lines to the supervisor."""

    def __init__(self, channel: Channel) -> None:
        super().__init__()
        self._channel = channel

    def emit(self, record: logging.LogRecord) -> None:
        """As `logging.Handler.emit`."""
        self._channel.send(log=record.getMessage())
