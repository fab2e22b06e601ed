"""A job: one agent, one input, one output, one state directory, over any number of lives.

The job is written into the state directory's manifest when it begins, so that `tamias resume`
needs nothing but the directory, and so that a life that does not fit (other input, other options
that must not change) is refused instead of mixed in.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any, cast

from ..agent.configuration import Configuration
from ..agent.errors import ConfigError, StoreError, UsageError
from ..agent.options import PoolOptions
from ..store.directory import StateDirectory, StateView
from ..store.reader import StoreReader
from ..worker.boot import Boot
from ..worker.limits import KernelLimits
from . import lineage
from .breaker import BreakerRule
from .checkpoint import Checkpoint
from .delivery import Delivery
from .exitcodes import DEAD_LETTERS, DONE, INTERRUPTED
from .garbage import rare_collections
from .pool import Pool, PoolSettings
from .reload import Reloader
from .sinks import JsonLinesSink
from .smoke import Trial
from .sources import open_source
from .steering import steered
from .supervisor import watch_limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..store.shard import Durability
    from .launch import Launch
    from .sinks.base import Sink
    from .sources.base import Source
    from .status import PoolStatus


@dataclass(frozen=True, slots=True)
class JobSpec:
    """A file job as the command line describes it. Paths are absolute, or "-"."""

    target: str
    """`package.module:name`, or `/path/to/file.py:name`."""
    input: str
    output: str = "-"
    key: str | None = None
    input_format: str | None = None
    ordered: bool = False
    on_error: str = "dead-letter"
    config: dict[str, Any] = field(default_factory=dict)
    folder: str = ""
    """Where the command was given: modules are looked for here, too."""
    environment: dict[str, Any] = field(default_factory=dict)
    """The workers' environment, as `EnvironmentSpec.of` takes it; empty for the launcher's."""

    @property
    def agent(self) -> str:
        """The agent's identity: a file's stem, or a module, and the name in it."""
        return lineage.agent_of(self.target)

    def launch(self) -> Launch | None:
        """How the workers' interpreter is started: its environment is made, if need be.

        Raises:
            EnvironmentSetupError: it cannot be made, or does not work.
        """
        return provided(self.environment)

    @classmethod
    def recorded(cls, state: Path) -> JobSpec:
        """The job that a state directory was made for.

        Raises:
            StoreError: there is no such directory, or its job did not come from a command.
        """
        with StateDirectory.view(state) as view:
            job = _recorded(view)
        known = {spec_field.name for spec_field in fields(cls)}
        return cls(**{name: value for name, value in job.items() if name in known})


@dataclass(slots=True)
class Report:
    """What a life of a job has come to. Totals are over all lives."""

    finished: bool
    """False when it was interrupted; the same command carries on."""
    events: int
    outputs: int
    dead_letters: int
    ignored: int
    """Inputs that failed and were passed over, as `on-error` wanted it; in this life."""
    retries: int
    """Attempts beyond an input's first, in this life."""
    deaths: int
    """Workers that died, in this life."""
    resumed_at: int
    """Inputs that earlier lives had done."""
    seconds: float
    state: str
    metrics: dict[str, Any] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """What it comes to, for a job that has an end."""
        if not self.finished:
            return INTERRUPTED
        return DEAD_LETTERS if self.dead_letters else DONE


def run_file_job(
    spec: JobSpec,
    state_path: Path,
    *,
    overwrite: bool = False,
    scratch: Path | None = None,
    on_status: Callable[[PoolStatus], None] | None = None,
) -> Report:
    """Run a job from file to file, or carry on with it.

    Args:
        spec: the job.
        state_path: its state directory, which need not exist.
        overwrite: allow a new job to empty an output file that exists.
        scratch: what to delete if this process is killed, where the state is temporary.
        on_status: called a few times a second, between other things: it should be quick.

    Raises:
        TamiasError: as `Pool.run`, and whatever is wrong with the state, input or output. A job
            that could not begin for a mistake of its caller's leaves nothing behind.
    """
    config = Configuration(spec.config)
    launch = spec.launch()
    with (
        open_source(spec.input, spec.key, spec.input_format) as source,
        open_state(
            state_path,
            spec.agent,
            config,
            {"spec": asdict(spec), "input": source.identity()},
        ) as state,
        _nothing_left_of_mistakes(state, spec.output),
    ):
        _agree(spec, state)
        source.check(state.manifest.job["input"])
        if state.manifest.job["spec"] != asdict(spec):
            state.save_job({**state.manifest.job, "spec": asdict(spec)})
        sink = JsonLinesSink(
            spec.output,
            ordered=spec.ordered,
            sync=state.manifest.durability == "machine",
            overwrite=overwrite,
        )
        boot = make_boot(
            state,
            config,
            source,
            sink,
            on_error=spec.on_error,
            target=spec.target,
            sys_path=[spec.folder] if spec.folder else [],
            scratch=str(scratch) if scratch is not None else None,
        )
        return run_life(
            boot,
            source,
            sink,
            state,
            config,
            launch=launch,
            environment=spec.environment,
            trial=Trial(spec.key, spec.input_format),
            on_status=on_status,
        )


@contextmanager
def _nothing_left_of_mistakes(state: StateDirectory, output: str) -> Iterator[None]:
    """Remove what a job has created that ends before it begins, by a mistake in the command.

    An agent that is misspelt or does not import, an output that is in the way: the next, corrected
    command is to find things as the first one did, and not a state directory of another agent.
    """
    new_output = output != "-" and not Path(output).exists()
    try:
        yield
    except (UsageError, StoreError):
        if not any((state.path / "shards").iterdir()):  # no worker has ever come to life
            if new_output:
                with suppress(OSError):
                    Path(output).unlink()
            state.destroy()
        raise


def provided(environment: dict[str, Any]) -> Launch | None:
    """How the interpreter of an environment is started, which is made if need be; may take long.

    None, if nothing is asked for, is this interpreter.

    Raises:
        EnvironmentSetupError: it cannot be made, or does not work.
    """
    if not environment:
        return None
    from .environments.provision import provision  # noqa: PLC0415 (few jobs pay for it)
    from .environments.spec import EnvironmentSpec  # noqa: PLC0415

    return provision(EnvironmentSpec.of(environment))


def open_state(
    path: Path, agent: str, config: Configuration, job: dict[str, Any]
) -> StateDirectory:
    """The state directory of a job, locked; see `StateDirectory.open`."""
    return StateDirectory.open(
        path,
        agent,
        config.get(PoolOptions.SHARDS),
        cast("Durability", config.get(PoolOptions.DURABILITY)),
        job,
    )


def make_boot(
    state: StateDirectory,
    config: Configuration,
    source: Source,
    sink: Sink,
    *,
    on_error: str,
    target: str | None = None,
    agent: str | None = None,
    sys_path: list[str] | None = None,
    scratch: str | None = None,
    revives: bool = False,
) -> Boot:
    """What the workers of one life of a job need to know."""
    return Boot(
        parent=os.getpid(),
        address=f"ipc://@tamias-{os.getpid()}-{token_hex(8)}",
        state=str(state.path),
        shards=state.manifest.shards,
        durability=state.manifest.durability,
        on_error=on_error,
        input_codec=source.codec,
        output_codec=sink.codec,
        config=config.data,
        target=target,
        agent=agent,
        sys_path=sys_path or [],
        scratch=scratch,
        revives=revives,
    )


def run_life(
    boot: Boot,
    source: Source,
    sink: Sink,
    state: StateDirectory,
    config: Configuration,
    *,
    launch: Launch | None = None,
    environment: dict[str, Any] | None = None,
    trial: Trial | None = None,
    delivery: Delivery | None = None,
    on_status: Callable[[PoolStatus], None] | None = None,
    handle_signals: bool = True,
) -> Report:
    """One life of a job: recover, run, report.

    Args:
        boot: what the workers must know.
        source: not yet read.
        sink: not yet opened.
        state: locked.
        config: the job's.
        launch: the workers' interpreter; None for this one.
        environment: what it was made of, for a reload to make it anew.
        trial: how a reload reads smoke inputs.
        delivery: what takes outbox records to the sink, where that is not the usual one.
        on_status: called a few times a second.
        handle_signals: whether SIGINT and SIGTERM drain the pool.

    Raises:
        TamiasError: as `Pool.run`.
    """
    workers = config.get(PoolOptions.WORKERS) or _usable_cpus(state.manifest.shards)
    if workers > state.manifest.shards:
        raise ConfigError(
            f"{workers} workers cannot share {state.manifest.shards} shards: each needs at least "
            "one.",
            hint="Use fewer workers, or a new state directory with more shards (--set shards=N).",
        )
    KernelLimits.of(config).check()
    began = time.monotonic()
    record = state.progress.load()
    if delivery is None:
        checkpoint = Checkpoint() if record is None else Checkpoint.load(record)
        delivery = Delivery(sink, checkpoint, state.progress.save)
    checkpoint = delivery.checkpoint
    resumed_at = checkpoint.totals.events
    try:
        delivery.open()
        if record is not None:
            source.seek(checkpoint.position())
        settings = PoolSettings(
            slots=workers,
            window=config.get(PoolOptions.WINDOW),
            batch=config.get(PoolOptions.BATCH_SIZE),
            max_attempts=config.get(PoolOptions.MAX_ATTEMPTS),
            limits=watch_limits(config),
            breaker=BreakerRule(
                config.get(PoolOptions.BREAKER_FAILURES),
                config.get(PoolOptions.BREAKER_SECONDS),
                stops=config.get(PoolOptions.ON_BREAKER) == "stop",
            ),
            start_method=config.get(PoolOptions.START_METHOD),
            launch=launch,
            on_status=on_status,
            handle_signals=handle_signals,
        )
        lasting = boot.scratch is None and not boot.revives
        if lasting:
            made_of = lineage.definition_of(boot.target, boot.config, lineage.python_of(launch))
            boot = replace(boot, generation=lineage.begin(state, made_of))
        pool = Pool(boot, source, delivery, state, settings)
        if lasting:
            Reloader(
                pool,
                state,
                boot,
                launch=launch,
                environment=environment or {},
                provide=provided,
                trial=trial or Trial(),
            )
        with steered(pool, state) if lasting else nullcontext(), rare_collections():
            finished = pool.run()
    finally:
        delivery.close()
    with StoreReader(state.path) as reader:
        dead_letters = reader.counts()["dead"]
    return Report(
        finished=finished,
        events=checkpoint.totals.events,
        outputs=checkpoint.totals.outputs,
        dead_letters=dead_letters,
        ignored=pool.status.ignored,
        retries=pool.status.retries,
        deaths=pool.status.deaths,
        resumed_at=resumed_at,
        seconds=time.monotonic() - began,
        state=str(state.path),
        metrics=pool.status.metrics,
    )


def _usable_cpus(most: int) -> int:
    """How many CPUs this process may use: fewer than the machine has, inside a container."""
    return min(most, len(os.sched_getaffinity(0)))


def _recorded(view: StateView) -> dict[str, Any]:
    """The job in a state directory's manifest, as a command has put it there."""
    spec = view.manifest.job.get("spec")
    if not isinstance(spec, dict):
        raise StoreError(
            f"{view.path} was not made by `tamias run`, so a command cannot carry it on.",
            hint="Run the program that made it again, with the same state directory.",
        )
    return spec


def _agree(spec: JobSpec, state: StateDirectory) -> None:
    """Refuse a command that would mix another job into the state directory."""
    recorded = _recorded(state)
    for name in ("input", "output", "key", "input_format", "ordered"):
        was, now = recorded.get(name), getattr(spec, name)
        if was != now:
            raise UsageError(
                f"{state.path} belongs to a job with {_flag(name, was)}; this command has "
                f"{_flag(name, now)}.",
                hint="Repeat the command as it was, or name another state directory (--state).",
            )


def _flag(name: str, value: object) -> str:
    flag = "--" + name.replace("_", "-")
    if value is None or value is False:
        return f"no {flag}"
    return flag if value is True else f"{flag} {value}"
