"""As `flink_agents.api.execution_environment` of Flink Agents."""

from __future__ import annotations

from functools import cache
from typing import Any

from typing_extensions import Self

import tamias
from tamias import (
    AgentBuilder,
    FlinkOptions,
    Resource,
    ResourceDescriptor,
    ResourceType,
    TamiasError,
)
from tamias.flink_agents.dialect import dialect

from .._ending import note_report
from ..integrations.vector_stores.chroma.in_memory import given_to_workers

__all__ = ["AgentBuilder", "AgentsExecutionEnvironment"]


class AgentsExecutionEnvironment(tamias.AgentsExecutionEnvironment):
    """tamias's, in which a resource has the type of its class."""

    @staticmethod
    def get_execution_environment(
        env: Any = None, t_env: Any = None, **kwargs: Any
    ) -> tamias.AgentsExecutionEnvironment:
        """As tamias's; in Flink, events are JSON since 0.3."""
        made = tamias.AgentsExecutionEnvironment.get_execution_environment(env, t_env, **kwargs)
        if (env is not None or t_env is not None) and dialect() != "0.2":
            made.get_config().add_defaults({FlinkOptions.VALUES.key: "json"})
        made.__class__ = _form(type(made))
        return made

    def add_resource(self, name: str, resource_type: ResourceType, instance: Any) -> Self:
        """As tamias's, under the type of its class, whatever type is given."""
        return super().add_resource(name, _type_of(resource_type, instance), instance)

    def execute(self, job_name: str | None = None) -> None:
        """As tamias's; workers have what the program has put into memory of its own."""
        with given_to_workers():
            super().execute(job_name)  # type: ignore[safe-super]  # of the class in whose form it is
        note_report(self)


@cache
def _form(kind: type[tamias.AgentsExecutionEnvironment]) -> type[Any]:
    return type(kind.__name__, (AgentsExecutionEnvironment, kind), {"__doc__": kind.__doc__})


def _type_of(given: ResourceType, instance: Any) -> ResourceType:
    if isinstance(instance, Resource):
        return instance.resource_type()
    if isinstance(instance, ResourceDescriptor):
        try:
            return instance.clazz.resource_type()
        except TamiasError:
            return given  # the class is on the workers only
    return given
