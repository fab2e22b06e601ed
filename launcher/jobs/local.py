"""The local execution environment: the pool on this machine, behind Flink Agents' API.

It uses the same job and pool as the command line, with a list source and a collecting sink. The
state directory is temporary unless the option `state-dir` names one; then a program that is killed
and started again continues, and still returns all outputs.

Workers run in this program's interpreter and environment, unless the section `environment` of the
configuration asks for another one.
"""

from __future__ import annotations

import logging
import shutil
import sys
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ...agent.config.configuration import Configuration
from ...agent.config.options import PoolOptions
from ...agent.environment import AgentBuilder, AgentsExecutionEnvironment
from ...agent.errors import (
    AgentFailedError,
    EnvironmentUseError,
    PoolError,
    TamiasError,
    UsageError,
    WorkerStartError,
)
from ...agent.plan import AgentPlan
from ...environments.packing import own_folders, packed_for, portable_inputs
from ...environments.provide import provide_launch
from ...store import clock
from ...store.state.layout import StateLayout
from ...store.state.scratch import make_scratch
from ...worker.importing.guard import refuse_during_import
from ...worker.importing.yaml_files import built_agents, target_settings
from ..delivery.checkpointed import CheckpointedDelivery
from ..logs.end_report import (
    keep_output,
    last_words,
    warn_of_dead_letters,
    warn_of_ignored,
)
from ..logs.log_reader import keep_log
from ..pool.at_end import describe_waiting
from ..reload import generation_record
from ..sinks.collect import CollectSink
from ..sources.factory import python_source
from .agent_spec import AgentSpec
from .job import Job
from .smoke import smoke_runner
from .target import agent_or_target, checked_target
from .watching import program_watcher

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...agent.agent import Agent
    from ...store.waiting.reading import WaitingCounts
    from ..pool.status import PoolStatus
    from .report import Report


_LOG: Final = logging.getLogger("tamias")


class LocalExecutionEnvironment(AgentsExecutionEnvironment):
    """Runs one agent over one list, once."""

    def __init__(self) -> None:
        super().__init__()
        self._config = Configuration()
        self._builder: LocalAgentBuilder | None = None
        self._executed = False
        self.report: Report | None = None
        """The report of `execute`, once it has returned."""

    def get_config(self, path: str | None = None) -> Configuration:
        """Return the configuration, to be read and set; a YAML file at `path` is loaded into it."""
        if path is not None:
            self._config.load_file(path)
        return self._config

    def from_list(self, input: list[dict[str, Any]]) -> LocalAgentBuilder:
        """Take inputs from a list (or any iterable), which is read during `execute`.

        Raises:
            EnvironmentUseError: called before.
        """
        if self._builder is not None:
            raise EnvironmentUseError(
                "from_list can be called once in the life of an environment.",
                hint="Get another environment for another input.",
            )
        self._builder = LocalAgentBuilder(input, self.agents, self._config)
        return self._builder

    def from_datastream(self, input: Any, key_selector: Any = None) -> AgentBuilder:
        """Raise UsageError: only a Flink environment has this."""
        del input, key_selector
        raise _needs_flink("from_datastream")

    def from_table(self, input: Any, key_selector: Any = None) -> AgentBuilder:
        """Raise UsageError: only a Flink environment has this."""
        del input, key_selector
        raise _needs_flink("from_table")

    def load_yaml(self, paths: str | Path | Iterable[str | Path]) -> None:
        """As `AgentsExecutionEnvironment.load_yaml`."""
        self._add_built(built_agents(paths, is_complete=False))

    def execute(self, job_name: str | None = None) -> None:
        """Run the agent over the whole input; `to_list`'s list is filled when this returns.

        Inputs that were set aside have no outputs in it: there is a warning for each of the first
        of them, and `report.dead_letters` is their number.

        Args:
            job_name: the name that the progress shows (option `progress`); None: the agent's.

        Raises:
            EnvironmentUseError: called before, or there is no input or agent yet.
            AgentFailedError: an action failed (unless the option `on-error` says otherwise).
            TamiasError: any other error that ends a pool.
        """
        refuse_during_import("execute()")
        if self._executed:
            raise EnvironmentUseError(
                "execute can be called once in the life of an environment.",
                hint="Get another environment to run again.",
            )
        if self._builder is None or self._builder.agent is None:
            raise EnvironmentUseError(
                "There is nothing to execute yet.",
                hint="Call from_list(inputs).apply(agent) first.",
            )
        self._executed = True
        try:
            self.report = self._watched(self._builder.agent, self._builder, job_name)
        except AgentFailedError as error:
            # The traceback that matters is that of the action, which is part of the message.
            raise error.with_traceback(None) from None
        if not self.report.finished:
            raise PoolError(
                f"The job was interrupted after {self.report.events} inputs.",
                hint="With the option state-dir the same program carries on where it stopped.",
            )

    def _target(self, agent: Agent | type[Agent] | str) -> str:
        """Return the agent's name; raises the error that a worker would raise."""
        if isinstance(agent, str):
            self._config.add_defaults(target_settings(agent))
        else:
            plan = AgentPlan.compile(agent, self._config, self.resources)
            plan.check_handles_input()
            return plan.name
        if any(self.resources.values()):
            raise UsageError(
                "An agent that is only named cannot be given resources of this environment.",
                hint="Add them to the agent itself, in its module.",
            )
        if agent.partition(":")[0] in sys.modules:
            return agent
        return checked_target(agent, elsewhere=bool(self._config.section("environment")))

    def _watched(
        self, agent: Agent | type[Agent] | str, builder: LocalAgentBuilder, job_name: str | None
    ) -> Report:
        target = self._target(agent)
        title = job_name or generation_record.agent_of(target)
        with program_watcher(title, progress=self._config.get(PoolOptions.PROGRESS)) as watcher:
            return self._run(agent, target, builder, watcher.show)

    def _job(
        self,
        agent: Agent | type[Agent] | str,
        target: str,
        scratch: Path | None,
        on_status: Callable[[PoolStatus], None],
    ) -> Job:
        config = self._config
        environment = config.section("environment")
        launch = provide_launch(environment)
        packed = None if isinstance(agent, str) else packed_for(launch, agent, self.resources)
        spec = AgentSpec(
            generation_record.agent_of(target),
            target=target if packed is None else None,
            pickled=packed,
            config=config.data,
            on_error=config.get(PoolOptions.ON_ERROR) or "fail",
            sys_path=own_folders(launch),
            environment=environment,
        )
        return Job(
            spec,
            launch,
            scratch=scratch,
            controllable=scratch is None,
            ends_input=True,
            smoke=smoke_runner(),
            on_status=on_status,
            handle_signals=threading.current_thread() is threading.main_thread(),
        )

    def _run(
        self,
        agent: Agent | type[Agent] | str,
        target: str,
        builder: LocalAgentBuilder,
        on_status: Callable[[PoolStatus], None],
    ) -> Report:
        config = self._config
        named = config.get(PoolOptions.STATE_DIR)
        scratch = None if named else make_scratch(config.get(PoolOptions.DURABILITY))
        state_path = Path(named) if scratch is None else scratch / "state"
        try:
            job = self._job(agent, target, scratch, on_status)
            launch = job.launch
            with (
                python_source(
                    portable_inputs(builder.input, launch), compared=bool(named)
                ) as source,
                job.open_state(state_path, {}) as state,
            ):
                sink = CollectSink(
                    state.layout.outputs if named else None,
                    sync=state.manifest.durability == "machine",
                    foreign=launch is not None and launch.is_foreign,
                )
                report = job.run(state, source, CheckpointedDelivery(sink, state.progress, source))
                if report.waiting:
                    _warn_of_waiting(report.waiting, is_kept=scratch is None)
                if report.dead_letters:
                    warn_of_dead_letters(state.path, report.dead_letters)
                elif report.ignored:
                    warn_of_ignored(report.failures)
                if scratch is not None:  # it is deleted below
                    kept = keep_log(state.layout.pool_log) if report.dead_letters else None
                    report.log = str(kept or "")
                if report.log and report.dead_letters:
                    _LOG.warning("what the workers printed is in %s", report.log)
                builder.output.extend(sink.take_results())
                sink.check_readable()
                return report
        except TamiasError as error:
            if scratch is not None:  # the log is deleted below
                if isinstance(error, WorkerStartError):
                    error.hint = last_words(StateLayout(state_path).pool_log)
                keep_output(state_path, error)
            raise
        finally:
            if scratch is not None:
                shutil.rmtree(scratch, ignore_errors=True)


class LocalAgentBuilder(AgentBuilder):
    """Holds the inputs, the agent and the list of outputs."""

    def __init__(
        self, input: Any, agents: Mapping[str, Agent], config: Configuration | None = None
    ) -> None:
        """`agents` are those that may be named without a module."""
        self.input = input
        self._agents = agents
        self._config = config or Configuration()
        self.output: list[dict[Any, Any]] = []
        self.agent: Agent | type[Agent] | str | None = None

    def apply(self, agent: Agent | type[Agent] | str) -> LocalAgentBuilder:
        """Set the agent, itself or by name: `package.module:name`, or `path/to/file.py:name`.

        The name may also be that of an agent from a YAML file which `load_yaml` has read.

        An agent given by name is imported only by the workers, in their own environment.

        Raises:
            EnvironmentUseError: there is one already.
            TargetError: there is no agent of this name, and no module.
        """
        if self.agent is not None:
            raise EnvironmentUseError(
                "apply can be called once: an environment runs one agent.",
                hint="Get another environment for another agent.",
            )
        if isinstance(agent, str):
            elsewhere = bool(self._config.section("environment"))
            agent = agent_or_target(agent, self._agents, elsewhere=elsewhere)
        self.agent = agent
        return self

    def to_list(self) -> list[dict[Any, Any]]:
        """Return the list that `execute` fills with `{key: output}`, in input order."""
        return self.output

    def to_datastream(self, output_type: Any = None) -> Any:
        """Raise UsageError: only a Flink environment has this."""
        del output_type
        raise _needs_flink("to_datastream")

    def to_table(self, schema: Any, output_type: Any) -> Any:
        """Raise UsageError: only a Flink environment has this."""
        del schema, output_type
        raise _needs_flink("to_table")


def create(env: Any = None, t_env: Any = None, **options: Any) -> LocalExecutionEnvironment:
    """Return an environment for the entry point `local`; options go into the configuration.

    The option `environment` is a mapping: the workers' Python environment.
    """
    del env, t_env
    environment = LocalExecutionEnvironment()
    for name, value in options.items():
        if isinstance(value, Mapping):
            environment.get_config().override({name.replace("_", "-"): value})
        else:
            environment.get_config().set_str(name.replace("_", "-"), value)
    return environment


def _warn_of_waiting(counts: WaitingCounts, *, is_kept: bool) -> None:
    """Log a warning about what waits at the end of a job; `is_kept`: its state is not deleted."""
    then = "run the program again to go on with it" if is_kept else "it is lost with the state"
    _LOG.warning("the job has ended, but %s: %s", describe_waiting(counts, clock.now()), then)


def _needs_flink(name: str) -> UsageError:
    return UsageError(
        f"{name} belongs to a Flink environment.",
        hint="Pass Flink's environment: get_execution_environment(env=...).",
    )
