"""Resources: the models, stores, tools and prompts that actions use, and how they are described.

A resource is created in each worker, at its first use, from a `ResourceDescriptor` that names its
class and arguments; it is closed when the worker ends. Nothing here knows a particular model: users
bring their own subclasses of `Resource`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from enum import Enum
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from ..config.secret_names import is_secret
from ..errors import AgentDefinitionError, ResourceNotFoundError, TamiasError
from ..metrics import MetricGroup  # noqa: TC001 (an annotation of a public class)
from ..naming.classes import is_subclass
from ..naming.moved import current_name
from ..naming.public import public

if TYPE_CHECKING:
    from typing_extensions import Self

    from ..config.configuration import Configuration
    from .call_context import CallContext
    from .recording import CallRecorder

__all__ = [
    "Resource",
    "ResourceContext",
    "ResourceDescriptor",
    "ResourceType",
    "SerializableResource",
]


@public
class ResourceType(Enum):
    """What a resource is. Names of resources are unique within a type."""

    CHAT_MODEL = "chat_model"
    CHAT_MODEL_CONNECTION = "chat_model_connection"
    TOOL = "tool"
    EMBEDDING_MODEL = "embedding_model"
    EMBEDDING_MODEL_CONNECTION = "embedding_model_connection"
    VECTOR_STORE = "vector_store"
    PROMPT = "prompt"
    MCP_SERVER = "mcp_server"
    SKILLS = "skills"


@public
class ResourceContext(ABC):
    """What a resource may ask of the agent that it belongs to."""

    @abstractmethod
    def get_resource(self, name: str, resource_type: ResourceType) -> Resource:
        """The other resource with this name."""


@public
class Resource(BaseModel, ABC):
    """Base of all resources. A pydantic model, for the convenience of declaring arguments.

    ``get_resource(name, type)`` gives the other resources of the agent. It is set when
    the resource is created, or comes with a ``resource_context`` that is given.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    get_resource: Callable[[str, ResourceType], Resource] | None = Field(
        default=None, exclude=True, repr=False
    )

    _metric_group: MetricGroup | None = PrivateAttr(default=None)
    _resource_context: ResourceContext | None = PrivateAttr(default=None)

    if not TYPE_CHECKING:

        def __init__(self, /, **data: Any) -> None:
            """As pydantic's, which wraps each ValueError; errors of tamias come out as they are."""
            context = data.pop("resource_context", None)
            if context is not None:
                data.setdefault("get_resource", context.get_resource)
            try:
                super().__init__(**data)
            except ValidationError as error:
                for each in error.errors(include_url=False, include_input=False):
                    own = each.get("ctx", {}).get("error")
                    if isinstance(own, TamiasError):
                        raise own from own.__cause__
                raise
            if context is not None:
                self._resource_context = context

        __init__.__pydantic_base_init__ = True

        def __getattr__(self, name: str) -> Any:
            """As pydantic's, a sixth of the time for private attributes: calls read many."""
            try:
                found = object.__getattribute__(self, "__pydantic_private__")[name]
            except (AttributeError, KeyError, TypeError):
                return super().__getattr__(name)
            if hasattr(found, "__get__"):  # a function, which pydantic binds
                return super().__getattr__(name)
            return found

    @property
    def resource_context(self) -> ResourceContext:
        """The agent that the resource belongs to: `get_resource` in another form."""
        given = (self.__pydantic_private__ or {}).get("_resource_context")
        return _OfGetResource(self) if given is None else given

    @classmethod
    @abstractmethod
    def resource_type(cls) -> ResourceType:
        """The type under which resources of this class are registered."""

    def set_metric_group(self, metric_group: MetricGroup) -> None:
        """Bind the group that the resource reports its metrics to."""
        if self._metric_group is not metric_group:  # to assign it takes longer
            self._metric_group = metric_group

    @property
    def metric_group(self) -> MetricGroup | None:
        """The bound metric group, if any."""
        return self._metric_group

    def bound(self, context: CallContext, metric_group: MetricGroup) -> Self:  # noqa: ARG002
        """The resource as an action uses it: ``ctx.get_resource`` returns this.

        By default the resource itself. Those whose calls are durable return a copy that knows the
        context.
        """
        self.set_metric_group(metric_group)
        return self

    @classmethod
    def references(cls, arguments: Mapping[str, Any]) -> list[tuple[ResourceType, str]]:  # noqa: ARG003
        """The other resources that one with these arguments names, so that they are checked.

        Called where workers are forked from, before there are any.
        """
        return []

    def recorded_by(self, recorder: CallRecorder) -> None:
        """Called once, before the first use, where calls of models are recorded."""

    def provided(self, name: str, config: Configuration) -> None:
        """Called once, before the first use: the name in the agent, and the settings of the job."""

    def open(self) -> None:
        """Called once, before the first use, after `provided`: connect, look others up.

        A class may have a form of its own, without further arguments. It is called in the worker.
        """
        return

    @classmethod
    def preload(cls, arguments: Mapping[str, Any]) -> None:
        """Import what instances will need. Called before workers are forked, which then share it.

        Nothing that belongs to one process may be made here: no client, no thread. ``arguments``
        are those of the descriptor. What it raises keeps the pool from starting.
        """

    def close(self) -> None:
        """Release what the resource holds. Called once, when the worker ends."""
        return

    async def aclose(self) -> None:
        """Release what has to be released on the event loop. Called once, after `close`."""
        return


class _OfGetResource(ResourceContext):
    """That of a resource which was given ``get_resource``."""

    def __init__(self, resource: Resource) -> None:
        self._resource = resource

    def get_resource(self, name: str, resource_type: ResourceType) -> Resource:
        """The other resource. Raises `ResourceNotFoundError` while it belongs to no agent."""
        if self._resource.get_resource is None:
            raise ResourceNotFoundError(
                f"There is no {resource_type.value} {name!r}: the resource belongs to no agent.",
                hint="Give it get_resource or resource_context, or declare it in an agent.",
            )
        return self._resource.get_resource(name, resource_type)


@public
class SerializableResource(Resource, ABC):
    """A resource that is plain data, so that an instance may be handed to an agent directly."""


@public
class ResourceDescriptor:
    """Says how to create a resource: its class, and the arguments for it.

    ``clazz`` is the class or its dotted name (``"package.module.Class"``); the name may also come
    in two parts, ``target_module`` and ``target_clazz``. Given as a name, it is imported by the
    worker that first needs the resource, so the launching process does not have to have it.
    An empty ``target_module`` beside a full name is a class of Java in a plan of Flink Agents.
    Arguments are those in ``arguments`` and all further keyword arguments.
    """

    __slots__ = ("_clazz", "arguments", "target_clazz", "target_module")

    def __init__(
        self,
        *,
        clazz: str | type[Resource] | None = None,
        target_module: str | None = None,
        target_clazz: str | None = None,
        arguments: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self._clazz: type[Resource] | None = None
        if isinstance(clazz, type):
            self._clazz = _checked(clazz)
            target_module, target_clazz = clazz.__module__, clazz.__qualname__
        elif isinstance(clazz, str):
            target_module, _, target_clazz = clazz.rpartition(".")
        is_named = bool(target_module) or (target_module == "" and "." in (target_clazz or ""))
        if not target_clazz or not is_named:
            msg = f"A ResourceDescriptor needs a class, got {clazz!r}."
            hint = "Give the class itself, or its full name: clazz='package.module.Class'."
            raise AgentDefinitionError(msg, hint=hint)
        names = current_name(target_module or "", target_clazz)
        self.target_module, self.target_clazz = names
        self.arguments: dict[str, Any] = {**(arguments or {}), **kwargs}

    def __setstate__(self, state: tuple[None, dict[str, Any]]) -> None:
        for name, value in state[1].items():
            setattr(self, name, value)
        # A pickle of an older version may name a module that has moved since.
        names = current_name(self.target_module, self.target_clazz)
        self.target_module, self.target_clazz = names

    @property
    def clazz(self) -> type[Resource]:
        """The class, imported when it was given by name.

        Raises `AgentDefinitionError` when it cannot be imported or is not a `Resource`.
        """
        if self._clazz is None:
            self._clazz = self._imported()
        return self._clazz

    def _imported(self) -> type[Resource]:
        try:
            found: Any = import_module(self.target_module)
            for part in self.target_clazz.split("."):
                found = getattr(found, part)
        except (ImportError, AttributeError, ValueError) as error:
            where = f"{self.target_module}.{self.target_clazz}"
            msg = f"The resource class {where} cannot be imported: {error}."
            hint = "Check the name, and that its package is installed where the workers run."
            raise AgentDefinitionError(msg, hint=hint) from error
        return _checked(found)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ResourceDescriptor):
            return NotImplemented
        return (self.target_module, self.target_clazz, self.arguments) == (
            other.target_module,
            other.target_clazz,
            other.arguments,
        )

    def __hash__(self) -> int:
        # Arguments may be unhashable; their names are enough to spread descriptors.
        return hash((self.target_module, self.target_clazz, tuple(sorted(self.arguments))))

    def __repr__(self) -> str:
        given = "".join(
            f", {name}={'...' if is_secret(name) else repr(value)}"
            for name, value in self.arguments.items()
        )
        return f"ResourceDescriptor(clazz='{self.target_module}.{self.target_clazz}'{given})"


def _checked(clazz: object) -> type[Resource]:
    if is_subclass(clazz, Resource):  # type: ignore[type-abstract]
        return clazz
    msg = f"{clazz!r} is described as a resource, but is not a subclass of Resource."
    raise AgentDefinitionError(msg, hint="Derive the class from tamias.Resource.")
