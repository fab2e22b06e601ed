"""`JavaResource`: the base class of resources whose class is a Java class."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict, Field, PrivateAttr

from ...agent.errors import AgentDefinitionError
from ...agent.resources.resource import Resource, ResourceType
from ..jvm.settings import JvmSettings
from .calls import JavaCalls, calls_for, release

if TYPE_CHECKING:
    from ...agent.config.configuration import Configuration
    from ...agent.metrics import MetricGroup
    from .session import Answer


class JavaResource(Resource, ABC):
    """A resource that lives in a JVM, and is made there when it is first used.

    ``java_clazz`` is its class. With ``java_method`` the resource is the result of that static
    method of the class, which may also be the description of a resource. All further arguments are
    passed to the Java class.
    """

    model_config = ConfigDict(extra="allow")

    java_clazz: str = Field(min_length=1)
    java_method: str | None = None

    _name: str = PrivateAttr(default="")
    _calls: JavaCalls | None = PrivateAttr(default=None)
    _settings: JvmSettings = PrivateAttr(default=JvmSettings())

    @classmethod
    def references(cls, arguments: Mapping[str, Any]) -> list[tuple[ResourceType, str]]:  # noqa: ARG003
        """None that are known here: names in its arguments are Java's to look up."""
        return []

    def provided(self, name: str, config: Configuration) -> None:
        """Set its name and the settings of the JVM."""
        self._name = name
        self._settings = JvmSettings.of(config)
        if self.get_resource is not None and self._calls is None:
            self._calls = calls_for(self._settings, self.get_resource)

    def close(self) -> None:
        """Give Java up; the last Java resource of a worker ends the session."""
        if self._calls is not None and self.get_resource is not None:
            self._calls = None
            release(self._settings, self.get_resource)

    @property
    def java_name(self) -> str:
        """The name of this resource in the agent."""
        return self._name

    @property
    def java_description(self) -> dict[str, Any]:
        """The class and arguments from which Java makes it."""
        ours = {"get_resource", "java_clazz", "java_method"}
        given = (self.model_fields_set | set(self.model_extra or ())) - ours
        return {
            "clazz": self.java_clazz,
            "method": self.java_method,
            "arguments": {name: getattr(self, name) for name in given},
        }

    def java_call(self, method: str, **args: Any) -> Any:
        """Call a method of the Java object, and return its result. Raises as `JavaCalls.call`."""
        calls, request = self._java_request(method, args)
        return self._java_value(calls.call(request))

    async def java_acall(self, method: str, **args: Any) -> Any:
        """The awaitable form of `java_call`; other keys go on meanwhile."""
        calls, request = self._java_request(method, args)
        return self._java_value(await calls.acall(request))

    def _java_request(self, method: str, args: dict[str, Any]) -> tuple[JavaCalls, dict[str, Any]]:
        if self._calls is None:
            raise AgentDefinitionError(
                f"The Java resource of {self.java_clazz} belongs to no agent, or is closed.",
                hint="Declare it as a resource of an agent, and ask the context for it.",
            )
        kind = type(self).resource_type().value
        return self._calls, {"type": kind, "name": self._name, "method": method, "args": args}

    def _java_value(self, outcome: Answer) -> Any:
        if self.metric_group is not None:
            for path, kind, name, number in outcome.get("metrics", ()):
                _report(self.metric_group, path, kind, name, number)
        return outcome["done"]


def _report(group: MetricGroup, path: list[str], kind: str, name: str, number: float) -> None:
    for part in path:
        group = group.get_sub_group(part)
    if kind == "counter":
        group.get_counter(name).inc(int(number))
    elif kind == "meter":
        group.get_meter(name).mark(int(number))
    elif kind == "gauge":
        group.get_gauge(name).update(number)
    else:
        group.get_histogram(name).update(number)
