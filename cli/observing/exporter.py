"""The process beside a launcher that serves its metrics, or sends them to a collector.

It reads the state directory, as `tamias metrics` does for any job, and shares nothing with the
pool. If it dies another one is started; if the launcher dies the kernel closes its standard input,
and it ends. The socket is made here, so an address that cannot be had is an error of the command,
and a scrape that comes between two such processes waits.
"""

from __future__ import annotations

import importlib.util
import logging
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Final

from ...agent.errors import MissingExtraError
from ...console.exporting.collector_url import check_url

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence
    from pathlib import Path

    from typing_extensions import Self

# The working directory is the user's: a `queue.py` in it must not be imported instead of Python's.
_PROGRAM: Final = (
    "import sys; sys.path[:] = [path for path in sys.path if path]; "
    "from tamias.cli.app import main; main()"
)
_LONGEST_PAUSE: Final = 60.0
_LAST_SECONDS: Final = 6.0
"""How long it may take to end."""

_LOG: Final = logging.getLogger("tamias.metrics")


class Exporter:
    """Has the metrics of some jobs exported by another process in its block.

    Attributes:
        url: where they are served; empty if they are not.

    Args:
        states: the state directories, which need not exist yet.
        metrics: the address at which they are served; None: they are not.
        otlp: the collector to which they are sent; None: they are not.
        name: what the job is called if its state directory's name says nothing.

    Raises:
        UsageError: the address cannot be had, or an extra is not installed.
    """

    def __init__(
        self,
        states: Sequence[Path],
        metrics: str | None,
        otlp: str | None = None,
        *,
        name: str = "",
    ) -> None:
        self.url = ""
        self._states = states
        self._listener: socket.socket | None = None
        self._closing = threading.Event()
        self._guard = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._keeper: threading.Thread | None = None
        self._otlp = otlp
        self._name = name
        check_extras(metrics=metrics is not None, otlp=otlp is not None)
        if otlp is not None:
            check_url(otlp)
        if metrics is not None:
            from ...console.prometheus.address import listen, url_of  # noqa: PLC0415

            self._listener = listen(metrics)
            self.url = url_of(self._listener)

    def __enter__(self) -> Self:
        if self._listener is not None or self._otlp is not None:
            self._keeper = threading.Thread(target=self._keep, name="tamias-metrics", daemon=True)
            self._keeper.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._guard:
            self._closing.set()
            if self._process is not None and self._process.stdin is not None:
                self._process.stdin.close()
        if self._keeper is not None:
            self._keeper.join(_LAST_SECONDS)
            with self._guard:
                if self._process is not None:
                    self._process.kill()
            self._keeper.join()
        if self._listener is not None:
            self._listener.close()

    def _keep(self) -> None:
        """Start the process, again and again until the block ends."""
        pause = 1.0
        while True:
            began = time.monotonic()
            process = self._start()
            if process is None:
                return
            with process:
                for line in process.stderr or ():
                    _LOG.warning("metrics: %s", line.rstrip())
                code = process.wait()
            with self._guard:
                self._process = None
            if self._closing.is_set():
                return
            how = f"exit code {code}" if code >= 0 else signal.Signals(-code).name
            _LOG.warning("the process that exports metrics has ended (%s): another is started", how)
            if time.monotonic() - began > _LONGEST_PAUSE:
                pause = 1.0
            self._closing.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _start(self) -> subprocess.Popen[str] | None:
        """Start the process; return None when the block has ended, or it cannot be started."""
        command = [sys.executable, "-c", _PROGRAM, "metrics", "--with-parent"]
        descriptors = []
        if self._listener is not None:
            descriptors.append(self._listener.fileno())
            command += ["--listen-fd", str(self._listener.fileno())]
        if self._otlp is not None:
            command += ["--otlp", self._otlp]
        if self._name:
            command.append(f"--name={self._name}")
        with self._guard:
            if self._closing.is_set():
                return None
            try:
                self._process = subprocess.Popen(
                    [*command, "--", *map(str, self._states)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    pass_fds=descriptors,
                    text=True,
                    errors="backslashreplace",
                    start_new_session=True,
                )
            except OSError as error:  # the process limit is reached
                _LOG.warning("metrics are not exported: %s", error)
                return None
            return self._process


def check_extras(*, metrics: bool = False, otlp: bool = False) -> None:
    """Check that the libraries are installed which something needs.

    Raises:
        MissingExtraError: one is not.
    """
    if metrics and not _is_installed("prometheus_client"):
        raise MissingExtraError(
            "Metrics for Prometheus need the library prometheus-client.",
            hint="Install it: pip install 'tamias[metrics]'.",
        )
    if otlp and not _is_installed("opentelemetry.exporter.otlp.proto.http"):
        raise MissingExtraError(
            "Metrics and traces for OpenTelemetry need its SDK and its exporter.",
            hint="Install them: pip install 'tamias[otel]'.",
        )


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # not even the package around it
        return False
