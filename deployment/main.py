"""What a pool process runs: a job or a service, as `tamias run` and `tamias serve` would.

It is told what to do on standard input, tells how it goes over a line (`line.py`), and prints
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
    line = Channel.inherited(descriptor)
    order = json.load(sys.stdin)
    setproctitle.setproctitle(f"tamias: pool {order['name']}")
    log = logging.getLogger("tamias")
    log.addHandler(_Relay(line))
    log.propagate = False
    logging.getLogger("tamias.environments").setLevel(logging.INFO)  # it can take minutes
    # Until the pool runs, which then drains, and after it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        report, code = _perform(order, line)
    except KeyboardInterrupt:
        line.last_word(interrupted=True, code=INTERRUPTED)
    except TamiasError as error:
        line.last_word(error=error_to_json(error), code=error.exit_code)
    else:
        line.last_word(report=asdict(report), code=code)


def _perform(order: dict[str, Any], line: Channel) -> tuple[Report, int]:
    """Run it to its end: what came of it, and its exit code."""
    state = Path(order["state"])

    def on_status(status: PoolStatus) -> None:
        # The metrics are in the state directory, and may be large.
        line.tell(status={**asdict(status), "metrics": {}})

    def on_ready(frontend: Frontend) -> None:
        line.tell(ready={"address": frontend.address, "listen": frontend.listens_on})

    if order["kind"] == "service":
        service = ServeSpec.recorded(state) if order["again"] else ServeSpec(**order["spec"])
        service = replace(service, target=target_of(service))
        return serve(service, state, on_ready=on_ready, on_status=on_status), DONE
    job = JobSpec.recorded(state) if order["again"] else JobSpec(**order["spec"])
    job = replace(job, target=target_of(job))
    report = run_file_job(job, state, overwrite=order["overwrite"], on_status=on_status)
    return report, report.exit_code


class _Relay(logging.Handler):
    """Hands on what is logged."""

    def __init__(self, line: Channel) -> None:
        super().__init__()
        self._line = line

    def emit(self, record: logging.LogRecord) -> None:
        """As `logging.Handler.emit`."""
        self._line.tell(log=record.getMessage())
