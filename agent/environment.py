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
from .errors import MissingExtraError
from .naming.public import public
from .resources.resource import ResourceType

if TYPE_CHECKING:
    from typing_extensions import Self

    from .agent import Agent
    from .config.configuration import Configuration

__all__ = ["ENVIRONMENTS", "AgentBuilder", "AgentsExecutionEnvironment"]

ENVIRONMENTS = "tamias.environments"
"""The entry-point group of execution environments."""

_INSTALL = {"flink": "pip install 'tamias[flink]'", "local": "pip install --force-reinstall tamias"}


@public
class AgentBuilder(ABC):
    """Joins one input with one agent and one output."""

    @abstractmethod
    def apply(self, agent: Agent | type[Agent]) -> AgentBuilder:
        """Set the agent. A second one is an error."""

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
