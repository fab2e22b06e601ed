"""The remote execution environment: an agent in a Flink job, behind Flink Agents' API.

    env = StreamExecutionEnvironment.get_execution_environment()
    agents = AgentsExecutionEnvironment.get_execution_environment(env=env)
    outputs = agents.from_datastream(stream, key_selector).apply(MyAgent()).to_datastream()
    agents.execute()

Agent, pool, workers and store are the same as on one machine. Flink adds its sources and sinks, its
checkpoints and its machines. How that works is in `operator` and in docs/flink.md.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from ...agent.config.configuration import Configuration
from ...agent.environment import AgentBuilder, AgentsExecutionEnvironment
from ...agent.errors import ConfigError, EnvironmentUseError, MissingExtraError, PoolError
from ...launcher.jobs.target import agent_or_target
from ...worker.importing.guard import refuse_during_import
from ...worker.importing.yaml_files import built_agents
from .minicluster import check_interpreter, is_minicluster, reason, set_defaults
from .operator import attach
from .streams import KeyedInput, from_stream, from_table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...agent.agent import Agent

try:
    import pyflink.datastream  # noqa: F401  (to fail here, where PyFlink is missing)
except ImportError as error:  # pragma: no cover (needs an installation without the extra)
    raise MissingExtraError(
        f"PyFlink cannot be imported: {error}.", hint="Install it: pip install 'tamias[flink]'"
    ) from error


class FlinkExecutionEnvironment(AgentsExecutionEnvironment):
    """Puts agents into the job of a Flink environment."""

    def __init__(self, env: Any, t_env: Any = None) -> None:
        """`env` is a StreamExecutionEnvironment, `t_env` a StreamTableEnvironment on top of it."""
        super().__init__()
        self._env = env
        self._t_env = t_env
        self._config = Configuration()
        self._executed = False
        self._builders: list[FlinkAgentBuilder] = []
        self._is_local = is_minicluster(env)
        if self._is_local:
            set_defaults(env)
        section = _settings_of_cluster()
        if section:
            self._config.load_yaml_text(yaml.safe_dump({"agent": section}), "FLINK_CONF_DIR")

    def get_config(self, path: str | None = None) -> Configuration:
        """The configuration, to read and set; a YAML file at `path` is loaded into it first.

        It begins with the section ``agent`` of ``config.yaml`` in ``FLINK_CONF_DIR``.
        """
        if path is not None:
            self._config.load_file(path)
        return self._config

    def from_list(self, input: list[dict[str, Any]]) -> AgentBuilder:
        """Supported by the local environment only."""
        del input
        raise EnvironmentUseError(
            "from_list belongs to the environment without Flink.",
            hint="Make a stream of the list, with env.from_collection(...), and use"
            " from_datastream; or call get_execution_environment() without arguments.",
        )

    def from_datastream(self, input: Any, key_selector: Any = None) -> FlinkAgentBuilder:
        """Read inputs from a DataStream.

        Args:
            input: a DataStream, or a KeyedStream.
            key_selector: what partitions it: a KeySelector, a callable, or the name or position of
                a field of its rows, which is quickest. Not for a stream that is keyed already.

        Raises:
            UsageError: the stream has no key, or two.
        """
        return self._builder(from_stream(input, key_selector))

    def from_table(self, input: Any, key_selector: Any = None) -> FlinkAgentBuilder:
        """Read inputs from a Table, whose rows come as `Row`; see `from_datastream`.

        Raises:
            EnvironmentUseError: there is no table environment, or no key.
        """
        return self._builder(from_table(self._tables(), input, key_selector))

    def _builder(self, keyed: KeyedInput) -> FlinkAgentBuilder:
        builder = FlinkAgentBuilder(self, keyed, len(self._builders))
        self._builders.append(builder)
        return builder

    def _tables(self) -> Any:
        if self._t_env is None:
            raise EnvironmentUseError(
                "A table needs a table environment.",
                hint="get_execution_environment(env=env, t_env=StreamTableEnvironment.create(env))",
            )
        return self._t_env

    def load_yaml(self, paths: str | Path | Iterable[str | Path]) -> None:
        """As `AgentsExecutionEnvironment.load_yaml`."""
        self._add_built(built_agents(paths, is_complete=False))

    def execute(self, job_name: str | None = None) -> None:
        """Run the Flink job, and wait for its end.

        Args:
            job_name: the name that Flink shows for the job; None: Flink's default.

        Raises:
            EnvironmentUseError: it was called before, or an input has no agent.
            ConfigError: in a mini-cluster, the interpreter for Python functions cannot run them.
            PoolError: the job has failed because of a pool, or of a Python function such as a key
                function; the message says why.
        """
        refuse_during_import("execute()")
        if self._executed:
            raise EnvironmentUseError(
                "execute can be called once in the life of an environment.",
                hint="Get another environment to run again.",
            )
        if not self._builders or any(builder.agent is None for builder in self._builders):
            raise EnvironmentUseError(
                "There is nothing to execute yet.",
                hint="Call from_datastream(stream, key).apply(agent).to_datastream() first.",
            )
        self._executed = True
        if self._is_local:
            check_interpreter(self._env)
        try:
            self._env.execute(job_name)
        except Exception as error:
            text = reason(error)
            if text:
                raise PoolError(text) from None
            raise


class FlinkAgentBuilder(AgentBuilder):
    """Joins a keyed stream with an agent and a stream of its outputs."""

    def __init__(
        self, environment: FlinkExecutionEnvironment, keyed: KeyedInput, number: int
    ) -> None:
        """`number` is its place among the environment's."""
        self._environment = environment
        self._number = number
        self._keyed = keyed
        self.agent: Agent | type[Agent] | str | None = None
        self._attached: Any = None
        self._text = False

    def apply(self, agent: Agent | type[Agent] | str) -> FlinkAgentBuilder:
        """Set the agent, itself or by name: `package.module:name`.

        The name may also be that of an agent from a YAML file which `load_yaml` has read.

        Raises:
            EnvironmentUseError: there is one already.
            TargetError: there is no agent of this name, and no module.
        """
        if self.agent is not None:
            raise EnvironmentUseError(
                "apply can be called once for an input.", hint="Read the stream once more."
            )
        if isinstance(agent, str):
            elsewhere = bool(self._environment.get_config().section("environment"))
            agent = agent_or_target(agent, self._environment.agents, elsewhere=elsewhere)
        self.agent = agent
        return self

    def to_list(self) -> list[dict[Any, Any]]:
        """Supported by the local environment only."""
        raise EnvironmentUseError(
            "to_list belongs to the environment without Flink.",
            hint="Use to_datastream(), and a sink or execute_and_collect().",
        )

    def to_datastream(self, output_type: Any = None) -> Any:
        """The outputs as a DataStream.

        Args:
            output_type: of the stream's elements. Without it they are Python objects, as the agent
                has sent them. ``Types.STRING()`` makes texts of them: a text as it is, and JSON of
                anything else; no Python is needed between the pool and Flink for that. For any
                other type they are mapped by a Python function of PyFlink.

        Raises:
            EnvironmentUseError: there is no agent yet, or the stream was asked for with another
                type.
            AgentDefinitionError: the agent does not compile.
        """
        from pyflink.common import Types  # noqa: PLC0415 (an extra)

        text = output_type is not None and output_type == Types.STRING()
        stream = self._stream(text=text)
        if output_type is None or text:
            return stream
        from .rows import to_type  # noqa: PLC0415 (an extra)

        return stream.map(to_type(output_type), output_type=output_type)

    def to_table(self, schema: Any, output_type: Any) -> Any:
        """The outputs as a Table of `schema`, whose rows are of `output_type`.

        An output is a mapping of the fields' names, a row, or the fields in order.

        Raises:
            EnvironmentUseError: there is no table environment, or no agent yet.
        """
        tables = self._environment._tables()  # noqa: SLF001 (a class of the same module)
        return tables.from_data_stream(self.to_datastream(output_type), schema)

    def _stream(self, *, text: bool) -> Any:
        if self.agent is None:
            raise EnvironmentUseError("There is no agent yet.", hint="Call apply(agent) first.")
        if self._attached is None:
            self._text = text
            self._attached = attach(
                self._keyed,
                self.agent,
                self._environment.resources,
                self._environment.get_config(),
                text=text,
                number=self._number,
            )
        elif self._text != text:
            raise EnvironmentUseError(
                "The outputs are either texts or Python objects.",
                hint="Map the stream that you have, or read the input once more for the other.",
            )
        return self._attached


def create(env: Any = None, t_env: Any = None, **options: Any) -> FlinkExecutionEnvironment:
    """The factory behind the entry point `flink`; options go into the configuration."""
    if env is None:
        from pyflink.datastream import StreamExecutionEnvironment  # noqa: PLC0415 (an extra)

        env = StreamExecutionEnvironment(t_env._j_tenv.execEnv())  # noqa: SLF001 (no other way)
    environment = FlinkExecutionEnvironment(env, t_env)
    for name, value in options.items():
        environment.get_config().override({name.replace("_", "-"): value})
    return environment


def _settings_of_cluster() -> dict[str, Any]:
    """The section `agent` of Flink's configuration file, if there is one."""
    folder = os.environ.get("FLINK_CONF_DIR")
    path = Path(folder) / "config.yaml" if folder else None
    if path is None or not path.is_file():
        return {}
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read: {error}.") from error
    if not isinstance(document, dict):
        return {}
    flat = {
        key.removeprefix("agent."): value
        for key, value in document.items()
        if isinstance(key, str) and key.startswith("agent.")
    }
    section = document.get("agent")
    return {**flat, **section} if isinstance(section, dict) else flat
