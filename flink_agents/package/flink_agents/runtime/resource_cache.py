"""As `flink_agents.runtime.resource_cache` of Flink Agents: the resources of a plan, once made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tamias import Resource, ResourceNotFoundError, ResourceType

from ..plan.resource_provider import JavaResourceProvider, ResourceProvider
from ..plan.tools.function_tool import FunctionTool
from .resource_context import ResourceContextImpl

if TYPE_CHECKING:
    from ..plan.configuration import AgentConfiguration

__all__ = ["ResourceCache"]


class ResourceCache:
    """Makes each resource of a plan when it is first asked for."""

    def __init__(
        self,
        resource_providers: dict[ResourceType, dict[str, ResourceProvider]] | None,
        config: AgentConfiguration | None = None,
    ) -> None:
        self._providers = resource_providers or {}
        self._config = config
        self._made: dict[tuple[ResourceType, str], Resource] = {}
        self._adapter: Any = None
        self._context = ResourceContextImpl(self)

    def get_resource_context(self) -> ResourceContextImpl:
        """By which the resources find each other."""
        return self._context

    def set_java_resource_adapter(self, j_resource_adapter: Any) -> None:
        """Set what finds resources in Java."""
        self._adapter = j_resource_adapter

    def has(self, name: str, type: ResourceType) -> bool:
        """Whether there is such a resource."""
        return name in self._providers.get(type, {})

    def get_resource(self, name: str, type: ResourceType) -> Resource:
        """The resource of that name. Raises KeyError if there is none."""
        resource = self._made.get((type, name))
        if resource is not None:
            return resource
        provider = self._providers.get(type, {}).get(name)
        if provider is None:
            raise ResourceNotFoundError(
                f"The plan has no {type.value} {name!r}.",
                hint="Declare it with a decorator of the agent, or with add_resource().",
            )
        if isinstance(provider, JavaResourceProvider):
            provider.set_java_resource_adapter(self._adapter)
        resource = provider.provide(resource_context=self._context, config=self._config)
        if isinstance(resource, FunctionTool):
            resource.set_java_resource_adapter(self._adapter)
        resource.open()
        self._made[(type, name)] = resource
        return resource

    def close(self) -> None:
        """Close the resources."""
        for each in self._made.values():
            each.close()
        self._made.clear()
        self._context.close()
