"""A service from its beginning to its end: ledger, front door, and a pool that has no end.

The pool is the same as for any job; what makes it a service is its source and its sink. A signal
(or whatever drains the pool) ends it: no more is accepted, what is in flight is finished, answered
and recorded, and the rest waits in the ledger for the next life.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...agent.configuration import Configuration
from ...agent.errors import ConfigError, StoreError
from ...agent.options import PoolOptions, ServiceOptions
from ...store.directory import StateDirectory
from ..checkpoint import Checkpoint
from ..job import JobSpec, make_boot, open_state, run_life
from .desk import Limits
from .frontdoor import FrontDoor
from .handover import Handover
from .intake import IntakeSource
from .keys import ServerKeys
from .ledger import Ledger
from .notify import notify
from .replies import ReplySink

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..job import Report
    from ..launch import Launch
    from ..status import PoolStatus


@dataclass(frozen=True, slots=True)
class ServeSpec:
    """A service as the command line describes it. Paths are absolute."""

    target: str
    """`package.module:name`, or `/path/to/file.py:name`."""
    listen: str | None = None
    """A TCP address to serve besides the local socket, as ``tcp://127.0.0.1:7000``."""
    keys: str | None = None
    """The directory of the keys, without which there is no TCP."""
    config: dict[str, Any] = field(default_factory=dict)
    folder: str = ""
    """Where the command was given: modules are looked for here, too."""
    environment: dict[str, Any] = field(default_factory=dict)
    """The workers' environment, as for any job."""

    @property
    def agent(self) -> str:
        """The agent's identity, as for any job."""
        return self._job.agent

    def launch(self) -> Launch | None:
        """How the workers' interpreter is started; raises as `JobSpec.launch`."""
        return self._job.launch()

    @classmethod
    def recorded(cls, state: Path) -> ServeSpec:
        """The service that a state directory was made for, as the last reload has left it.

        Raises:
            StoreError: there is no such directory, or it is no service's.
        """
        with StateDirectory.view(state) as view:
            service = view.manifest.job.get("service")
        if not isinstance(service, dict):
            raise StoreError(f"{state} was not made by a service.")
        known = {spec_field.name for spec_field in fields(cls)}
        return cls(**{name: value for name, value in service.items() if name in known})

    @property
    def _job(self) -> JobSpec:
        return JobSpec(self.target, "-", environment=self.environment)


def serve(
    spec: ServeSpec,
    state_path: Path,
    *,
    on_ready: Callable[[FrontDoor], None] | None = None,
    on_status: Callable[[PoolStatus], None] | None = None,
    handle_signals: bool = True,
) -> Report:
    """Serve until a signal, or whatever else drains the pool, ends it.

    Args:
        spec: what to serve, and where.
        state_path: the state directory; one that is there is carried on with.
        on_ready: called once, when all workers are ready and clients can come.
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
    launch = spec.launch()
    job = {"input": {"kind": "service"}, "service": asdict(spec)}
    with ExitStack() as stack:
        state = stack.enter_context(open_state(state_path, spec.agent, config, job))
        handover = Handover()
        stack.callback(handover.close)
        ledger = Ledger.open(state.path / "intake", sync=state.manifest.durability == "machine")
        stack.callback(ledger.close)
        source = IntakeSource(ledger, handover)
        source.check(state.manifest.job.get("input", {}))
        if {**state.manifest.job, **job} != state.manifest.job:
            state.save_job({**state.manifest.job, **job})
        door = FrontDoor(
            state.path,
            ledger,
            handover,
            _limits(config),
            listen=spec.listen,
            keys=keys,
            retention=config.get(ServiceOptions.RETENTION),
        )
        _restore(door, ledger, state)
        door.start()
        stack.callback(door.stop)
        sink = ReplySink(ledger, handover, state.path)
        boot = make_boot(
            state,
            config,
            source,
            sink,
            on_error=config.get(PoolOptions.ON_ERROR) or "dead-letter",
            target=spec.target,
            sys_path=[spec.folder] if spec.folder else [],
        )
        usher = _Usher(door, on_ready, on_status)
        return run_life(
            boot,
            source,
            sink,
            state,
            config,
            launch=launch,
            environment=spec.environment,
            on_status=usher.look,
            handle_signals=handle_signals,
        )


class _Usher:
    """Watches the pool, and tells the others when it is ready and when it ends."""

    def __init__(
        self,
        door: FrontDoor,
        on_ready: Callable[[FrontDoor], None] | None,
        on_status: Callable[[PoolStatus], None] | None,
    ) -> None:
        self._door = door
        self._on_ready = on_ready
        self._on_status = on_status
        self._ready = False
        self._ending = False

    def look(self, status: PoolStatus) -> None:
        """The pool's state now."""
        if not self._ready and all(worker.state == "ready" for worker in status.workers):
            self._ready = True
            notify("READY=1")
            if self._on_ready is not None:
                self._on_ready(self._door)
        if not self._ending and status.phase not in ("starting", "running"):
            self._ending = True
            self._door.drain()
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


def _restore(door: FrontDoor, ledger: Ledger, state: StateDirectory) -> None:
    """Tell the desk what an earlier life has accepted and not answered."""
    record = state.progress.load()
    done = Checkpoint.load(record).watermark if record is not None else ()
    for offset, client, sequence, size in ledger.unanswered():
        if offset not in done:
            door.desk.restore(offset, client, sequence, size)
