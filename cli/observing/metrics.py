"""`tamias metrics`: shows the metrics of jobs, serves them, or sends them to a collector."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ...agent.errors import UsageError
from ...console.exporting.states import job_states
from ...store.state.directory import StateDirectory
from .. import flags
from ..text import output_console, write_line
from .exporter import check_extras

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ...console.exporting.states import JobState
    from ...console.otlp.sender import Sender

_LAST_SECONDS: Final = 5.5
"""How long the last export may take."""
_NICE: Final = 5
"""How much the process beside a pool yields to it."""
_BEFORE: Final = 15.0
"""Runs are sent that ended so many seconds before: this process may be one that follows another."""
_ACCEPT: Final = {"text": "", "openmetrics": "application/openmetrics-text; version=1.0.0"}


def metrics(
    states: Annotated[list[Path], typer.Argument(metavar="STATE_DIR...", readable=False)],
    *,
    listen: Annotated[
        str | None,
        typer.Option(metavar="[HOST:]PORT", help="Serve them to Prometheus until interrupted."),
    ] = None,
    form: Annotated[
        str, typer.Option("--format", metavar="text|openmetrics", help="Of what is printed.")
    ] = "text",
    otlp: flags.Otlp = None,
    once: Annotated[
        bool, typer.Option("--once", help="With --otlp: send what there is, and end.")
    ] = False,
    listen_fd: Annotated[int | None, typer.Option(hidden=True)] = None,
    name: Annotated[str, typer.Option(hidden=True)] = "",
    with_parent: Annotated[bool, typer.Option("--with-parent", hidden=True)] = False,
) -> int:
    """Show the metrics of jobs, which may be running or at rest, in the format of Prometheus.

    Each job is named by the label `agent`: the name of its state directory without `.tamias`.
    """
    if form not in _ACCEPT:
        raise UsageError(f"--format {form} is unknown.", hint=f"Known: {', '.join(_ACCEPT)}.")
    check_extras(metrics=otlp is None or listen is not None, otlp=otlp is not None)
    jobs = job_states(states, name)
    if with_parent:
        os.nice(_NICE)
    else:  # (with a parent, the states of a new job may not exist yet)
        for path in states:
            StateDirectory.view(path).close()
    listener = socket.socket(fileno=listen_fd) if listen_fd is not None else None
    if listen is not None:
        listener = _listen(listen)
    if otlp is not None and once:
        return 0 if _sender(otlp, jobs).send() else 1
    if listener is None and otlp is None:
        _print(jobs, form)
        return 0
    with ExitStack() as stack:
        if listener is not None:
            stack.enter_context(_served(listener, jobs))
        if otlp is not None:
            stack.enter_context(_sending(_sender(otlp, jobs, time.time() - _BEFORE)))
        if with_parent:
            _wait_for_end_of_input()
        else:
            _wait_for_signal()
    return 0


def _print(jobs: Sequence[JobState], form: str) -> None:
    from ...console.prometheus.page import rendered  # noqa: PLC0415 (needs an extra)

    page, _ = rendered(jobs, _ACCEPT[form])
    write_line(page.decode().rstrip("\n"))


def _listen(address: str) -> socket.socket:
    from ...console.prometheus.address import listen, url_of  # noqa: PLC0415

    listener = listen(address)
    output_console().print(f"metrics at {url_of(listener)}", markup=False)
    return listener


def _served(listener: socket.socket, jobs: Sequence[JobState]) -> Any:
    """Return a block in which the metrics are served."""
    from ...console.prometheus.server import MetricsServer  # noqa: PLC0415 (needs an extra)

    server = MetricsServer(listener, jobs)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server


def _sender(url: str, jobs: Sequence[JobState], since: float = 0.0) -> Sender:
    from ...console.otlp.sender import Sender  # noqa: PLC0415 (needs an extra)

    return Sender(url, jobs, since)


@contextmanager
def _sending(sender: Sender) -> Iterator[None]:
    """Send in this block, and once more at its end."""
    stop = threading.Event()
    thread = threading.Thread(target=sender.run, args=[stop], name="otlp", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(_LAST_SECONDS)


def _wait_for_end_of_input() -> None:
    """Wait until the parent closes standard input, or has died."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent
    while os.read(0, 1024):
        pass


def _wait_for_signal() -> None:
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    ended.wait()
