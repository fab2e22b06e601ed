"""Where agents run: the interface, and how an implementation of it is found.

This room cannot import the rooms that run agents, so it looks them up by entry point, in the group
``tamias.environments``: ``local`` for the pool on this machine, ``flink`` for a Flink job. What the
entry point names is called as ``factory(env=env, t_env=t_env, **kwargs)`` and returns an
`AgentsExecutionEnvironment`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from .agent import add_resource
from .errors import AgentDefinitionError, MissingExtraError
from .naming.public import public
from .resources.resource import ResourceType

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from typing_extensions import Self

    from .agent import Agent
    from .config.configuration import Configuration
    from .yaml_agents.building import BuiltAgents

    Paths = str | Path | Iterable[str | Path]

__all__ = ["ENVIRONMENTS", "AgentBuilder", "AgentsExecutionEnvironment"]

ENVIRONMENTS = "tamias.environments"
"""The entry-point group of execution environments."""

_INSTALL = {"flink": "pip install 'tamias[flink]'", "local": "pip install --force-reinstall tamias"}


@public
class AgentBuilder(ABC):
    """Joins one input with one agent and one output."""

    @abstractmethod
    def apply(self, agent: Agent | type[Agent] | str) -> AgentBuilder:
        """Set the agent, itself or by name. A second one is an error."""

    @abstractmethod
    def to_list(self) -> list[dict[Any, Any]]:
        """The outputs, each as ``{key: output}``: a list that ``execute()`` fills."""

    @abstractmethod
    def to_datastream(self, output_type: Any = None) -> Any:
        """The outputs as a Flink DataStream, of Python objects or of a type that is given."""

    @abstractmethod
    def to_table(self, schema: Any, output_type: Any) -> Any:
        """The outputs as a Flink Table of ``schema``, rows being of ``output_type``."""


@public
class AgentsExecutionEnvironment(ABC):
    """Where an agent runs: reads inputs, runs the agent, writes outputs."""

    def __init__(self) -> None:
        self._resources: dict[ResourceType, dict[str, Any]] = {kind: {} for kind in ResourceType}
        self._agents: dict[str, Agent] = {}

    @staticmethod
    def get_execution_environment(
        env: Any = None, t_env: Any = None, **kwargs: Any
    ) -> AgentsExecutionEnvironment:
        """The environment for a job.

        Without arguments, the pool on this machine; with a Flink ``StreamExecutionEnvironment``
        (and maybe a ``StreamTableEnvironment``), a Flink job. Raises `MissingExtraError` when the
        package that implements it is not installed.
        """
        name = "local" if env is None and t_env is None else "flink"
        factory: Callable[..., AgentsExecutionEnvironment] = _factory(name)
        return factory(env=env, t_env=t_env, **kwargs)

    @property
    def resources(self) -> dict[ResourceType, dict[str, Any]]:
        """The resources that every agent of the environment may use, by type and name."""
        return self._resources

    def add_resource(self, name: str, resource_type: ResourceType, instance: Any) -> Self:
        """Add a resource for every agent here, as `Agent.add_resource` does for one.

        An agent's own resource of that type and name is preferred to it. Returns the environment.
        Raises `AgentDefinitionError` when the name is taken.
        """
        add_resource(self._resources, name, resource_type, instance)
        return self

    @property
    def agents(self) -> dict[str, Agent]:
        """The agents from YAML files, which ``apply`` takes by name."""
        return self._agents

    @abstractmethod
    def load_yaml(self, paths: Paths) -> None:
        """Add the agents of one YAML file or several, and what they share.

        Shared resources become the environment's, settings those of its configuration where that
        has no others. Raises `AgentDefinitionError` for mistakes in a file, all at once, and for a
        name that is taken.
        """

    def _add_built(self, built: BuiltAgents) -> None:
        """Add what YAML files describe: all of it, or nothing if a name is taken."""
        taken = [f"agent {name!r}" for name in built.agents if name in self._agents]
        taken += [
            f"{kind.value} {name!r}"
            for kind, named in built.resources.items()
            for name in named
            if name in self._resources[kind]
        ]
        if taken:
            msg = f"The environment has the {taken[0]} already."
            raise AgentDefinitionError(msg, hint="Give each a name of its own, in all files.")
        self._agents.update(built.agents)
        for kind, named in built.resources.items():
            self._resources[kind].update(named)
        self.get_config().add_defaults(built.settings)

    @abstractmethod
    def get_config(self, path: str | None = None) -> Configuration:
        """The configuration, to read and set; a YAML file at ``path`` is loaded into it first."""

    @abstractmethod
    def from_list(self, input: list[dict[str, Any]]) -> AgentBuilder:
        """Read inputs from a list, at ``execute()``.

        Each is a dict with ``value`` (or ``v``) and maybe ``key`` (or ``k``).
        """

    @abstractmethod
    def from_datastream(self, input: Any, key_selector: Any = None) -> AgentBuilder:
        """Read inputs from a Flink DataStream."""

    @abstractmethod
    def from_table(self, input: Any, key_selector: Any = None) -> AgentBuilder:
        """Read inputs from a Flink Table."""

    @abstractmethod
    def execute(self, job_name: str | None = None) -> None:
        """Run until all inputs are processed. Only once in the life of an environment.

        Args:
            job_name: the name of the job where it is shown; None: the agent's.
        """


def _factory(name: str) -> Callable[..., AgentsExecutionEnvironment]:
    for entry in entry_points(group=ENVIRONMENTS):
        if entry.name == name:
            try:
                factory: Callable[..., AgentsExecutionEnvironment] = entry.load()
            except ImportError as error:
                msg = f"The {name!r} environment cannot be imported: {error}."
                raise MissingExtraError(msg, hint=f"Try: {_INSTALL[name]}") from error
            return factory
    msg = f"No {name!r} execution environment is installed."
    raise MissingExtraError(msg, hint=f"Install it with: {_INSTALL[name]}")
