"""As `flink_agents.plan.resource_provider` of Flink Agents: how a plan makes resources."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, PrivateAttr, model_serializer

from tamias import (
    Configuration,
    Resource,
    ResourceContext,
    ResourceDescriptor,
    ResourceType,
    SerializableResource,
)

from ._places import peer_name
from .configuration import AgentConfiguration  # noqa: TC001 (a type that users may ask for)

__all__ = [
    "JAVA_RESOURCE_MAPPING",
    "JavaResourceProvider",
    "JavaSerializableResourceProvider",
    "PythonResourceProvider",
    "PythonSerializableResourceProvider",
    "ResourceProvider",
    "SerializableResourceProvider",
]

_JAVA: Final = "flink_agents.runtime.java"

JAVA_RESOURCE_MAPPING: Final[dict[ResourceType, str]] = {
    ResourceType.CHAT_MODEL: f"{_JAVA}.java_chat_model.JavaChatModelSetupImpl",
    ResourceType.CHAT_MODEL_CONNECTION: f"{_JAVA}.java_chat_model.JavaChatModelConnectionImpl",
    ResourceType.EMBEDDING_MODEL: f"{_JAVA}.java_embedding_model.JavaEmbeddingModelSetupImpl",
    ResourceType.EMBEDDING_MODEL_CONNECTION: (
        f"{_JAVA}.java_embedding_model.JavaEmbeddingModelConnectionImpl"
    ),
    ResourceType.VECTOR_STORE: f"{_JAVA}.java_vector_store.JavaVectorStoreImpl",
}
"""By type, the class of Flink Agents that stands for a resource in Java."""


def _read(given: Any) -> ResourceDescriptor:
    if isinstance(given, ResourceDescriptor):
        return given
    return ResourceDescriptor(
        target_module=given["target_module"],
        target_clazz=given["target_clazz"],
        arguments=given.get("arguments"),
    )


_Descriptor = Annotated[ResourceDescriptor, PlainValidator(_read)]


class ResourceProvider(BaseModel, ABC):
    """Makes a resource."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    name: str
    type: ResourceType

    @abstractmethod
    def provide(
        self,
        resource_context: ResourceContext | None = None,
        config: AgentConfiguration | None = None,
        *,
        get_resource: Callable[..., Any] | None = None,
    ) -> Resource:
        """Make the resource, which finds others by a context, or in 0.2 by ``get_resource``."""


class _DescriptorProvider(ResourceProvider, ABC):
    """Makes a resource as a descriptor says."""

    descriptor: _Descriptor

    @model_serializer
    def _write(self) -> dict[str, Any]:
        described = self.descriptor
        module, clazz = peer_name(described.target_module, described.target_clazz)
        written = {"target_module": module, "target_clazz": clazz}
        return {
            "name": self.name,
            "type": self.type.value,
            "descriptor": {**written, "arguments": dict(described.arguments)},
        }


class SerializableResourceProvider(ResourceProvider, ABC):
    """Has a resource as data."""

    module: str
    clazz: str


class PythonResourceProvider(_DescriptorProvider):
    """Makes a resource of Python as a descriptor says."""

    @staticmethod
    def get(name: str, descriptor: ResourceDescriptor) -> PythonResourceProvider:
        """Return the provider for a descriptor, of the resource type of its class."""
        return PythonResourceProvider(
            name=name, type=descriptor.clazz.resource_type(), descriptor=descriptor
        )

    def provide(
        self,
        resource_context: ResourceContext | None = None,
        config: AgentConfiguration | None = None,
        *,
        get_resource: Callable[..., Any] | None = None,
    ) -> Resource:
        """Make the resource; settings under the name of its class are default arguments."""
        clazz = self.descriptor.clazz
        settings = Configuration() if config is None else config
        arguments = {**settings.section(clazz.__name__), **self.descriptor.arguments}
        if resource_context is not None:
            arguments["resource_context"] = resource_context
        if get_resource is not None:
            arguments["get_resource"] = get_resource
        resource = clazz(**arguments)
        resource.provided(self.name, settings)
        return resource


class PythonSerializableResourceProvider(SerializableResourceProvider):
    """Has a resource of Python as data."""

    serialized: dict[str, Any]
    resource: SerializableResource | None = Field(default=None, exclude=True)

    @staticmethod
    def from_resource(
        name: str, resource: SerializableResource
    ) -> PythonSerializableResourceProvider:
        """Return the provider for a resource."""
        module, clazz = peer_name(type(resource).__module__, type(resource).__qualname__)
        return PythonSerializableResourceProvider(
            name=name,
            type=resource.resource_type(),
            module=module,
            clazz=clazz,
            serialized=resource.model_dump(mode="json"),
            resource=resource,
        )

    def provide(
        self,
        resource_context: ResourceContext | None = None,
        config: AgentConfiguration | None = None,
        *,
        get_resource: Callable[..., Any] | None = None,
    ) -> Resource:
        """Return the resource that was given, or make it from the data."""
        if self.resource is None:
            clazz: Any = importlib.import_module(self.module)
            for part in self.clazz.split("."):
                clazz = getattr(clazz, part)
            resource: SerializableResource = clazz.model_validate(self.serialized)
            find = get_resource if resource_context is None else resource_context.get_resource
            # Not by assignment: a resource may be frozen.
            resource.__dict__["get_resource"] = find
            resource.provided(self.name, Configuration() if config is None else config)
            self.resource = resource
        return self.resource

    def __eq__(self, other: object) -> bool:
        """Whether the data is the same, made or not."""
        if not isinstance(other, PythonSerializableResourceProvider):
            return NotImplemented
        return self.model_dump() == other.model_dump()

    __hash__ = None  # type: ignore[assignment]


class JavaResourceProvider(_DescriptorProvider):
    """Makes a resource in Java as a descriptor says."""

    _j_resource_adapter: Any = PrivateAttr(default=None)

    @staticmethod
    def get(name: str, descriptor: ResourceDescriptor) -> JavaResourceProvider:
        """Return the provider for a descriptor.

        Raises KeyError if it does not say the class in Java.
        """
        clazz = descriptor.clazz
        if not descriptor.arguments.get("java_clazz"):
            raise KeyError(f"java_clazz is not set for {clazz.__name__}.")
        return JavaResourceProvider(name=name, type=clazz.resource_type(), descriptor=descriptor)

    def set_java_resource_adapter(self, j_resource_adapter: Any) -> None:
        """Set what finds resources in Java."""
        self._j_resource_adapter = j_resource_adapter

    def provide(
        self,
        resource_context: ResourceContext | None = None,
        config: AgentConfiguration | None = None,
        *,
        get_resource: Callable[..., Any] | None = None,
    ) -> Resource:
        """The resource itself, if its class is one of tamias's, which brings a JVM.

        Raises AgentDefinitionError for a class in Java that a plan only names.
        """
        provider = PythonResourceProvider(
            name=self.name, type=self.type, descriptor=self.descriptor
        )
        return provider.provide(resource_context, config, get_resource=get_resource)


class JavaSerializableResourceProvider(SerializableResourceProvider):
    """Has a resource of Java as data; only to be read and written."""

    model_config = ConfigDict(extra="allow")

    module: str = ""
    clazz: str = ""

    def provide(
        self,
        resource_context: ResourceContext | None = None,
        config: AgentConfiguration | None = None,
        *,
        get_resource: Callable[..., Any] | None = None,
    ) -> Resource:
        """Raise NotImplementedError."""
        raise NotImplementedError(
            f"The resource {self.name!r} was written by Java, and cannot be made in Python."
        )


_KIND: Final = "__resource_provider_type__"
_KINDS: Final[tuple[type[ResourceProvider], ...]] = (
    PythonResourceProvider,
    PythonSerializableResourceProvider,
    JavaResourceProvider,
    JavaSerializableResourceProvider,
)


def read_provider(given: Any) -> ResourceProvider:
    """Read a provider from the data of a plan, which names its kind."""
    if isinstance(given, ResourceProvider):
        return given
    kinds = {each.__name__: each for each in _KINDS}
    data = {name: value for name, value in dict(given).items() if name != _KIND}
    return kinds[given[_KIND]].model_validate(data)


def write_provider(provider: ResourceProvider) -> Mapping[str, Any]:
    """Return the data that `read_provider` reads."""
    data = provider.model_dump(mode="json", serialize_as_any=True)
    return {**data, _KIND: type(provider).__name__}
