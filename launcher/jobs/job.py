"""A job: one agent between a source and a delivery, over one state directory.

Every pool of tamias is put together here, for every kind of source: a file, a Python list, clients
of a service, dead letters, a Flink task, the smoke inputs of a reload. One run of a job:

1. `open_state` locks the state directory, or makes it.
2. `run` opens the delivery, which returns the position from which the source is read.
3. The pool works until the source is exhausted, or until a command, signal or error ends it early.
4. `run` closes the delivery and reports what this run has done.

The next run with the same state directory continues where this one has ended.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from ...agent.config.configuration import Configuration
from ...agent.config.options import PoolOptions
from ...agent.errors import ConfigError
from ...agent.limits.settings import Limits
from ...environments.provide import provide_launch
from ...store.state.directory import StateDirectory
from ...store.state.reader import StoreReader
from ...worker.importing.guard import refuse_during_import
from ...worker.process.boot import Boot
from ...worker.process.limits import KernelLimits, allow_open_files
from ..connection.listening import new_address
from ..control.commands import Stop
from ..control.requests import control_socket
from ..dispatch.breaker import BreakerRule
from ..garbage import rare_collections
from ..hooks import load_launcher_hooks, logging_only
from ..logs.log_reader import LogReader
from ..pool.pool import Pool
from ..pool.settings import PoolSettings
from ..reload import generation_record
from ..reload.current import CurrentGeneration
from ..reload.reloader import Reloader
from ..workers.monitor import watch_limits
from .report import Report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ...environments.launch import Launch
    from ...store.shard.shard import Durability
    from ...store.waiting.reading import WaitingCounts
    from ..control.commands import Answer, Command
    from ..delivery.delivery import Delivery
    from ..delivery.source import Source
    from ..pool.status import PoolStatus
    from ..reload.reloader import SmokeRunner
    from ..streams.text_streams import TextStreams
    from ..workers.starter import Starter
    from .agent_spec import AgentSpec


@dataclass(frozen=True, slots=True)
class Job:
    """An agent with all that is needed to run it; see the module's text."""

    agent: AgentSpec
    launch: Launch | None = None
    """The workers' interpreter; None for this one."""
    scratch: Path | None = None
    """The folder that another process deletes if this one is killed, for temporary state."""
    controllable: bool = True
    """Whether the pool has a control socket and generations, and can be reloaded."""
    smoke: SmokeRunner | None = None
    """Runs smoke inputs through new code before a reload; None: a reload cannot have any."""
    ends_input: bool = False
    """Whether the end of the source is the end of the job's input, where the agent may still have
    something to do: `EndOfInputEvent`, runs that wait. If not, what waits is left to the next run
    of the job."""
    on_rest: Callable[[WaitingCounts, Callable[[Command], Answer]], bool] | None = None
    """See `PoolSettings.on_rest`."""
    time_limit: float | None = None
    """Seconds after which the pool is ended at once, resumably; None for no limit."""
    on_pool: Callable[[Callable[[Command], Answer]], object] | None = None
    """Called with what hands commands to the pool, before the pool begins."""
    on_status: Callable[[PoolStatus], None] | None = None
    """Called a few times a second in the pool's loop: it should be quick."""
    on_output: Callable[[str], object] | None = None
    """Called with each line that workers print, under the option `show-logs`; None: stderr."""
    limit_parts: int = 1
    """How many pools share the limits of calls in equal parts."""
    streams: TextStreams | None = None
    """See `PoolSettings.streams`."""
    observed: bool = True
    """Whether the configured and the installed hooks are called."""
    handle_signals: bool = True
    """Whether SIGINT and SIGTERM drain the pool; only possible in the main thread."""
    make_starter: Callable[[Boot], Starter] | None = None
    """Makes the starter of workers; None: as the option `start-method` says."""

    @property
    def config(self) -> Configuration:
        """The settings of agent and pool."""
        return Configuration(self.agent.config)

    def open_state(self, path: Path, record: dict[str, Any]) -> StateDirectory:
        """Return the state directory, locked; `record` describes the job in a new one's manifest.

        Raises:
            StoreError: as `StateDirectory.open`.
            UsageError: an agent is being imported.
        """
        refuse_during_import("A job")
        config = self.config
        return StateDirectory.open(
            path,
            self.agent.name,
            config.get(PoolOptions.SHARDS),
            cast("Durability", config.get(PoolOptions.DURABILITY)),
            record,
        )

    def run(self, state: StateDirectory, source: Source, delivery: Delivery) -> Report:
        """Run the job once: recover, run, report.

        Args:
            state: locked.
            source: not yet read.
            delivery: not yet opened; it is closed when this returns.

        Raises:
            ConfigError: the settings cannot be met.
            TamiasError: as `Pool.run`.
        """
        config = self.config
        log = state.layout.pool_log
        show_output = self._output_shower(log)
        settings = self._pool_settings(config, state.manifest.shards, show_output)
        KernelLimits.of(config).check()
        allow_open_files(state.manifest.shards, settings.slots)
        began = time.monotonic()
        try:
            position = delivery.open()
            resumed_at = delivery.events
            changed = self._differences(state) if resumed_at else []
            if position is not None:
                source.seek(position)
            boot = self.boot(state, source.codec, delivery.codec)
            with ExitStack() as stack:
                stack.enter_context(state.named_errors())
                stack.enter_context(rare_collections())
                if self.controllable:
                    boot = replace(boot, generation=self._generation(state))
                pool = Pool(boot, source, delivery, state, settings)
                if self.on_pool is not None:
                    self.on_pool(pool.post)
                if self.controllable:
                    current = CurrentGeneration(
                        pool, state, boot, self.launch, self.agent.environment
                    )
                    Reloader(current, provide_launch, self.smoke).register()
                    stack.enter_context(control_socket(pool.post, state))
                if self.time_limit is not None:
                    stack.enter_context(ended_after(self.time_limit, pool))
                try:
                    finished = pool.run()
                finally:
                    show_output()
        finally:
            delivery.close()
        with StoreReader(state.path) as reader:
            dead_letters = reader.counts()["dead"]
        return Report(
            finished=finished,
            events=delivery.events,
            outputs=delivery.outputs,
            dead_letters=dead_letters,
            ignored=pool.status.ignored,
            retries=pool.status.retries,
            requeued=pool.status.requeued,
            deaths=pool.status.deaths,
            resumed_at=resumed_at,
            seconds=time.monotonic() - began,
            state=str(state.path),
            log=str(log) if log.exists() and log.stat().st_size else "",
            failed=pool.status.failed,
            failures=pool.status.failures,
            notices=pool.status.notices,
            waiting_runs=pool.status.waiting_runs,
            waiting_inputs=pool.status.waiting_inputs,
            timers=pool.status.timers,
            questions=pool.status.questions,
            next_due=pool.status.next_due,
            left=source.left,
            changed=changed,
            metrics=pool.status.metrics,
        )

    def _at_end(self) -> str:
        """What the pool does at the end of its input about runs that wait."""
        if not self.ends_input:
            return "suspend"
        wanted = self.config.get(PoolOptions.AT_END)
        # A temporary state cannot be resumed.
        return "wait" if wanted == "auto" and self.scratch is not None else wanted

    def boot(self, state: StateDirectory, input_codec: str, output_codec: str) -> Boot:
        """Return what the workers of this run need to start."""
        agent = self.agent
        return Boot(
            parent=os.getpid(),
            address=new_address(self.config.get(PoolOptions.TRANSPORT)),
            state=str(state.path),
            store=state.manifest.store,
            shards=state.manifest.shards,
            durability=state.manifest.durability,
            on_error=agent.on_error,
            input_codec=input_codec,
            output_codec=output_codec,
            config=self.config.data,
            target=agent.target,
            agent=agent.pickled,
            sys_path=list(agent.sys_path),
            scratch=None if self.scratch is None else str(self.scratch),
        )

    def _definition(self) -> dict[str, Any]:
        python = generation_record.python_of(self.launch)
        return generation_record.definition_of(self.agent.target, self.config.data, python)

    def _generation(self, state: StateDirectory) -> int:
        return generation_record.begin(state, self._definition())

    def _differences(self, state: StateDirectory) -> list[str]:
        return generation_record.differences(state, self._definition())

    def _output_shower(self, log: Path) -> Callable[[], None]:
        """Return a function that shows what workers have printed since its last call."""
        if not self.config.get(PoolOptions.SHOW_LOGS):
            return lambda: None
        reader = LogReader(log, from_end=True)
        write = self.on_output or (lambda text: sys.stderr.write(f"{text}\n"))

        def show() -> None:
            for line in reader.lines():
                write(line.text)

        return show

    def _pool_settings(
        self, config: Configuration, shards: int, show_output: Callable[[], None]
    ) -> PoolSettings:
        def on_status(status: PoolStatus) -> None:
            show_output()
            if self.on_status is not None:
                self.on_status(status)

        workers = config.get(PoolOptions.WORKERS) or min(shards, len(os.sched_getaffinity(0)))
        if workers > shards:
            raise ConfigError(
                f"{workers} workers cannot share {shards} shards: each needs at least one.",
                hint="Use fewer workers, or a new state directory with more shards "
                "(--set shards=N).",
            )
        return PoolSettings(
            slots=workers,
            window=config.get(PoolOptions.WINDOW),
            batch=config.get(PoolOptions.BATCH_SIZE),
            malformed_limit=config.get(PoolOptions.MALFORMED_LIMIT),
            max_attempts=config.get(PoolOptions.MAX_ATTEMPTS),
            limits=watch_limits(config),
            drain_timeout=config.get(PoolOptions.DRAIN_TIMEOUT),
            log_limit=config.get(PoolOptions.LOG_LIMIT),
            breaker=BreakerRule(
                config.get(PoolOptions.BREAKER_FAILURES),
                config.get(PoolOptions.BREAKER_SECONDS),
                stops=config.get(PoolOptions.ON_BREAKER) == "stop",
            ),
            streams=self.streams,
            at_end=self._at_end(),
            at_end_limit=config.get(PoolOptions.AT_END_LIMIT),
            waiting_limit=config.get(PoolOptions.WAITING_LIMIT),
            ends_input=self.ends_input,
            on_rest=self.on_rest,
            call_limits=Limits.of(config.data).share(self.limit_parts),
            limit_parts=self.limit_parts,
            start_method=config.get(PoolOptions.START_METHOD),
            make_starter=self.make_starter,
            launch=self.launch,
            on_status=on_status,
            handle_signals=self.handle_signals,
            hooks=load_launcher_hooks(config.get(PoolOptions.LAUNCHER_HOOKS))
            if self.observed
            else logging_only(),
        )


@contextmanager
def ended_after(seconds: float, pool: Pool) -> Iterator[None]:
    """Stop a pool at once if this block has not ended after so many seconds."""

    def stop() -> None:
        for _ in range(2):  # the second one does not wait for what is in flight
            pool.post(Stop())

    timer = threading.Timer(seconds, stop)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
