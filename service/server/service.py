"""A service from its beginning to its end: request log, frontend, and a pool with endless inputs.

The pool is the same as for any job; what makes it a service is its source and its sink. A signal or
the command `drain` ends it: no more is accepted, what is in flight is finished, answered and
recorded, and the rest waits in the request log for the next start.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ...agent.config.configuration import Configuration
from ...agent.config.options import PoolOptions, ServiceOptions
from ...agent.errors import ConfigError, StoreError
from ...launcher.delivery.checkpoint import Checkpoint
from ...launcher.delivery.checkpointed import CheckpointedDelivery
from ...launcher.jobs.command_spec import CommandSpec
from ...launcher.jobs.job import Job
from ...launcher.jobs.smoke import smoke_runner
from ...launcher.streams.text_streams import TextStreams
from ...store.state.directory import StateDirectory
from ..protocol.keys import ServerKeys
from .frontend import Frontend
from .handoff import Handoff
from .request_log import RequestLog
from .sessions import Limits
from .sink import ReplySink
from .source import RequestSource
from .systemd import notify

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ...launcher.jobs.report import Report
    from ...launcher.pool.status import PoolStatus

_REQUEST_LOG: Final = "request log"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeSpec(CommandSpec):
    """A service as the command line describes it. Paths are absolute."""

    listen: str | None = None
    """A TCP address to serve besides the local socket, as ``tcp://127.0.0.1:7000``."""
    keys: str | None = None
    """The directory of the keys, without which there is no TCP."""

    @property
    def failure_policy(self) -> str:
        """As `CommandSpec.failure_policy`."""
        return Configuration(self.config).get(PoolOptions.ON_ERROR) or "dead-letter"

    @classmethod
    def recorded(cls, state: Path, secrets: Mapping[str, Any] | None = None) -> ServeSpec:
        """Return the service that a state directory was made for, as the last reload has left it.

        Args:
            state: the state directory.
            secrets: settings among which are those that are not on record.

        Raises:
            UsageError: a secret is missing.
            StoreError: there is no such directory, or a service has not made it.
        """
        with StateDirectory.view(state) as view:
            service = view.manifest.job.get("service")
        if not isinstance(service, dict):
            raise StoreError(f"{state} was not made by a service.")
        return cls.of_record(service, secrets)


def serve(
    spec: ServeSpec,
    state_path: Path,
    *,
    on_ready: Callable[[Frontend], None] | None = None,
    on_status: Callable[[PoolStatus], None] | None = None,
    handle_signals: bool = True,
) -> Report:
    """Serve until a signal or a command drains the pool.

    Args:
        spec: what to serve, and where.
        state_path: the state directory; if it exists, the service continues from it.
        on_ready: called once, when all workers are ready and clients can connect.
        on_status: as for `run_file_job`.
        handle_signals: whether SIGINT and SIGTERM drain it; only in the main thread.

    Raises:
        ConfigError: the TCP address has no keys, or cannot be listened on.
        EnvironmentSetupError: the workers' environment cannot be made.
        TamiasError: as `Pool.run`.
    """
    config = Configuration(spec.config)
    if spec.listen is not None and spec.keys is None:
        raise ConfigError(
            f"A service on {spec.listen} would be open to everybody.",
            hint="Give it keys: make them with tamias keys new DIR, and serve with --keys DIR.",
        )
    keys = ServerKeys(Path(spec.keys)) if spec.keys is not None else None
    job = Job(spec.agent_spec(), spec.launch(), smoke=smoke_runner(), handle_signals=handle_signals)
    record = {"input": {"kind": "service"}, "service": spec.record()}
    with ExitStack() as stack:
        state = stack.enter_context(job.open_state(state_path, record))
        handoff = Handoff()
        stack.callback(handoff.close)
        state.check_part(_REQUEST_LOG, state.layout.intake)
        request_log = RequestLog.open(
            state.layout.intake,
            sync=state.manifest.durability == "machine",
            identity=state.manifest.identity,
        )
        stack.callback(request_log.close)
        state.record_part(_REQUEST_LOG)
        source = RequestSource(request_log, handoff)
        source.check(state.manifest.job.get("input", {}))
        if {**state.manifest.job, **record} != state.manifest.job:
            state.save_job({**state.manifest.job, **record})
        streams = TextStreams(handoff.frontend.wake)
        frontend = Frontend(
            state.path,
            request_log,
            handoff,
            _limits(config),
            listen=spec.listen,
            keys=keys,
            retention=config.get(ServiceOptions.RETENTION),
            streams=streams,
        )
        _restore(frontend, request_log, state)
        frontend.start()
        stack.callback(frontend.stop)
        sink = ReplySink(request_log, handoff, state.path)
        notifier = _ReadinessNotifier(frontend, on_ready, on_status)
        job = replace(
            job, on_status=notifier.update, on_pool=frontend.queries.connect, streams=streams
        )
        return job.run(state, source, CheckpointedDelivery(sink, state.progress))


class _ReadinessNotifier:
    """Watches the pool; notifies systemd, the caller and the frontend of its start and end."""

    def __init__(
        self,
        frontend: Frontend,
        on_ready: Callable[[Frontend], None] | None,
        on_status: Callable[[PoolStatus], None] | None,
    ) -> None:
        self._frontend = frontend
        self._on_ready = on_ready
        self._on_status = on_status
        self._ready = False
        self._ending = False

    def update(self, status: PoolStatus) -> None:
        """Process a status of the pool."""
        if not self._ready and all(worker.state == "ready" for worker in status.workers):
            self._ready = True
            notify("READY=1")
            if self._on_ready is not None:
                self._on_ready(self._frontend)
        if not self._ending and status.phase not in ("starting", "running"):
            self._ending = True
            self._frontend.drain()
            notify("STOPPING=1")
        if self._on_status is not None:
            self._on_status(status)


def _limits(config: Configuration) -> Limits:
    return Limits(
        window=config.get(ServiceOptions.WINDOW),
        backlog=config.get(ServiceOptions.BACKLOG),
        backlog_bytes=config.get(ServiceOptions.BACKLOG_BYTES),
        kept=config.get(ServiceOptions.KEPT_OUTCOMES),
    )


def _restore(frontend: Frontend, request_log: RequestLog, state: StateDirectory) -> None:
    """Give the sessions what an earlier run has accepted and not answered."""
    record = state.progress.load()
    done = Checkpoint.load(record).done if record is not None else ()
    for offset, client, sequence, size in request_log.unanswered():
        if offset not in done:
            frontend.sessions.restore(offset, client, sequence, size)
        else:
            frontend.sessions.suspended.add(offset, client)
