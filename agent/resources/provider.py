"""Providers: how each named resource of a plan comes into being in a worker.

A provider travels with the plan; the resource it makes never does. In particular a method under a
resource decorator is called in the worker, not when the plan is compiled: the zygote compiles
plans too, and a client or a connection created there would be shared by every worker forked from
it.
"""

from __future__ import annotations

import contextlib
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import AgentDefinitionError
from .resource import Resource, ResourceDescriptor, ResourceType

if TYPE_CHECKING:
    from ..config.configuration import Configuration

__all__ = [
    "DescriptorProvider",
    "InstanceProvider",
    "MethodProvider",
    "ResourceProvider",
    "provider_of",
]

GetResource = Callable[[str, ResourceType], Resource]
References = list[tuple[ResourceType, str]]
"""Types and names of resources."""


class ResourceProvider(ABC):
    """Creates the resource ``name`` of the type ``kind``."""

    __slots__ = ("name", "type")

    def __init__(self, name: str, kind: ResourceType) -> None:
        self.name = name
        self.type = kind

    @abstractmethod
    def provide(self, get_resource: GetResource, config: Configuration) -> Resource:
        """A new resource, which finds others through ``get_resource``.

        Raises `AgentDefinitionError` when what was declared is no resource of this type; what the
        resource's own class raises passes through.
        """

    def preload(self, config: Configuration) -> References:  # noqa: ARG002 (for subclasses)
        """Import what the resource needs, in the process that workers are forked from.

        Returns the other resources that it names. Raises what its class raises, as
        `MissingExtraError`.
        """
        return []

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.type.value} {self.name!r})"


class DescriptorProvider(ResourceProvider):
    """Creates the class that a descriptor names."""

    __slots__ = ("descriptor",)

    def __init__(self, name: str, kind: ResourceType, descriptor: ResourceDescriptor) -> None:
        super().__init__(name, kind)
        self.descriptor = descriptor

    def provide(self, get_resource: GetResource, config: Configuration) -> Resource:
        """Create it; the configuration under the name of the class gives default arguments.

        ``MyModel.temperature: 0.2`` is an argument of every ``MyModel`` whose descriptor does not
        say another temperature.
        """
        clazz = self.descriptor.clazz
        arguments = self._arguments(config)
        resource = _typed(clazz(**{**arguments, "get_resource": get_resource}), self)
        resource.provided(self.name, config)
        _open(resource)
        return resource

    def preload(self, config: Configuration) -> References:
        """Import the class, and what it needs."""
        arguments = self._arguments(config)
        self.descriptor.clazz.preload(arguments)
        return self.descriptor.clazz.references(arguments)

    def _arguments(self, config: Configuration) -> dict[str, Any]:
        section = config.section(self.descriptor.clazz.__name__)
        return {**section, **self.descriptor.arguments}


class InstanceProvider(ResourceProvider):
    """Hands out an instance that came with the agent."""

    __slots__ = ("instance",)

    def __init__(self, name: str, kind: ResourceType, instance: Resource) -> None:
        super().__init__(name, kind)
        self.instance = instance

    def provide(self, get_resource: GetResource, config: Configuration) -> Resource:
        """The worker's copy of it, which from now on finds others through ``get_resource``."""
        resource = self.instance
        # Not by assignment: a resource may be frozen.
        resource.__dict__["get_resource"] = get_resource
        resource.provided(self.name, config)
        _open(resource)
        return resource

    def preload(self, config: Configuration) -> References:  # noqa: ARG002 (it has its arguments)
        """Import what it needs."""
        arguments = dict(self.instance)
        self.instance.preload(arguments)
        return self.instance.references(arguments)


class MethodProvider(ResourceProvider):
    """Calls a method under a resource decorator, and goes by what it returns."""

    __slots__ = ("method",)

    def __init__(self, name: str, kind: ResourceType, method: Callable[[], object]) -> None:
        super().__init__(name, kind)
        self.method = method

    def provide(self, get_resource: GetResource, config: Configuration) -> Resource:
        """The resource, from the descriptor or the instance that the method returns."""
        made = provider_of(self.name, self.type, self.method())
        return made.provide(get_resource, config)

    def preload(self, config: Configuration) -> References:
        """Call the method; if it returns a descriptor, import its class, and what that needs.

        Anything else that it returns is dropped: it belongs to a worker. What it raises, the
        worker that needs the resource will see.
        """
        made = None
        with contextlib.suppress(Exception):
            made = self.method()
        if isinstance(made, ResourceDescriptor):
            return DescriptorProvider(self.name, self.type, made).preload(config)
        return []


def provider_of(name: str, kind: ResourceType, declared: Any) -> ResourceProvider:
    """The provider for what a user declared: a descriptor, or a resource.

    Raises `AgentDefinitionError` for anything else, and for a resource of another type.
    """
    if isinstance(declared, ResourceDescriptor):
        return DescriptorProvider(name, kind, declared)
    if isinstance(declared, Resource):
        provider = InstanceProvider(name, kind, declared)
        _typed(declared, provider)
        return provider
    msg = f"The {kind.value} {name!r} is declared as {declared!r}."
    raise AgentDefinitionError(msg, hint="Give a ResourceDescriptor, or a Resource.")


def _typed(resource: object, provider: ResourceProvider) -> Resource:
    if not isinstance(resource, Resource):
        msg = f"The {provider.type.value} {provider.name!r} is {resource!r}, which is no Resource."
        raise AgentDefinitionError(msg, hint="Derive its class from tamias.Resource.")
    actual = resource.resource_type()
    if actual is not provider.type:
        msg = (
            f"{provider.name!r} is declared as a {provider.type.value}, but its class"
            f" {type(resource).__qualname__} is a {actual.value}."
        )
        raise AgentDefinitionError(msg, hint="Use the decorator or ResourceType of the class.")
    return resource


def _open(resource: Resource) -> None:
    """Open a resource, whose class may have given the name `open` to something else."""
    try:
        inspect.signature(resource.open).bind()
    except (TypeError, ValueError):
        msg = f"{type(resource).__qualname__}.open cannot be called without arguments."
        hint = "tamias calls it once, before the first use. Give what you have there another name."
        raise AgentDefinitionError(msg, hint=hint) from None
    resource.open()
